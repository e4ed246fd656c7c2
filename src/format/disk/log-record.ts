/**
 * Codec for one operation in the intent log. A log record has the outcome of the operation in the engine's terms, so
 * that replay needs no file system, allocates nothing, evaluates no precondition and reads no clock.
 *
 * - Changes are sorted by key, and each key is there once, with its last outcome. A value is whole and has sound
 *   pointers.
 * - Writes are sorted by address and do not overlap. An inline write has its bytes in the record. A named write was
 *   already synced when the operation was applied, and has only its pointer in the record.
 * - A record with named writes counts on a published cp, and so does a record that uses records put by earlier steps.
 *   In all other records `countedOnCp` is zero.
 */
import { assert } from '../../lib/assert.ts'
import { compareBytes, readU16, readU32, readU64, writeU16, writeU32, writeU64 } from '../../lib/bytes.ts'
import { Reader, corrupt, layout } from '../fields.ts'
import { countersMax, itemBytesMax, keyBytesMax } from '../geometry.ts'
import { structures } from '../kinds.ts'
import {
  type BlockPointer,
  type ChecksumKind,
  blockPointerBytes,
  hasSoundPointers,
  readBlockPointer,
  writeBlockPointer,
} from '../pointer.ts'
import { cpMax, sequenceMax, timeMsMax } from '../position.ts'

interface Change {
  readonly key: Uint8Array
  /** Null means that the item is deleted. */
  readonly value: Uint8Array | null
}

export interface InlineWrite {
  readonly pointer: BlockPointer
  /** The encoded payload: `payloadBytes` of the pointer. */
  readonly payload: Uint8Array
}

export interface LogRecord {
  /** The last sequence number of the operation, and the count of its numbers: one for each version that it gave. */
  readonly sequence: number
  readonly sequenceCount: number
  /**
   * The published cp that the record counts on, for named writes or for records put by earlier steps; 0 means none.
   */
  readonly countedOnCp: number
  readonly atMs: number
  /** The counters of the root after the operation: exactly countersMax. */
  readonly counters: readonly number[]
  readonly changes: readonly Change[]
  readonly inlineWrites: readonly InlineWrite[]
  readonly namedWrites: readonly BlockPointer[]
}

/**
 * Room for a batch of 8 MiB and the records that the batch merges with. The caller that gathers an operation keeps
 * its record below this limit, and below the size of the ring.
 */
export const logRecordBytesMax = 16 * 2 ** 20
const deleted = 0xffff
const changeHeadBytes = 4
assert(itemBytesMax < deleted, 'the mark of a deletion is not a length')

export const logRecordLayout = layout(
  'log record',
  112,
  [
    ['kind', 0, 1, 'log record'],
    ['version', 1, 1, 'of this layout'],
    ['reserved', 2, 2, 'zero'],
    ['recordBytes', 4, 4, 'of the whole record'],
    ['sequence', 8, 8, 'the last one of the operation'],
    ['countedOnCp', 16, 8, 'the published cp that it counts on; 0: none'],
    ['atMs', 24, 8, 'wall clock of the operation, milliseconds since 1970'],
    ['counters', 32, 8 * countersMax, 'the counters of the root after it'],
    ['changeCount', 96, 4, 'items put and deleted'],
    ['inlineCount', 100, 4, 'writes with their bytes'],
    ['namedCount', 104, 4, 'writes named by pointer'],
    ['sequenceCount', 108, 4, 'how many it took, at least 1'],
  ],
  [
    ['changes', 'in the order of their keys: key length (2), value length (2, 65,535: deleted), key, value'],
    ['inline writes', 'in the order of their addresses: block pointer, encoded payload'],
    ['named writes', 'in the order of their addresses: block pointers'],
  ],
)

export function logRecordBytes(record: LogRecord, sums: ChecksumKind): number {
  const pointer = blockPointerBytes(sums)
  let bytes = logRecordLayout.bytes + record.namedWrites.length * pointer
  for (const { key, value } of record.changes) bytes += changeHeadBytes + key.length + (value?.length ?? 0)
  for (const { payload } of record.inlineWrites) bytes += pointer + payload.length
  return bytes
}

export function encodeLogRecord(record: LogRecord, sums: ChecksumKind): Uint8Array {
  const bytes = new Uint8Array(logRecordBytes(record, sums))
  const end = writeLogRecord(bytes, 0, record, sums)
  assert(end === bytes.length, 'a log record is as long as its parts')
  return bytes
}

const offsets = logRecordLayout.at

/**
 * Writes a record at `start` of a buffer that may hold more, and returns the end of the record. The fields are
 * written without a Writer, because every operation passes here.
 */
export function writeLogRecord(
  bytes: Uint8Array,
  start: number,
  record: LogRecord,
  sums: ChecksumKind,
): number {
  const problem = contradiction(record, sums)
  assert(problem === null, `log record: ${problem?.join(' ')}`)
  const { counters, changes, inlineWrites, namedWrites } = record
  assert(
    record.sequence <= sequenceMax && record.countedOnCp <= cpMax,
    'log record: numbers within their limits',
  )
  assert(record.atMs >= 0 && record.atMs <= timeMsMax, 'log record: atMs within its limits')
  assert(
    record.sequenceCount >= 0 && record.sequenceCount < 2 ** 32,
    'log record: sequenceCount fits its field',
  )
  assert(counters.length === countersMax, 'a log record has all counters')
  bytes[start] = structures.logRecord.kind
  bytes[start + offsets.version] = structures.logRecord.version
  bytes[start + offsets.reserved] = 0
  bytes[start + offsets.reserved + 1] = 0
  writeU64(bytes, start + offsets.sequence, record.sequence)
  writeU64(bytes, start + offsets.countedOnCp, record.countedOnCp)
  writeU64(bytes, start + offsets.atMs, record.atMs)
  for (let i = 0; i < countersMax; i++) writeU64(bytes, start + offsets.counters + 8 * i, counters[i]!)
  writeU32(bytes, start + offsets.changeCount, changes.length)
  writeU32(bytes, start + offsets.inlineCount, inlineWrites.length)
  writeU32(bytes, start + offsets.namedCount, namedWrites.length)
  writeU32(bytes, start + offsets.sequenceCount, record.sequenceCount)
  let at = start + logRecordLayout.bytes
  for (const { key, value } of changes) {
    writeU16(bytes, at, key.length)
    writeU16(bytes, at + 2, value ? value.length : deleted)
    bytes.set(key, at + changeHeadBytes)
    at += changeHeadBytes + key.length
    if (!value) continue
    bytes.set(value, at)
    at += value.length
  }
  const pointerBytes = blockPointerBytes(sums)
  for (const { pointer, payload } of inlineWrites) {
    assert(payload.length === pointer.payloadBytes, 'an inline write has the bytes of its pointer')
    writeBlockPointer(bytes, at, pointer)
    bytes.set(payload, at + pointerBytes)
    at += pointerBytes + payload.length
  }
  for (const pointer of namedWrites) {
    writeBlockPointer(bytes, at, pointer)
    at += pointerBytes
  }
  assert(at - start <= logRecordBytesMax, 'a log record within its limit')
  writeU32(bytes, start + offsets.recordBytes, at - start)
  return at
}

/**
 * Checks a number that is read without a Reader, because an open waits for every record of the log. NaN, which stands
 * for a number of 2^53 and more, is refused.
 */
function inRange(value: number, field: string, max: number, min = 0): number {
  if (!(value >= min && value <= max))
    throw corrupt(logRecordLayout.title, field, `is out of range (${value})`)
  return value
}

/** Decodes all of `bytes`; keys, values and payloads are views of `bytes`. Throws `corrupt` or `newer-format`. */
export function decodeLogRecord(bytes: Uint8Array, sums: ChecksumKind): LogRecord {
  const r = new Reader(logRecordLayout, bytes)
  r.head(structures.logRecord)
  r.zero('reserved')
  inRange(
    readU32(bytes, offsets.recordBytes),
    'recordBytes',
    Math.min(bytes.length, logRecordBytesMax),
    bytes.length,
  )
  const counters: number[] = []
  for (let i = 0; i < countersMax; i++)
    counters.push(inRange(readU64(bytes, offsets.counters + 8 * i), 'counters', Number.MAX_SAFE_INTEGER))
  const cursor = { at: logRecordLayout.bytes }
  const record: LogRecord = {
    sequence: inRange(readU64(bytes, offsets.sequence), 'sequence', sequenceMax),
    sequenceCount: inRange(readU32(bytes, offsets.sequenceCount), 'sequenceCount', 2 ** 32 - 1, 1),
    countedOnCp: inRange(readU64(bytes, offsets.countedOnCp), 'countedOnCp', cpMax),
    atMs: inRange(readU64(bytes, offsets.atMs), 'atMs', timeMsMax),
    counters,
    changes: readChanges(bytes, cursor, readU32(bytes, offsets.changeCount)),
    inlineWrites: readInlineWrites(bytes, cursor, readU32(bytes, offsets.inlineCount), sums),
    namedWrites: readNamedWrites(bytes, cursor, readU32(bytes, offsets.namedCount), sums),
  }
  if (cursor.at !== bytes.length) throw r.problem('recordBytes', 'is more than its parts')
  const problem = contradiction(record, sums)
  if (problem) throw corrupt(logRecordLayout.title, ...problem)
  return record
}

/** Length of the record that begins at `at`, for cutting the payload of a group. Throws `corrupt`. */
export function logRecordLength(bytes: Uint8Array, at: number): number {
  const { title, bytes: headBytes } = logRecordLayout
  if (at + headBytes > bytes.length) throw corrupt(title, 'length', 'is too short')
  const lengthMax = Math.min(bytes.length - at, logRecordBytesMax)
  return inRange(readU32(bytes, at + offsets.recordBytes), 'recordBytes', lengthMax, headBytes)
}

interface Cursor {
  at: number
}

// The three read loops do not believe their counts: every turn of a loop consumes bytes or ends with an error.
function readChanges(bytes: Uint8Array, cursor: Cursor, count: number): Change[] {
  const changes: Change[] = []
  for (let i = 0; i < count; i++) {
    const from = cursor.at + changeHeadBytes
    if (from > bytes.length) throw corrupt(logRecordLayout.title, 'changeCount', 'is larger than the bytes')
    const keyBytes = readU16(bytes, cursor.at)
    const length = readU16(bytes, cursor.at + 2)
    const valueBytes = length === deleted ? 0 : length
    const end = from + keyBytes + valueBytes
    if (end > bytes.length) throw corrupt(logRecordLayout.title, 'changes', 'end behind the record')
    const key = bytes.subarray(from, from + keyBytes)
    changes.push({ key, value: length === deleted ? null : bytes.subarray(from + keyBytes, end) })
    cursor.at = end
  }
  return changes
}

function readPointer(bytes: Uint8Array, cursor: Cursor, field: string, sums: ChecksumKind): BlockPointer {
  const pointer = readBlockPointer(bytes, cursor.at, sums)
  if (!pointer) throw corrupt(logRecordLayout.title, field, 'have a malformed pointer')
  cursor.at += blockPointerBytes(sums)
  return pointer
}

function readInlineWrites(
  bytes: Uint8Array,
  cursor: Cursor,
  count: number,
  sums: ChecksumKind,
): InlineWrite[] {
  const writes: InlineWrite[] = []
  for (let i = 0; i < count; i++) {
    const pointer = readPointer(bytes, cursor, 'inline writes', sums)
    const end = cursor.at + pointer.payloadBytes
    if (end > bytes.length) throw corrupt(logRecordLayout.title, 'inline writes', 'end behind the record')
    writes.push({ pointer, payload: bytes.subarray(cursor.at, end) })
    cursor.at = end
  }
  return writes
}

function readNamedWrites(
  bytes: Uint8Array,
  cursor: Cursor,
  count: number,
  sums: ChecksumKind,
): BlockPointer[] {
  const writes: BlockPointer[] = []
  for (let i = 0; i < count; i++) writes.push(readPointer(bytes, cursor, 'named writes', sums))
  return writes
}

/** Returns the first part that contradicts another part, and how. */
function contradiction(record: LogRecord, sums: ChecksumKind): [field: string, why: string] | null {
  if (record.sequence === 0) return ['sequence', 'is zero']
  if (record.sequenceCount > record.sequence) return ['sequenceCount', 'is more than there have been']
  let before: Uint8Array | null = null
  for (const { key, value } of record.changes) {
    if (key.length === 0 || key.length > keyBytesMax) return ['changes', 'have a key out of range']
    if (value && (value.length === 0 || key.length + value.length > itemBytesMax)) {
      return ['changes', 'have an item out of range']
    }
    if (value && !hasSoundPointers(value, sums)) return ['changes', 'have a malformed value']
    if (before && compareBytes(before, key) >= 0) return ['changes', 'are not in order']
    before = key
  }
  let end = 0
  for (const { pointer } of record.inlineWrites) {
    if (pointer.address < end) return ['inline writes', 'are not in order']
    end = pointer.address + pointer.blocks
  }
  end = 0
  for (const pointer of record.namedWrites) {
    if (pointer.address < end) return ['named writes', 'are not in order']
    end = pointer.address + pointer.blocks
  }
  return null
}
