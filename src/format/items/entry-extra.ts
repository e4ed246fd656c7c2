/**
 * The extra of an entry holds attributes without a fixed place: content type, user metadata, the target of a link.
 * The extra stands inside the entry's item when the item fits `itemBytesMax`; otherwise the extra is the payload of a
 * record of its own.
 *
 * - An extra is a list of members, each with a type, ascending by type, each type once. An empty extra takes no
 *   bytes.
 * - A member of an unknown type is kept unchanged by an operation that changes something else of the entry.
 * - Metadata is sorted by the bytes of its names, each name once, so that one meaning has one form.
 * - Text is UTF-8 without control characters, because text goes into headers. Names of metadata are lower case
 *   tokens.
 *
 * The encoder asserts these rules; a caller that takes an extra from a client asks `extraProblem` first.
 */
import { assert } from '../../lib/assert.ts'
import { concatBytes, encodeUtf8, readU16, writeU16 } from '../../lib/bytes.ts'
import {
  contentTypeBytesMax,
  linkTargetBytesMax,
  metaBytesMax,
  metaNameBytesMax,
} from '../../lib/entry-limits.ts'
import { Reader, Writer, corrupt, hasControl, layout, textOf } from '../fields.ts'
import { blockBytes } from '../geometry.ts'
import { structures } from '../kinds.ts'

interface ExtraMember {
  readonly type: number
  readonly bytes: Uint8Array
}

export interface EntryExtra {
  readonly contentType: string | null
  readonly meta: readonly (readonly [name: string, value: string])[]
  /** Target of a symbolic link. */
  readonly target: string | null
  /** Members of unknown types, ascending by type; an edit of the entry keeps these members. */
  readonly unknown: readonly ExtraMember[]
}

export const noExtra: EntryExtra = { contentType: null, meta: [], target: null, unknown: [] }

/** Types of members. A type is never used again for another meaning; 0 is no type. */
const extraTypes = { contentType: 1, meta: 2, target: 3 } as const
const extraTypeMax = 0xffff
/** Limit for the whole list: the longest target of a link takes a little more than one block. */
export const extraBytesMax = 2 * blockBytes

export const entryExtraLayout = layout(
  'entry extra',
  2,
  [
    ['kind', 0, 1, 'entry extra'],
    ['version', 1, 1, 'of this layout'],
  ],
  [['members', 'at least one, ascending by type, each type once: type (2), length (2), bytes']],
)
const memberHeadBytes = 4
const pairHeadBytes = 3
const metaName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/

export const isEmptyExtra = (extra: EntryExtra): boolean =>
  extra.contentType === null && extra.meta.length === 0 && extra.target === null && extra.unknown.length === 0

/** Returns null when the extra can be stored as it is; otherwise the rule that the extra breaks. */
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
    // Names are ASCII, so strings compare as their bytes do.
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
  let typeBefore = 0
  for (const { type } of extra.unknown) {
    if (isKnown(type) || type > extraTypeMax) return `${type} is no unknown type`
    if (type <= typeBefore) return 'members are sorted by type, and each type is there once'
    typeBefore = type
  }
  return null
}

const isKnown = (type: number): boolean =>
  type === extraTypes.contentType || type === extraTypes.meta || type === extraTypes.target

export function encodeEntryExtra(extra: EntryExtra): Uint8Array {
  if (isEmptyExtra(extra)) return new Uint8Array(0)
  const problem = extraProblem(extra)
  assert(problem === null, problem ?? '')
  const members: ExtraMember[] = []
  if (extra.contentType !== null)
    members.push({ type: extraTypes.contentType, bytes: encodeUtf8(extra.contentType) })
  if (extra.meta.length > 0) members.push({ type: extraTypes.meta, bytes: encodeMeta(extra.meta) })
  if (extra.target !== null) members.push({ type: extraTypes.target, bytes: encodeUtf8(extra.target) })
  if (extra.unknown.length > 0) {
    members.push(...extra.unknown)
    members.sort((a, b) => a.type - b.type)
  }
  let length = entryExtraLayout.bytes
  for (const { bytes } of members) length += memberHeadBytes + bytes.length
  const whole = new Uint8Array(length)
  new Writer(entryExtraLayout, whole).head(structures.entryExtra)
  let at = entryExtraLayout.bytes
  for (const { type, bytes } of members) {
    writeU16(whole, at, type)
    writeU16(whole, at + 2, bytes.length)
    whole.set(bytes, at + memberHeadBytes)
    at += memberHeadBytes + bytes.length
  }
  return whole
}

/** Pairs in the order of their names: name length (1), value length (2), name, value. */
function encodeMeta(meta: EntryExtra['meta']): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [name, value] of meta) {
    const valueBytes = encodeUtf8(value)
    const head = new Uint8Array(pairHeadBytes)
    head[0] = name.length
    writeU16(head, 1, valueBytes.length)
    parts.push(head, encodeUtf8(name), valueBytes)
  }
  return concatBytes(...parts)
}

const refuse = (field: string, why: string): never => {
  throw corrupt(entryExtraLayout.title, field, why)
}

function takeText(bytes: Uint8Array, at: number, length: number, field: string): string {
  const text = at + length > bytes.length ? null : textOf(bytes, at, length)
  return text ?? refuse(field, 'is not text of its length')
}

function decodeMeta(bytes: Uint8Array): EntryExtra['meta'] {
  const meta: (readonly [string, string])[] = []
  for (let at = 0; at < bytes.length;) {
    if (at + pairHeadBytes > bytes.length) refuse('meta', 'ends within a pair')
    const nameBytes = bytes[at]!
    const valueBytes = readU16(bytes, at + 1)
    at += pairHeadBytes
    const name = takeText(bytes, at, nameBytes, 'meta')
    meta.push([name, takeText(bytes, at + nameBytes, valueBytes, 'meta')])
    at += nameBytes + valueBytes
  }
  return meta.length > 0 ? meta : refuse('meta', 'is of nothing')
}

/** Decodes all of `bytes`. Throws `corrupt`. */
export function decodeEntryExtra(bytes: Uint8Array): EntryExtra {
  if (bytes.length === 0) return noExtra
  if (bytes.length > extraBytesMax) refuse('length', `is ${bytes.length}`)
  new Reader(entryExtraLayout, bytes).head(structures.entryExtra)
  let contentType: string | null = null
  let meta: EntryExtra['meta'] = []
  let target: string | null = null
  const unknown: ExtraMember[] = []
  let before = 0
  for (let at = entryExtraLayout.bytes; at < bytes.length;) {
    if (at + memberHeadBytes > bytes.length) refuse('members', 'end within the head of one')
    const type = readU16(bytes, at)
    const length = readU16(bytes, at + 2)
    at += memberHeadBytes
    if (type <= before) refuse('members', `of type ${type} follow one of type ${before}`)
    if (at + length > bytes.length) refuse('members', `end within one of type ${type}`)
    before = type
    if (type === extraTypes.contentType) contentType = takeText(bytes, at, length, 'contentType')
    else if (type === extraTypes.meta) meta = decodeMeta(bytes.subarray(at, at + length))
    else if (type === extraTypes.target) target = takeText(bytes, at, length, 'target')
    else unknown.push({ type, bytes: bytes.slice(at, at + length) })
    at += length
  }
  const extra: EntryExtra = { contentType, meta, target, unknown }
  if (isEmptyExtra(extra)) refuse('members', 'are not there')
  const problem = extraProblem(extra)
  if (problem !== null) refuse('members', `are refused: ${problem}`)
  return extra
}
