/**
 * A group of log records: what one sync makes durable. The log is a ring of such groups, in operation order.
 *
 * - A group begins on a block boundary, ends on one (zeros behind its records), and is never rewritten once synced.
 * - Its position counts bytes endlessly; the place in the ring is the position modulo the ring's size, so a group may
 *   go on at the ring's beginning.
 * - `sum` covers the head, and with it the sum of the payload and the chain value before; it is the chain value that the
 *   next group must name. With the nonce of the opening, a group left from before can never continue one from after.
 * - `synced` says which groups the writer knew to be synced: damage before it is corruption, not a torn tail.
 */
import { assert } from '../../lib/assert.ts'
import { encodeUtf8, equalBytes, readU32 } from '../../lib/bytes.ts'
import { sha256, sha256Bytes, xxh3, xxh3Bytes } from '../../lib/checksum.ts'
import { Reader, Writer, corrupt, isZero, layout } from '../fields.ts'
import { blockBytes } from '../geometry.ts'
import { structures } from '../kinds.ts'
import { logRecordBytesMax, logRecordLayout, logRecordLength } from './log-record.ts'
import { sequenceMax } from '../position.ts'

export interface LogGroupHead {
  readonly nonce: Uint8Array
  readonly position: number
  /** The chain value before: the sum of the group before, or that of the superblock's log start. */
  readonly chain: Uint8Array
  /** Every group that ended at or before this position was known to be synced; at most `position`. */
  readonly synced: number
  /** Of its first operation; every record goes on where the one before ended. */
  readonly firstSequence: number
  readonly recordCount: number
  readonly payloadBytes: number
  readonly payloadSum: Uint8Array
  /** The chain value after. */
  readonly sum: Uint8Array
}

export const logGroupBytesMax = 2 * logRecordBytesMax
const magic = encodeUtf8('STILLLOG')

export const logGroupLayout = layout(
  'log group',
  128,
  [
    ['kind', 0, 1, 'log group'],
    ['version', 1, 1, 'of this layout'],
    ['reserved', 2, 2, 'zero'],
    ['recordCount', 4, 4, 'at least 1'],
    ['magic', 8, 8, '`STILLLOG`'],
    ['nonce', 16, 8, 'of the opening that wrote it'],
    ['position', 24, 8, 'its own, in the endless numbering of bytes; a multiple of 4,096'],
    ['synced', 32, 8, 'groups that end at or before this position were known to be synced'],
    ['firstSequence', 40, 8, 'the first one of its first record'],
    ['payloadBytes', 48, 4, 'bytes of its records'],
    ['reserved2', 52, 4, 'zero'],
    ['payloadSum', 56, xxh3Bytes, 'XXH3-64 of its records, seeded by the first 32 bits of the nonce'],
    ['chain', 64, sha256Bytes, 'the sum of the group before'],
    ['sum', 96, sha256Bytes, 'SHA-256 of the 96 bytes before; the chain value of the next group'],
  ],
  [
    ['records', 'log records, one behind the other'],
    ['padding', 'zeros up to a block boundary'],
  ],
)
const sumAt = logGroupLayout.at.sum
export const logGroupHeadBytes = logGroupLayout.bytes

/** Bytes that a group takes in the ring. */
export const logGroupBytes = (payloadBytes: number): number =>
  Math.ceil((logGroupHeadBytes + payloadBytes) / blockBytes) * blockBytes

const payloadSumOf = (payload: Uint8Array, nonce: Uint8Array): Uint8Array => xxh3(payload, readU32(nonce, 0))

type GroupFacts = Pick<
  LogGroupHead,
  'nonce' | 'position' | 'chain' | 'synced' | 'firstSequence' | 'recordCount'
>

/**
 * Makes a group of whole blocks: its records stand in `bytes` from `logGroupHeadBytes` to `end`, and the rest may hold
 * anything. Returns the chain value after it, which is the last field of its head.
 */
export function sealLogGroup(bytes: Uint8Array, end: number, group: GroupFacts): Uint8Array {
  assert(group.recordCount > 0, 'a group has records')
  assert(group.position % blockBytes === 0, 'a group begins on a block')
  assert(group.synced <= group.position, 'only what is before a group can be synced before it')
  assert(group.firstSequence >= 1, 'sequences begin at 1')
  const payloadBytes = end - logGroupHeadBytes
  assert(bytes.length === logGroupBytes(payloadBytes), 'a group ends on a block')
  bytes.fill(0, 0, logGroupHeadBytes)
  bytes.fill(0, end)
  const w = new Writer(logGroupLayout, bytes)
  w.head(structures.logGroup)
  w.number('recordCount', group.recordCount)
  w.put('magic', magic)
  w.put('nonce', group.nonce)
  w.number('position', group.position)
  w.number('synced', group.synced)
  w.number('firstSequence', group.firstSequence, sequenceMax)
  w.number('payloadBytes', payloadBytes, logGroupBytesMax)
  w.put('payloadSum', payloadSumOf(bytes.subarray(logGroupHeadBytes, end), group.nonce))
  w.put('chain', group.chain)
  const sum = sha256(bytes.subarray(0, sumAt))
  w.put('sum', sum)
  return sum
}

/** The first `logGroupHeadBytes` of a block. Throws `corrupt`; whether it continues the chain is for the caller. */
export function decodeLogGroupHead(bytes: Uint8Array): LogGroupHead {
  const r = new Reader(logGroupLayout, bytes)
  if (!equalBytes(r.copy('magic'), magic)) throw r.problem('magic', 'is another')
  if (!equalBytes(sha256(bytes.subarray(0, sumAt)), r.copy('sum'))) throw r.problem('sum', 'does not match')
  r.head(structures.logGroup)
  r.zero('reserved')
  r.zero('reserved2')
  const position = r.number('position')
  if (position % blockBytes !== 0) throw r.problem('position', 'is inside a block')
  const payloadBytes = r.number('payloadBytes', logGroupBytesMax, logRecordLayout.bytes)
  return {
    nonce: r.copy('nonce'),
    position,
    chain: r.copy('chain'),
    synced: r.number('synced', position),
    firstSequence: r.number('firstSequence', sequenceMax, 1),
    recordCount: r.number('recordCount', Math.floor(payloadBytes / logRecordLayout.bytes), 1),
    payloadBytes,
    payloadSum: r.copy('payloadSum'),
    sum: r.copy('sum'),
  }
}

/** The records of a group, undecoded, as views of `bytes`, which is the whole group. Throws `corrupt`. */
export function cutLogGroup(head: LogGroupHead, bytes: Uint8Array): Uint8Array[] {
  const { title } = logGroupLayout
  const end = logGroupHeadBytes + head.payloadBytes
  if (bytes.length !== logGroupBytes(head.payloadBytes)) throw corrupt(title, 'length', 'is another')
  const payload = bytes.subarray(logGroupHeadBytes, end)
  if (!equalBytes(payloadSumOf(payload, head.nonce), head.payloadSum)) {
    throw corrupt(title, 'payloadSum', 'does not match')
  }
  if (!isZero(bytes, end, bytes.length)) throw corrupt(title, 'padding', 'is not zero')
  const records: Uint8Array[] = []
  for (let at = 0; at < payload.length;) {
    const length = logRecordLength(payload, at)
    records.push(payload.subarray(at, at + length))
    at += length
  }
  if (records.length !== head.recordCount) throw corrupt(title, 'recordCount', 'is another')
  return records
}
