import { binary, Bytes, greatest } from './bytes.ts'
import { type BlockPointer, blockPointer, blockPointerBytes } from './pointers.ts'

const recordHeadBytes = 112
const deleted = 65_535

/** The outcome of one operation. */
export interface LogRecord {
  readonly sequence: number
  readonly sequenceCount: number
  readonly countedOnCp: number
  readonly counters: readonly number[]
  /** `undefined`: the key is deleted. */
  readonly changes: readonly { readonly key: string; readonly value: Uint8Array | undefined }[]
  readonly inline: readonly { readonly pointer: BlockPointer; readonly payload: Uint8Array }[]
  readonly named: readonly BlockPointer[]
}

/** The records of a group: exactly as many as the head says, in exactly its bytes. */
export function decodeRecords(payload: Uint8Array, count: number, checksumKind: number): LogRecord[] {
  const bytes = new Bytes(payload, 'log')
  const records: LogRecord[] = []
  let at = 0
  for (let i = 0; i < count; i += 1) {
    const length = bytes.u32(at + 4)
    bytes.want(
      length >= recordHeadBytes && length <= 16_777_216,
      'the length of a log record is out of range',
    )
    records.push(decodeRecord(bytes.part(at, length, 'log'), checksumKind))
    at += length
  }
  bytes.want(at === payload.length, 'a group has bytes behind its records')
  return records
}

function decodeRecord(bytes: Bytes, checksumKind: number): LogRecord {
  bytes.head(7)
  bytes.zeros(2, 2)
  const sequence = bytes.upTo(8, greatest.sequence)
  const sequenceCount = bytes.u32(108)
  bytes.want(sequenceCount >= 1 && sequenceCount <= sequence, 'the count of sequences is out of range')
  bytes.upTo(24, greatest.ms)
  const cursor = { at: recordHeadBytes }
  const record = {
    sequence,
    sequenceCount,
    countedOnCp: bytes.upTo(16, greatest.cp),
    counters: Array.from({ length: 8 }, (_, i) => bytes.u64(32 + i * 8)),
    changes: changes(bytes, cursor),
    inline: inlineWrites(bytes, cursor, checksumKind),
    named: namedWrites(bytes, cursor, checksumKind),
  }
  bytes.want(cursor.at === bytes.length, 'a log record has bytes behind its writes')
  return record
}

function changes(bytes: Bytes, cursor: { at: number }): { key: string; value: Uint8Array | undefined }[] {
  const list: { key: string; value: Uint8Array | undefined }[] = []
  for (let count = bytes.u32(96); count > 0; count -= 1) {
    const keyBytes = bytes.u16(cursor.at)
    const valueBytes = bytes.u16(cursor.at + 2)
    const key = binary(bytes.slice(cursor.at + 4, keyBytes))
    bytes.want(keyBytes >= 1 && keyBytes <= 264, 'a key has a bad length')
    const before = list.at(-1)
    bytes.want(before === undefined || before.key < key, 'the changes do not ascend')
    cursor.at += 4 + keyBytes
    if (valueBytes === deleted) {
      list.push({ key, value: undefined })
      continue
    }
    bytes.want(keyBytes + valueBytes <= 1008, 'an item is too long')
    list.push({ key, value: bytes.slice(cursor.at, valueBytes) })
    cursor.at += valueBytes
  }
  return list
}

function inlineWrites(
  bytes: Bytes,
  cursor: { at: number },
  checksumKind: number,
): { pointer: BlockPointer; payload: Uint8Array }[] {
  const list: { pointer: BlockPointer; payload: Uint8Array }[] = []
  for (let count = bytes.u32(100); count > 0; count -= 1) {
    const pointer = blockPointer(bytes, cursor.at, checksumKind)
    const before = list.at(-1)?.pointer
    bytes.want(
      before === undefined || before.address + before.blocks <= pointer.address,
      'writes do not ascend',
    )
    cursor.at += blockPointerBytes(checksumKind)
    list.push({ pointer, payload: bytes.slice(cursor.at, pointer.payloadBytes) })
    cursor.at += pointer.payloadBytes
  }
  return list
}

function namedWrites(bytes: Bytes, cursor: { at: number }, checksumKind: number): BlockPointer[] {
  const list: BlockPointer[] = []
  for (let count = bytes.u32(104); count > 0; count -= 1) {
    const pointer = blockPointer(bytes, cursor.at, checksumKind)
    const before = list.at(-1)
    bytes.want(
      before === undefined || before.address + before.blocks <= pointer.address,
      'writes do not ascend',
    )
    list.push(pointer)
    cursor.at += blockPointerBytes(checksumKind)
  }
  return list
}
