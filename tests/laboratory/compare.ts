/** An image of the files against the model: names, kinds, sizes, targets, versions, and every byte. */
import { toHex } from '../../src/lib/bytes.ts'
import type { ReadView, Setting, Stat } from '../../src/fs/contract.ts'
import { rootPath } from '../../src/fs/paths.ts'
import type { ModelNode, ModelTree } from '../fs/model-tree.ts'
import { pathOf } from './file-operations.ts'
import { compareDecisions } from './tokens.ts'
import { must } from './violation.ts'

/** Tokens of the model against ETags of the file system: one to one for ever, across crashes. */
export interface Versions {
  /** Throws when the pair contradicts what was seen before. */
  match(token: string, etag: string, where: string): void
}

export interface Tolerance {
  /** Is this an error that the disk excuses? Then the file is left out. Wrong bytes are never excused. */
  excuses(error: unknown): boolean
}

export const noTolerance: Tolerance = { excuses: () => false }

/** Answers how many files were compared byte by byte. */
export async function compareAll(
  view: ReadView,
  tree: ModelTree,
  versions: Versions,
  where: string,
  tolerance: Tolerance = noTolerance,
): Promise<number> {
  const listed = await tolerant(tolerance, () =>
    view.list(rootPath, { after: null, limit: 1000, recursive: true, contentBytesMax: 4096 }),
  )
  if (!listed) return 0
  const expected = tree.list([], true)
  const names = (paths: readonly { readonly path: readonly string[] }[]): string =>
    paths.map(({ path }) => path.join('/')).join(', ')
  must(
    listed.next === null && names(listed.entries) === names(expected),
    () => `${where}: there are ${names(listed.entries)}; there should be ${names(expected)}`,
  )
  const page = { prefix: '', after: null, limit: 1000 }
  const settings = await tolerant(tolerance, () => view.settings(page))
  if (settings) {
    compareSettings(settings, tree, where)
    await tolerant(tolerance, () => compareDecisions(view, tree, where))
  }
  let compared = 0
  for (const [i, { path, node }] of expected.entries()) {
    const name = `${where}: ${path.join('/')}`
    compareStat(listed.entries[i]!.stat, node, versions, name)
    if (node.kind !== 'file') continue
    const { content } = listed.entries[i]!
    must(
      !content || Buffer.compare(content, node.bytes) === 0,
      () => `${name}, as listed: ${difference(content!, node.bytes)}`,
    )
    const bytes = await tolerant(tolerance, () => readFile(view, path))
    if (!bytes) continue
    must(Buffer.compare(bytes, node.bytes) === 0, () => `${name}: ${difference(bytes, node.bytes)}`)
    const [from, to] = [bytes.length >> 2, bytes.length - (bytes.length >> 3)]
    const part = await tolerant(tolerance, async () => readNow(view, path, from, to))
    const partOf = node.bytes.subarray(from, to)
    must(!part || Buffer.compare(part, partOf) === 0, () => `${name}, at once: ${difference(part!, partOf)}`)
    compared++
  }
  return compared
}

function compareSettings(found: readonly Setting[], { settings }: ModelTree, where: string): void {
  const told = (list: readonly (readonly [string, Uint8Array])[]) =>
    list.map(([name, value]) => `${name}=${toHex(value)}`).join(' ')
  const ours = told(found.map(({ name, value }) => [name, value]))
  const theirs = told([...settings].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  must(ours === theirs, () => `${where}: the settings are ${ours}; they should be ${theirs}`)
}

/** Copied at once: the next one who reads so uses the same memory, and that may be before this function's caller goes on. */
function readNow(view: ReadView, path: readonly string[], from: number, to: number): Uint8Array | null {
  return view.openNow(pathOf(path))?.read(from, to)?.slice() ?? null
}

export async function readFile(view: ReadView, path: readonly string[]): Promise<Uint8Array> {
  const file = await view.open(pathOf(path))
  try {
    const parts: Uint8Array[] = []
    const stream = file.stream(0, file.stat.size)
    for (let part = await stream.next(); part; part = await stream.next()) parts.push(part.slice())
    return Buffer.concat(parts)
  } finally {
    file.close()
  }
}

export function compareStat(stat: Stat, node: ModelNode, versions: Versions, where: string): void {
  const size = node.kind === 'file' ? node.bytes.length : node.kind === 'link' ? node.target.length : 0
  const target = node.kind === 'link' ? node.target : null
  must(
    stat.kind === node.kind && stat.size === size && stat.target === target,
    () => `${where}: is a ${stat.kind} of ${stat.size} bytes, should be a ${node.kind} of ${size}`,
  )
  if (node.etag !== null) versions.match(node.etag, stat.etag, where)
}

async function tolerant<T>(tolerance: Tolerance, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work()
  } catch (error) {
    if (tolerance.excuses(error)) return null
    throw error
  }
}

function difference(found: Uint8Array, expected: Uint8Array): string {
  if (found.length !== expected.length) return `${found.length} bytes instead of ${expected.length}`
  const at = found.findIndex((byte, i) => byte !== expected[i])
  return `byte ${at} of ${found.length} differs`
}
