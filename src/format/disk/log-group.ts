/**
 * Codec for a group of log records, which is the unit that one sync makes durable. The log is a ring of groups, in
 * operation order.
 *
 * - A group begins on a block boundary, ends on one (zeros behind its records), and is never rewritten once synced.
 * - The position of a group counts bytes endlessly. The place in the ring is the position modulo the ring's size, so
 *   a group may continue at the ring's beginning.
 * - `sum` covers the head, and with the head also the sum of the payload and the chain value before. `sum` is the
 *   chain value that the next group must name. Because every opening has its own nonce, a group of an earlier opening
 *   can never continue a group of a later one.
 * - `synced` says which groups the writer knew to be synced: damage before that position is corruption, not a torn
 *   tail.
 * - An empty group has no records. The writer writes an empty group when the log is idle, and its `synced` says that
 *   the group before is synced. All bytes of an empty group follow from the groups before, so damage to an empty
 *   group costs nothing.
 */
import { assert } from '../../lib/assert.ts'
import { encodeUtf8, equalBytes, readU32 } from '../../lib/bytes.ts'
import { sha256, sha256Bytes, xxh3, xxh3Bytes } from '../../lib/checksum.ts'
import { newerFormat } from '../features.ts'
import { Reader, Writer, corrupt, isZero, layout } from '../fields.ts'
import { blockBytes } from '../geometry.ts'
import { structures } from '../kinds.ts'
import type { ChecksumKind } from '../pointer.ts'
import { decodeLogRecord, logRecordBytesMax, logRecordLayout, logRecordLength } from './log-record.ts'
import type { LogRecord } from './log-record.ts'
import { sequenceMax } from '../position.ts'

export interface LogGroupHead {
  readonly volumeUuid: Uint8Array
  readonly nonce: Uint8Array
  readonly position: number
  /** The chain value before: the sum of the group before, or the chain of the superblock's log start. */
  readonly chain: Uint8Array
  /** Every group that ended at or before this position was known to be synced; at most `position`. */
  readonly synced: number
  /**
   * The first sequence number of the first operation; every record continues where the record before ended. 0 means
   * that the group has no records.
   */
  readonly firstSequence: number
  /** Bits of the lower half change the meaning of the group; bits of the upper half may be ignored. */
  readonly flags: number
  readonly recordCount: number
  readonly payloadBytes: number
  readonly payloadSum: Uint8Array
  /** The chain value after this group. */
  readonly sum: Uint8Array
}

export const logGroupBytesMax = 2 * logRecordBytesMax
const magic = encodeUtf8('STILLLOG')

export const logGroupLayout = layout(
  'log group',
  144,
  [
    ['kind', 0, 1, 'log group'],
    ['version', 1, 1, 'of this layout'],
    ['reserved', 2, 2, 'zero'],
    ['recordCount', 4, 4, '0: an empty group, which only says what is synced'],
    ['magic', 8, 8, '`STILLLOG`'],
    ['volumeUuid', 16, 16, 'of the volume'],
    ['nonce', 32, 8, 'of the opening that wrote it'],
    ['position', 40, 8, 'its own, in the endless numbering of bytes; a multiple of 4,096'],
    ['synced', 48, 8, 'groups that end at or before this position were known to be synced'],
    ['firstSequence', 56, 8, 'the first sequence number of its first record; 0 in an empty group'],
    ['payloadBytes', 64, 4, 'bytes of its records'],
    ['flags', 68, 4, 'none is defined; an unknown one of the lower 16 makes the group a newer format'],
    ['payloadSum', 72, xxh3Bytes, 'XXH3-64 of its records, seeded by the first 32 bits of the nonce'],
    ['chain', 80, sha256Bytes, 'the sum of the group before'],
    ['sum', 112, sha256Bytes, 'SHA-256 of the 112 bytes before; the chain value of the next group'],
  ],
  [
    ['records', 'log records, one behind the other'],
    ['padding', 'zeros up to a block boundary'],
  ],
)
const incompatibleFlags = 0xffff
const sumAt = logGroupLayout.at.sum
export const logGroupHeadBytes = logGroupLayout.bytes

/** Bytes that a group takes in the ring. */
export const logGroupBytes = (payloadBytes: number): number =>
  Math.ceil((logGroupHeadBytes + payloadBytes) / blockBytes) * blockBytes

const payloadSumOf = (payload: Uint8Array, nonce: Uint8Array): Uint8Array => xxh3(payload, readU32(nonce, 0))

type GroupFacts = Pick<
  LogGroupHead,
  'volumeUuid' | 'nonce' | 'position' | 'chain' | 'synced' | 'firstSequence' | 'recordCount'
> & { readonly flags?: number }

/**
 * Makes a group of whole blocks. The records stand in `bytes` from `logGroupHeadBytes` to `end`, and all other bytes
 * may hold anything. Returns the chain value after the group, which is the last field of the head.
 */
export function sealLogGroup(bytes: Uint8Array, end: number, group: GroupFacts): Uint8Array {
  const isEmpty = group.recordCount === 0
  assert(group.position % blockBytes === 0, 'a group begins on a block')
  assert(group.synced <= group.position, 'only what is before a group can be synced before it')
  assert((group.firstSequence === 0) === isEmpty, 'sequences begin at 1, and an empty group has none')
  const payloadBytes = end - logGroupHeadBytes
  assert((payloadBytes === 0) === isEmpty, 'records have bytes')
  assert(bytes.length === logGroupBytes(payloadBytes), 'a group ends on a block')
  bytes.fill(0, 0, logGroupHeadBytes)
  bytes.fill(0, end)
  const w = new Writer(logGroupLayout, bytes)
  w.head(structures.logGroup)
  w.number('recordCount', group.recordCount)
  w.put('magic', magic)
  w.put('volumeUuid', group.volumeUuid)
  w.put('nonce', group.nonce)
  w.number('position', group.position)
  w.number('synced', group.synced)
  w.number('firstSequence', group.firstSequence, sequenceMax)
  w.number('payloadBytes', payloadBytes, logGroupBytesMax)
  w.number('flags', group.flags ?? 0)
  w.put('payloadSum', payloadSumOf(bytes.subarray(logGroupHeadBytes, end), group.nonce))
  w.put('chain', group.chain)
  const sum = sha256(bytes.subarray(0, sumAt))
  w.put('sum', sum)
  return sum
}

/** Returns all bytes of an empty group; `sum` is the chain value after the group. */
export function emptyLogGroup({ volumeUuid, nonce, position, chain }: EmptyLogGroup): {
  bytes: Uint8Array
  sum: Uint8Array
} {
  const bytes = new Uint8Array(logGroupBytes(0))
  const group = { volumeUuid, nonce, position, chain, synced: position, firstSequence: 0, recordCount: 0 }
  return { bytes, sum: sealLogGroup(bytes, logGroupHeadBytes, group) }
}

export type EmptyLogGroup = Pick<LogGroupHead, 'volumeUuid' | 'nonce' | 'position' | 'chain'>

/**
 * Decodes the head of a group, the first `logGroupHeadBytes` of a block. Throws `corrupt`. Throws `newer-format` for
 * a whole head with an unknown version or an unknown flag. The caller checks that the group continues the chain.
 */
export function decodeLogGroupHead(bytes: Uint8Array): LogGroupHead {
  const r = new Reader(logGroupLayout, bytes)
  if (!equalBytes(r.copy('magic'), magic)) throw r.problem('magic', 'is another')
  if (!equalBytes(sha256(bytes.subarray(0, sumAt)), r.copy('sum'))) throw r.problem('sum', 'does not match')
  r.head(structures.logGroup)
  const flags = r.number('flags')
  if ((flags & incompatibleFlags) !== 0)
    throw newerFormat(logGroupLayout.title, `it has flags that are not known: ${flags & incompatibleFlags}`)
  r.zero('reserved')
  const position = r.number('position')
  if (position % blockBytes !== 0) throw r.problem('position', 'is inside a block')
  const payloadBytes = r.number('payloadBytes', logGroupBytesMax)
  if (payloadBytes > 0 && payloadBytes < logRecordLayout.bytes)
    throw r.problem('payloadBytes', 'are too few for a record')
  const least = payloadBytes === 0 ? 0 : 1
  return {
    volumeUuid: r.copy('volumeUuid'),
    nonce: r.copy('nonce'),
    position,
    chain: r.copy('chain'),
    synced: r.number('synced', position),
    firstSequence: r.number('firstSequence', least * sequenceMax, least),
    flags,
    recordCount: r.number('recordCount', Math.floor(payloadBytes / logRecordLayout.bytes), least),
    payloadBytes,
    payloadSum: r.copy('payloadSum'),
    sum: r.copy('sum'),
  }
}

/**
 * Returns the encoded records of a group as views of `bytes`, which is the whole group. Throws `corrupt`. The padding
 * is not checked: damage to the padding costs no record.
 */
function cutLogGroup(head: LogGroupHead, bytes: Uint8Array): Uint8Array[] {
  const { title } = logGroupLayout
  const end = logGroupHeadBytes + head.payloadBytes
  if (bytes.length !== logGroupBytes(head.payloadBytes)) throw corrupt(title, 'length', 'is another')
  const payload = bytes.subarray(logGroupHeadBytes, end)
  if (!equalBytes(payloadSumOf(payload, head.nonce), head.payloadSum)) {
    throw corrupt(title, 'payloadSum', 'does not match')
  }
  const records: Uint8Array[] = []
  for (let at = 0; at < payload.length;) {
    const length = logRecordLength(payload, at)
    records.push(payload.subarray(at, at + length))
    at += length
  }
  if (records.length !== head.recordCount) throw corrupt(title, 'recordCount', 'is another')
  return records
}

/** Decodes a whole group; each record continues where the record before ended. Throws `corrupt` or `newer-format`. */
export function decodeLogGroup(head: LogGroupHead, bytes: Uint8Array, sums: ChecksumKind): LogRecord[] {
  let next = head.firstSequence
  return cutLogGroup(head, bytes).map((each) => {
    const record = decodeLogRecord(each, sums)
    if (record.sequence - record.sequenceCount + 1 !== next)
      throw corrupt(logGroupLayout.title, 'firstSequence', 'is not that of its records')
    next = record.sequence + 1
    return record
  })
}

/** Returns true when the padding of a whole group is zero. */
export const hasZerosBehind = (head: LogGroupHead, bytes: Uint8Array): boolean =>
  isZero(bytes, logGroupHeadBytes + head.payloadBytes, bytes.length)
