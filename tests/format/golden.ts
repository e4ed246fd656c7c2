/**
 * One stored form of every structure, as a file: the value, then the bytes in lines of 32 (lines of zeros are left
 * out). When one of them no longer reads as its value, or is no longer written like this, volumes that exist are
 * unreadable: that takes a new version of the structure, not a new file.
 *
 *   bun tests/format/golden.ts --write      writes the files of structures that have none yet
 */
import * as fc from 'fast-check'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { isZero } from '../../src/format/fields.ts'
import { structures } from './structures.ts'

const lineBytes = 32
export const goldenPath = (name: string): string => `${import.meta.dir}/golden/${name}.txt`

/** Every field, in the order of the names, with bytes as hexadecimal text. */
export const describeValue = (value: unknown): string => JSON.stringify(plain(value), null, 1)

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `hex:${toHex(value)}`
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(fields.map(([name, part]) => [name, plain(part)]))
}

export function formatGolden(value: unknown, bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += lineBytes) {
    const end = Math.min(at + lineBytes, bytes.length)
    if (!isZero(bytes, at, end)) lines.push(`${at}: ${toHex(bytes.subarray(at, end))}`)
  }
  return [describeValue(value), `bytes ${bytes.length}`, ...lines, ''].join('\n')
}

export function parseGolden(text: string): { readonly value: string; readonly bytes: Uint8Array } {
  const [, value, length, dump] = /^(.*)\nbytes (\d+)\n(.*)$/s.exec(text) ?? []
  if (value === undefined || length === undefined || dump === undefined) throw new Error('not a golden file')
  const bytes = new Uint8Array(Number(length))
  for (const line of dump.split('\n').filter((row) => row !== '')) {
    const [at, hex] = line.split(': ')
    bytes.set(fromHex(hex ?? ''), Number(at))
  }
  return { value, bytes }
}

if (import.meta.main && process.argv.includes('--write')) {
  for (const { name, values, encode } of structures) {
    const file = Bun.file(goldenPath(name))
    if (await file.exists()) continue
    // Neither the emptiest nor the fullest of some.
    const texts = fc
      .sample(values, { numRuns: 15, seed: 20 })
      .map((value) => formatGolden(value, encode(value)))
      .toSorted((a, b) => a.length - b.length)
    await Bun.write(file, texts[7] ?? '')
    console.log(`${name}: written`)
  }
}
