/**
 * Codecs for values of the file tree. Each value begins with its block pointers, like every value of a tree
 * (`valueHead`); the layouts here describe the body behind the pointers.
 *
 * - A small file is one item: its entry holds the only pointer. A larger file has an object, and its records are
 *   items.
 * - No pointer is ever in two items.
 * - An entry's pointers are, in this order: the content of a small file, the record of an extra that the item cannot
 *   hold.
 */
import { assert, bug } from '../../lib/assert.ts'
import {
  encodeUtf8,
  readU16,
  readU32,
  readU48,
  readU64,
  writeU16,
  writeU32,
  writeU48,
  writeU64,
} from '../../lib/bytes.ts'
import { type EntryExtra, decodeEntryExtra, encodeEntryExtra, noExtra } from './entry-extra.ts'
import { corrupt, isZero, layout, verifyHead } from '../fields.ts'
import {
  epochMax,
  itemBytesMax,
  keyBytesMax,
  pointersPerValueMax,
  recordBytesMax,
  recordBytesMin,
} from '../geometry.ts'
import { structures } from '../kinds.ts'
import {
  type BlockPointer,
  type ChecksumKind,
  blockPointerBytes,
  readBlockPointer,
  writeBlockPointer,
} from '../pointer.ts'
import { openingMax, sequenceMax, timeMsMax, timeMsMin } from '../position.ts'
import { bareReader, bareWriter, exact, valueReader, valueWriter } from '../value-codec.ts'

export type EntryKind = 'file' | 'directory' | 'link'
const entryKinds: readonly EntryKind[] = ['file', 'directory', 'link']

/** A version names one content for ever; the ETag is made from the version. */
export interface EntryVersion {
  readonly epoch: number
  readonly opening: number
  readonly sequence: number
}

/** An extra stands inline, or in a record that has to be read first. */
export type StoredExtra =
  | { readonly inline: EntryExtra; readonly record: null }
  | { readonly inline: null; readonly record: BlockPointer }

export interface EntryItem {
  readonly kind: EntryKind
  readonly version: EntryVersion
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number
  /**
   * Whole milliseconds since 1970, `timeMsMin` to `timeMsMax`, and nanoseconds below the millisecond, 0 to 999,999.
   */
  readonly createdMs: number
  readonly createdNanos: number
  readonly modifiedMs: number
  readonly modifiedNanos: number
  /** Bytes of a file, 0 for a directory, bytes of the target for a link. */
  readonly size: number
  /** A directory's id; a file's object id, or 0 for a file without an object; 0 for a link. */
  readonly id: number
  /**
   * The whole content of a small file: the raw bytes of `content` are the first bytes of the file, at most `size`.
   */
  readonly content: BlockPointer | null
  readonly extra: StoredExtra
}

export const modeMax = 0o7777
const flagContent = 1
const flagExtraRecord = 2

export const entryItemLayout = layout(
  'entry item',
  66,
  [
    ['kind', 0, 1, 'entry item'],
    ['version', 1, 1, 'of this layout'],
    ['entryKind', 2, 1, '1 file, 2 directory, 3 symbolic link'],
    ['flags', 3, 1, '1: has a pointer to its content; 2: has a pointer to its extra'],
    ['epoch', 4, 2, 'of its version'],
    ['mode', 6, 2, 'permission bits'],
    ['opening', 8, 4, 'of its version'],
    ['sequence', 12, 6, 'of its version'],
    ['createdSeconds', 18, 6, 'seconds since the beginning of the year 0'],
    ['createdNanos', 24, 4, 'and nanoseconds, below 10⁹'],
    ['modifiedSeconds', 28, 6, 'seconds since the beginning of the year 0'],
    ['modifiedNanos', 34, 4, 'and nanoseconds, below 10⁹'],
    ['size', 38, 8, 'bytes of the file, of the target of a link; 0 for a directory'],
    ['id', 46, 8, 'directory id, or object id (0: no object)'],
    ['spare', 54, 12, 'zero'],
  ],
  [['extra', 'an entry extra, unless a pointer names it or there is nothing to carry']],
)
const entryBytesMost = keyBytesMax + 1 + 2 * blockPointerBytes('sha256') + entryItemLayout.bytes
assert(entryBytesMost <= itemBytesMax, 'the largest entry without its extra fits an item')

const at = entryItemLayout.at

/** Entry items are written and read without Reader and Writer: every request codes several of them. */
export function encodeEntryItem(item: EntryItem, sums: ChecksumKind): Uint8Array {
  const problem = entryProblem(item)
  assert(problem === null, problem ?? '')
  const { version, content } = item
  const { inline, record } = item.extra
  const extra = inline ? encodeEntryExtra(inline) : noBytes
  const pointers = (content ? 1 : 0) + (record ? 1 : 0)
  const base = 1 + pointers * blockPointerBytes(sums)
  const bytes = new Uint8Array(base + entryItemLayout.bytes + extra.length)
  bytes[0] = pointers
  if (content) writeBlockPointer(bytes, 1, content)
  if (record) writeBlockPointer(bytes, base - blockPointerBytes(sums), record)
  bytes[base] = structures.entryItem.kind
  bytes[base + at.version] = structures.entryItem.version
  bytes[base + at.entryKind] = 1 + entryKinds.indexOf(item.kind)
  bytes[base + at.flags] = (content ? flagContent : 0) + (record ? flagExtraRecord : 0)
  writeU16(bytes, base + at.epoch, within('epoch', version.epoch, epochMax))
  writeU16(bytes, base + at.mode, within('mode', item.mode, modeMax))
  writeU32(bytes, base + at.opening, within('opening', version.opening, openingMax))
  writeU48(bytes, base + at.sequence, within('sequence', version.sequence, sequenceMax))
  const { createdMs, createdNanos, modifiedMs, modifiedNanos } = item
  writeTime(bytes, base + at.createdSeconds, 'createdSeconds', createdMs, createdNanos)
  writeTime(bytes, base + at.modifiedSeconds, 'modifiedSeconds', modifiedMs, modifiedNanos)
  writeU64(bytes, base + at.size, item.size)
  writeU64(bytes, base + at.id, item.id)
  if (extra.length > 0) bytes.set(extra, base + entryItemLayout.bytes)
  return bytes
}

const nanosPerMs = 1e6
const secondsMax = Math.floor((timeMsMax - timeMsMin) / 1000)
const nanosMax = 1e9 - 1

function writeTime(bytes: Uint8Array, from: number, field: TimeField, ms: number, nanos: number): void {
  const whole = within(field, ms - timeMsMin, timeMsMax - timeMsMin)
  const seconds = Math.floor(whole / 1000)
  writeU48(bytes, from, seconds)
  writeU32(bytes, from + 6, (whole - seconds * 1000) * nanosPerMs + within(field, nanos, nanosPerMs - 1))
}

const noBytes = new Uint8Array(0)

function within(field: EntryField, value: number, max: number): number {
  const fits = Number.isSafeInteger(value) && value >= 0 && value <= max
  if (!fits) bug(`entry item: ${field} takes an integer up to ${max}, not ${value}`)
  return value
}

type EntryField = keyof typeof at
type TimeField = 'createdSeconds' | 'modifiedSeconds'
const refuse = (field: string, why: string): never => {
  throw corrupt(entryItemLayout.title, field, why)
}

/** The comparison also refuses NaN, which stands for a number of 2^53 and more. */
function believed(field: EntryField, value: number, max = Number.MAX_SAFE_INTEGER, min = 0): number {
  return value >= min && value <= max ? value : refuse(field, `is out of range (${value})`)
}

function believedMs(field: TimeField, value: Uint8Array, from: number, nanos: number): number {
  const seconds = believed(field, readU48(value, from), secondsMax)
  return seconds * 1000 + Math.floor(nanos / nanosPerMs) + timeMsMin
}

/** Returns the offset of an entry's body. Throws `corrupt` or `newer-format` for a value that is no known entry. */
function entryBase(value: Uint8Array, sums: ChecksumKind): number {
  const count = value[0] ?? Infinity
  if (count > pointersPerValueMax) refuse('pointers', 'are malformed')
  const base = 1 + count * blockPointerBytes(sums)
  if (base + 2 > value.length) refuse('length', 'is too short')
  const { kind, version } = structures.entryItem
  if (value[base] !== kind || value[base + at.version] !== version)
    verifyHead(entryItemLayout.title, value[base]!, value[base + at.version]!, structures.entryItem)
  if (base + entryItemLayout.bytes > value.length) refuse('length', 'is too short')
  return base
}

/** Throws `corrupt` with the name of the field, or `newer-format`. */
export function decodeEntryItem(value: Uint8Array, sums: ChecksumKind): EntryItem {
  const base = entryBase(value, sums)
  const flags = believed('flags', value[base + at.flags]!, flagContent | flagExtraRecord)
  const hasContent = (flags & flagContent) !== 0
  const hasRecord = (flags & flagExtraRecord) !== 0
  if ((hasContent ? 1 : 0) + (hasRecord ? 1 : 0) !== value[0]) refuse('flags', 'contradicts the pointers')
  const content = hasContent ? entryPointer(value, 1, sums) : null
  const record = hasRecord ? entryPointer(value, base - blockPointerBytes(sums), sums) : null
  const end = base + entryItemLayout.bytes
  if (record && value.length > end) refuse('flags', 'contradicts an extra in the item')
  if (!isZero(value, base + at.spare, end)) refuse('spare', 'is not zero')
  const createdNanos = believed('createdNanos', readU32(value, base + at.createdNanos), nanosMax)
  const modifiedNanos = believed('modifiedNanos', readU32(value, base + at.modifiedNanos), nanosMax)
  const item: EntryItem = {
    kind: entryKinds[believed('entryKind', value[base + at.entryKind]!, entryKinds.length, 1) - 1]!,
    version: {
      epoch: believed('epoch', readU16(value, base + at.epoch), epochMax),
      opening: believed('opening', readU32(value, base + at.opening), openingMax),
      sequence: believed('sequence', readU48(value, base + at.sequence), sequenceMax),
    },
    mode: believed('mode', readU16(value, base + at.mode), modeMax),
    createdMs: believedMs('createdSeconds', value, base + at.createdSeconds, createdNanos),
    createdNanos: createdNanos % nanosPerMs,
    modifiedMs: believedMs('modifiedSeconds', value, base + at.modifiedSeconds, modifiedNanos),
    modifiedNanos: modifiedNanos % nanosPerMs,
    size: believed('size', readU64(value, base + at.size)),
    id: believed('id', readU64(value, base + at.id)),
    content,
    extra: record ? { inline: null, record } : inlineExtraOf(value, end),
  }
  const problem = entryProblem(item)
  if (problem !== null) refuse('entryKind', `is refused: ${problem}`)
  return item
}

/** Sequence number of an entry's version. The result means nothing for a value that is no entry. */
export const entrySequenceOf = (value: Uint8Array, sums: ChecksumKind): number =>
  readU48(value, 1 + value[0]! * blockPointerBytes(sums) + at.sequence)

/**
 * Returns the id of a directory, which is enough on the way to an entry; null for another entry. Throws `corrupt`.
 */
export function directoryIdOf(value: Uint8Array, sums: ChecksumKind): number | null {
  const base = entryBase(value, sums)
  const isDirectory = entryKinds[value[base + at.entryKind]! - 1] === 'directory'
  return isDirectory ? believed('id', readU64(value, base + at.id), Number.MAX_SAFE_INTEGER, 1) : null
}

function entryPointer(value: Uint8Array, from: number, sums: ChecksumKind): BlockPointer {
  return readBlockPointer(value, from, sums) ?? refuse('pointers', 'are malformed')
}

const inlineNothing = inlineExtra(noExtra)
const inlineExtraOf = (value: Uint8Array, from: number): StoredExtra =>
  from === value.length ? inlineNothing : inlineExtra(decodeEntryExtra(value.slice(from)))

function entryProblem(item: EntryItem): string | null {
  const { kind, size, id, content, extra } = item
  if (kind !== 'file' && content) return 'only a file has content'
  if (kind === 'directory' ? id === 0 || size !== 0 : kind === 'link' && id !== 0) {
    return 'a directory has an id and no size, a link has no id'
  }
  if (content && id !== 0) return 'a file has one record or an object, not both'
  if (content?.encoding === 'raw' && content.payloadBytes > size) return 'a file is as large as its content'
  if (extra.inline) {
    const target = extra.inline.target
    if ((kind === 'link') !== (target !== null)) return 'a link has a target, nothing else has'
    if (target !== null && size !== encodeUtf8(target).length)
      return 'the size of a link is that of its target'
  } else if (kind === 'link' && size === 0) return 'a link has a target'
  return null
}

export function inlineExtra(extra: EntryExtra): StoredExtra {
  return { inline: extra, record: null }
}

export interface RecordItem {
  readonly pointer: BlockPointer
  /**
   * Bytes of the file that the record covers: a power of two. The offset in the record's key is a multiple of `span`.
   */
  readonly span: number
  /** Bytes before encoding, 1 to `span`; the rest of the span reads as zeros. */
  readonly rawBytes: number
}

const spanLogMin = Math.log2(recordBytesMin)
const spanLogMax = Math.log2(recordBytesMax)
assert(Number.isInteger(spanLogMin) && Number.isInteger(spanLogMax), 'spans are powers of two')

export const recordItemLayout = layout('record item', 8, [
  ['kind', 0, 1, 'record item'],
  ['version', 1, 1, 'of this layout'],
  ['spanLog', 2, 1, 'log₂ of the bytes of the file that it covers: 12 to 20'],
  ['reserved', 3, 1, 'zero'],
  ['rawBytes', 4, 4, 'bytes before encoding; the rest of the span reads as zeros'],
])

export const isSpan = (span: number): boolean =>
  span >= recordBytesMin && span <= recordBytesMax && Number.isInteger(Math.log2(span))

export function encodeRecordItem(item: RecordItem, sums: ChecksumKind): Uint8Array {
  assert(isSpan(item.span), 'a span is a power of two')
  assert(item.rawBytes >= 1 && item.rawBytes <= item.span, 'a record has bytes, and not more than its span')
  const { pointer } = item
  assert(
    pointer.encoding !== 'raw' || pointer.payloadBytes === item.rawBytes,
    'raw bytes are stored as they are',
  )
  const { bytes, w } = valueWriter(recordItemLayout, [pointer], sums)
  w.head(structures.recordItem)
  w.number('spanLog', Math.log2(item.span))
  w.number('rawBytes', item.rawBytes)
  return bytes
}

/** Throws `corrupt`. A caller that has the key checks that the offset in the key is a multiple of the span. */
export function decodeRecordItem(value: Uint8Array, sums: ChecksumKind): RecordItem {
  const { r, pointers } = valueReader(recordItemLayout, value, sums)
  r.head(structures.recordItem)
  r.zero('reserved')
  exact(r, value)
  const pointer = pointers[0]
  if (!pointer || pointers.length !== 1) throw r.problem('kind', 'has not one pointer')
  const span = 2 ** r.number('spanLog', spanLogMax, spanLogMin)
  const rawBytes = r.number('rawBytes', span, 1)
  if (pointer.encoding === 'raw' && pointer.payloadBytes !== rawBytes) {
    throw r.problem('rawBytes', 'contradicts the pointer')
  }
  return { pointer, span, rawBytes }
}

export interface ObjectItem {
  /** Number of entries that name the object; 0 while an upload is on its way. */
  readonly entries: number
  readonly size: number
  /** Bytes of the file that a new record should cover: a power of two. */
  readonly span: number
  /** Id of the object whose records are read where this object has none; 0 means no base. */
  readonly base: number
}

export const objectItemLayout = layout('object item', 24, [
  ['kind', 0, 1, 'object item'],
  ['version', 1, 1, 'of this layout'],
  ['spanLog', 2, 1, 'log₂ of the span that new records should have: 12 to 20'],
  ['reserved', 3, 1, 'zero'],
  ['entries', 4, 4, 'entries that name it; 0 while an upload is on its way'],
  ['size', 8, 8, 'bytes of the file'],
  ['base', 16, 8, 'the object that is read where this one has no record; 0: none'],
])

export function encodeObjectItem(item: ObjectItem): Uint8Array {
  assert(isSpan(item.span), 'a span is a power of two')
  const { bytes, w } = bareWriter(objectItemLayout)
  w.head(structures.objectItem)
  w.number('spanLog', Math.log2(item.span))
  w.number('entries', item.entries)
  w.number('size', item.size)
  w.number('base', item.base)
  return bytes
}

/** Throws `corrupt`. */
export function decodeObjectItem(value: Uint8Array): ObjectItem {
  const r = bareReader(objectItemLayout, value)
  exact(r, value)
  r.head(structures.objectItem)
  r.zero('reserved')
  return {
    span: 2 ** r.number('spanLog', spanLogMax, spanLogMin),
    entries: r.number('entries'),
    size: r.number('size'),
    base: r.number('base'),
  }
}

/**
 * Work for the reaper: an unlinked directory or object, an upload without a name, a tail that a truncation cut off.
 */
export type OrphanKind = 'directory' | 'object' | 'upload' | 'tail'
const orphanKinds: readonly OrphanKind[] = ['directory', 'object', 'upload', 'tail']

export interface OrphanItem {
  readonly kind: OrphanKind
  /** Directory id or object id. */
  readonly id: number
  /** For a tail, the byte of the file from which the records of the object are cut off. Otherwise 0. */
  readonly offset: number
}

export const orphanItemLayout = layout('orphan item', 20, [
  ['kind', 0, 1, 'orphan item'],
  ['version', 1, 1, 'of this layout'],
  ['orphanKind', 2, 1, '1 directory, 2 object, 3 upload, 4 tail of an object'],
  ['reserved', 3, 1, 'zero'],
  ['id', 4, 8, 'directory id, or object id'],
  ['offset', 12, 8, 'of a tail: where it begins in the file; else 0'],
])

export function encodeOrphanItem(item: OrphanItem): Uint8Array {
  assert(item.id > 0, 'an orphan has an id')
  assert(item.offset === 0 || item.kind === 'tail', 'only a tail has an offset')
  const { bytes, w } = bareWriter(orphanItemLayout)
  w.head(structures.orphanItem)
  w.number('orphanKind', 1 + orphanKinds.indexOf(item.kind))
  w.number('id', item.id)
  w.number('offset', item.offset)
  return bytes
}

/** Throws `corrupt`. */
export function decodeOrphanItem(value: Uint8Array): OrphanItem {
  const r = bareReader(orphanItemLayout, value)
  exact(r, value)
  r.head(structures.orphanItem)
  r.zero('reserved')
  const kind = orphanKinds[r.number('orphanKind', orphanKinds.length, 1) - 1]!
  return {
    kind,
    id: r.number('id', Number.MAX_SAFE_INTEGER, 1),
    offset: r.number('offset', kind === 'tail' ? Number.MAX_SAFE_INTEGER : 0),
  }
}
