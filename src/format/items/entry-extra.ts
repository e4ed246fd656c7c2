/**
 * What an entry may carry beside its fixed attributes: content type, user metadata, the target of a link. It stands
 * inside the entry's item when the item stays under `itemBytesMax`, else it is the payload of a record of its own.
 *
 * - Nothing to carry is no bytes at all.
 * - Metadata is sorted by the bytes of its names, each name once: one form for one meaning.
 * - Text is UTF-8 without control characters (it goes into headers); names of metadata are lower case tokens.
 *
 * The encoder asserts these; whoever takes them from a client asks `extraProblem` first.
 */
import { assert } from '../../lib/assert.ts'
import { encodeUtf8, readU16, writeU16 } from '../../lib/bytes.ts'
import {
  contentTypeBytesMax,
  linkTargetBytesMax,
  metaBytesMax,
  metaNameBytesMax,
} from '../../lib/entry-limits.ts'
import { Reader, Writer, corrupt, hasControl, layout, textOf } from '../fields.ts'
import { structures } from '../kinds.ts'

export interface EntryExtra {
  readonly contentType: string | null
  readonly meta: readonly (readonly [name: string, value: string])[]
  /** Of a symbolic link. */
  readonly target: string | null
}

export const noExtra: EntryExtra = { contentType: null, meta: [], target: null }

export const entryExtraLayout = layout(
  'entry extra',
  8,
  [
    ['kind', 0, 1, 'entry extra'],
    ['version', 1, 1, 'of this layout'],
    ['contentTypeBytes', 2, 1, '0: none'],
    ['reserved', 3, 1, 'zero'],
    ['metaCount', 4, 2, 'pairs of metadata'],
    ['targetBytes', 6, 2, '0: not a link; up to 4,095'],
  ],
  [
    ['contentType', 'UTF-8'],
    ['meta', 'pairs in the order of their names: name length (1), value length (2), name, value'],
    ['target', 'UTF-8'],
  ],
)
const pairHeadBytes = 3
const metaName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/

export const isEmptyExtra = (extra: EntryExtra): boolean =>
  extra.contentType === null && extra.meta.length === 0 && extra.target === null

/** Null when the extra can be stored as it is; otherwise what is wrong with it. */
export function extraProblem(extra: EntryExtra): string | null {
  const isText = (text: string) => text.isWellFormed() && !hasControl(text)
  if (extra.contentType !== null) {
    const length = encodeUtf8(extra.contentType).length
    if (length === 0 || length > contentTypeBytesMax)
      return `a content type has 1 to ${contentTypeBytesMax} bytes`
    if (!isText(extra.contentType)) return 'a content type has no control characters'
  }
  let bytes = 0
  let before = ''
  for (const [name, value] of extra.meta) {
    if (!metaName.test(name) || name.length > metaNameBytesMax) {
      return `a name of metadata is a lower case token of at most ${metaNameBytesMax} bytes`
    }
    // Names are ASCII, so that strings compare as their bytes do.
    if (name <= before) return 'names of metadata are sorted, and each is there once'
    if (!isText(value)) return 'metadata has no control characters'
    before = name
    bytes += name.length + encodeUtf8(value).length
  }
  if (bytes > metaBytesMax) return `metadata is at most ${metaBytesMax} bytes`
  if (extra.target !== null) {
    const length = encodeUtf8(extra.target).length
    if (length === 0 || length > linkTargetBytesMax)
      return `a link target has 1 to ${linkTargetBytesMax} bytes`
    if (!isText(extra.target)) return 'a link target has no control characters'
  }
  return null
}

export function encodeEntryExtra(extra: EntryExtra): Uint8Array {
  if (isEmptyExtra(extra)) return new Uint8Array(0)
  const problem = extraProblem(extra)
  assert(problem === null, problem ?? '')
  const contentType = encodeUtf8(extra.contentType ?? '')
  const target = encodeUtf8(extra.target ?? '')
  const pairs = extra.meta.map(([name, value]) => [encodeUtf8(name), encodeUtf8(value)] as const)
  const metaBytes = pairs.reduce((sum, [name, value]) => sum + pairHeadBytes + name.length + value.length, 0)
  const bytes = new Uint8Array(entryExtraLayout.bytes + contentType.length + metaBytes + target.length)
  const w = new Writer(entryExtraLayout, bytes)
  w.head(structures.entryExtra)
  w.number('contentTypeBytes', contentType.length)
  w.number('metaCount', pairs.length)
  w.number('targetBytes', target.length)
  bytes.set(contentType, entryExtraLayout.bytes)
  let at = entryExtraLayout.bytes + contentType.length
  for (const [name, value] of pairs) {
    bytes[at] = name.length
    writeU16(bytes, at + 1, value.length)
    bytes.set(name, at + pairHeadBytes)
    bytes.set(value, at + pairHeadBytes + name.length)
    at += pairHeadBytes + name.length + value.length
  }
  bytes.set(target, at)
  return bytes
}

/** All of `bytes`; throws `corrupt`. */
export function decodeEntryExtra(bytes: Uint8Array): EntryExtra {
  if (bytes.length === 0) return noExtra
  const r = new Reader(entryExtraLayout, bytes)
  r.head(structures.entryExtra)
  r.zero('reserved')
  let at = entryExtraLayout.bytes
  const take = (field: string, length: number): string => {
    const text = at + length > bytes.length ? null : textOf(bytes, at, length)
    if (text === null) throw corrupt(entryExtraLayout.title, field, 'is not text of its length')
    at += length
    return text
  }
  const contentType = take('contentType', r.number('contentTypeBytes'))
  const meta: (readonly [string, string])[] = []
  // A pair has at least a head and a name, so that a count larger than the bytes ends at once.
  for (let left = r.number('metaCount', metaBytesMax); left > 0; left--) {
    if (at + pairHeadBytes > bytes.length) throw r.problem('metaCount', 'is larger than the bytes')
    const nameBytes = bytes[at]!
    const valueBytes = readU16(bytes, at + 1)
    at += pairHeadBytes
    meta.push([take('meta', nameBytes), take('meta', valueBytes)])
  }
  const target = take('target', r.number('targetBytes', linkTargetBytesMax))
  const extra: EntryExtra = {
    contentType: contentType === '' ? null : contentType,
    meta,
    target: target === '' ? null : target,
  }
  if (at !== bytes.length) throw corrupt(entryExtraLayout.title, 'target', 'has bytes after its end')
  if (isEmptyExtra(extra)) throw corrupt(entryExtraLayout.title, 'length', 'is of nothing')
  const problem = extraProblem(extra)
  if (problem !== null) throw corrupt(entryExtraLayout.title, 'meta', `is refused: ${problem}`)
  return extra
}
