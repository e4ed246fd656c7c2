/** A deterministic tree on the local disk with everything that a real one has, and the comparison of two. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../../src/lib/random.ts'

const oddNames = [
  'a b',
  ' leading and trailing ',
  'ü',
  'u\u0308 (decomposed)',
  '日本語',
  '🐟',
  '%41%2F%00',
  'a+b&c=d#e?f',
  'back\\slash',
  '.hidden',
  '...',
  '-r',
  '"quoted" \'twice\'',
  'C:',
  'sempre;|&$(x)`y`',
  'n'.repeat(255),
  'ж'.repeat(127),
]
const oddSizes = [0, 1, 511, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1_048_576, 1_048_577, 3_000_001]
const modes = [0o644, 0o600, 0o755, 0o444, 0o777, 0o640]

export function makeTree(root: string, files: number, seed: number): void {
  const dice = seededRandom(seed)
  const pool = dice.bytes(2 ** 20)
  const folders = ['']
  let made = 0
  const makeFile = (folder: string, name: string, size: number): void => {
    const path = join(root, folder, name)
    const bytes = new Uint8Array(size)
    for (let at = 0; at < size; at += pool.length) {
      const from = size > 100_000 ? 0 : dice.below(pool.length - Math.min(size, pool.length))
      bytes.set(pool.subarray(from, from + Math.min(size - at, pool.length - from)), at)
    }
    bytes.set(new TextEncoder().encode(`${made++} ${name}`).subarray(0, size))
    fs.writeFileSync(path, bytes)
    setAttributes(path, modes[dice.below(modes.length)]!)
  }
  const setAttributes = (path: string, mode: number): void => {
    fs.chmodSync(path, mode)
    const time = new Date(Date.UTC(2001, 1, 3) + dice.below(2 ** 31) * 350 + dice.below(1000))
    fs.utimesSync(path, time, time)
  }
  fs.mkdirSync(root)
  for (const name of oddNames) {
    fs.mkdirSync(join(root, `of ${name}`.slice(0, 120)))
    folders.push(`of ${name}`.slice(0, 120))
    makeFile('', name, dice.below(300))
  }
  for (const size of oddSizes) makeFile('', `${size} bytes`, size)
  while (folders.length < files / 12) {
    const parent = folders[dice.below(folders.length)]!
    if (parent.split('/').length > 12 || parent.length > 1200) continue
    const folder = join(parent, `${oddNames[dice.below(12)]!}${folders.length}`)
    fs.mkdirSync(join(root, folder))
    folders.push(folder)
  }
  for (let i = 0; i < 10; i++) fs.mkdirSync(join(root, folders[dice.below(folders.length)]!, `empty ${i}`))
  const targets = ['../nowhere', 'a b', '/absolute/path', '.', 'ü/日本', 'x'.repeat(1000)]
  for (const [i, target] of targets.entries()) {
    const path = join(root, folders[dice.below(folders.length)]!, `link ${i}`)
    fs.symlinkSync(target, path)
    fs.lutimesSync(path, 1e9 + i / 8, 1e9 + i / 8)
  }
  for (let left = files - made; left > 0; left--)
    makeFile(
      folders[dice.below(folders.length)]!,
      `f${made}.txt`,
      dice.below(dice.below(20) === 0 ? 60_000 : 3000),
    )
  // A folder's time changes with what is made in it, and a mode may forbid that: last, the deepest first.
  for (const folder of folders.toReversed())
    if (folder !== '') setAttributes(join(root, folder), [0o755, 0o700, 0o750][dice.below(3)]!)
}

/** One line an entry: kind, mode, time, size or target, and a hash of the content. The root itself is left out. */
export function describeTree(root: string): string[] {
  const lines: string[] = []
  const visit = (folder: string): void => {
    for (const name of fs.readdirSync(join(root, folder))) {
      const path = join(folder, name)
      const full = join(root, path)
      const stat = fs.lstatSync(full)
      const time = Math.floor(stat.mtimeMs)
      if (stat.isSymbolicLink()) lines.push(`${path}: link ${time} ${fs.readlinkSync(full)}`)
      else if (stat.isDirectory()) {
        lines.push(`${path}: directory ${(stat.mode & 0o7777).toString(8)} ${time}`)
        visit(path)
      } else {
        const hash = new Bun.CryptoHasher('sha256').update(fs.readFileSync(full)).digest('hex')
        lines.push(`${path}: file ${(stat.mode & 0o7777).toString(8)} ${time} ${stat.size} ${hash}`)
      }
    }
  }
  visit('')
  return lines.toSorted()
}

/** The first few lines that only one of them has. */
export function treeDifference(left: readonly string[], right: readonly string[]): string[] {
  const [of, and] = [new Set(left), new Set(right)]
  const lost = left.filter((line) => !and.has(line)).map((line) => `- ${line}`)
  const found = right.filter((line) => !of.has(line)).map((line) => `+ ${line}`)
  return [...lost.slice(0, 4), ...found.slice(0, 4)]
}
