/**
 * Codecs of the two kinds of pointers. The checksum of a block stands in its parent, so a lost or misdirected write
 * is found.
 *
 * - A node pointer names one address block (tree node, map page, root): address and SHA-256.
 * - A block pointer names a record: a run of data blocks with payload length, encoding and checksum.
 */
import type { BlockRun } from '../lib/block-run.ts'
import { assert } from '../lib/assert.ts'
import { readU16, readU32, readU48, writeU16, writeU32, writeU48 } from '../lib/bytes.ts'
import { equalBytes } from '../lib/bytes.ts'
import { sha256, sha256Bytes, xxh3, xxh3Bytes } from '../lib/checksum.ts'
import { blockBytes, pointersPerValueMax, recordBlocksMax, recordBytesMax } from './geometry.ts'

export interface NodePointer {
  /** 0 means that there is no node: block 0 is a superblock. */
  readonly address: number
  readonly sum: Uint8Array
}

export const nodePointerBytes = 40
export const noNode: NodePointer = { address: 0, sum: new Uint8Array(sha256Bytes) }

export function writeNodePointer(bytes: Uint8Array, at: number, pointer: NodePointer): void {
  writeU48(bytes, at, pointer.address)
  bytes[at + 6] = 0
  bytes[at + 7] = 0
  bytes.set(pointer.sum, at + 8)
}

/** The returned sum is a copy, so the pointer outlives the buffer that it was read from. */
export function readNodePointer(bytes: Uint8Array, at: number): NodePointer {
  return { address: readU48(bytes, at), sum: bytes.slice(at + 8, at + 8 + sha256Bytes) }
}

export const equalNodePointers = (a: NodePointer, b: NodePointer): boolean =>
  a.address === b.address && equalBytes(a.sum, b.sum)

export const checksumKinds = ['xxh3', 'sha256'] as const
export type ChecksumKind = (typeof checksumKinds)[number]
const encodings = ['raw', 'zstd'] as const
export type Encoding = (typeof encodings)[number]

export interface BlockPointer {
  readonly address: number
  readonly blocks: number
  /** Bytes of the encoded payload; the rest of the last block is zeros. */
  readonly payloadBytes: number
  readonly encoding: Encoding
  readonly sum: Uint8Array
}

/** Checksum kind and seed for the records of a volume: a property of the volume, kept in its root. */
export interface RecordSums {
  readonly kind: ChecksumKind
  /** The secret seed of XXH3, below 2³². */
  readonly seed: number
}

export const sumBytes = (sums: ChecksumKind): number => (sums === 'xxh3' ? xxh3Bytes : sha256Bytes)
export const recordSum = (payload: Uint8Array, sums: RecordSums): Uint8Array =>
  sums.kind === 'xxh3' ? xxh3(payload, sums.seed) : sha256(payload)

const blockPointerHeadBytes = 16
export const blockPointerBytes = (sums: ChecksumKind): number => blockPointerHeadBytes + sumBytes(sums)

export function writeBlockPointer(bytes: Uint8Array, at: number, pointer: BlockPointer): void {
  writeU48(bytes, at, pointer.address)
  writeU16(bytes, at + 6, pointer.blocks)
  writeU32(bytes, at + 8, pointer.payloadBytes)
  bytes[at + 12] = encodings.indexOf(pointer.encoding)
  bytes[at + 13] = 0
  bytes[at + 14] = 0
  bytes[at + 15] = 0
  // A call of `set` costs more than a loop over these few bytes.
  const { sum } = pointer
  for (let i = 0; i < sum.length; i++) bytes[at + blockPointerHeadBytes + i] = sum[i]!
}

/** Returns false for bytes that no program could have written. */
function isSound(bytes: Uint8Array, at: number, sums: ChecksumKind): boolean {
  if (at + blockPointerBytes(sums) > bytes.length) return false
  const blocks = readU16(bytes, at + 6)
  const payloadBytes = readU32(bytes, at + 8)
  return (
    bytes[at + 12]! < encodings.length &&
    bytes[at + 13] === 0 &&
    bytes[at + 14] === 0 &&
    bytes[at + 15] === 0 &&
    readU48(bytes, at) > 0 &&
    blocks > 0 &&
    blocks <= recordBlocksMax &&
    payloadBytes > 0 &&
    payloadBytes <= recordBytesMax &&
    blocks === Math.ceil(payloadBytes / blockBytes)
  )
}

/** Returns null for bytes that no program could have written; the caller names the corrupt structure. */
export function readBlockPointer(bytes: Uint8Array, at: number, sums: ChecksumKind): BlockPointer | null {
  if (!isSound(bytes, at, sums)) return null
  return {
    address: readU48(bytes, at),
    blocks: readU16(bytes, at + 6),
    payloadBytes: readU32(bytes, at + 8),
    encoding: encodings[bytes[at + 12]!]!,
    sum: bytes.slice(at + blockPointerHeadBytes, at + blockPointerBytes(sums)),
  }
}

export function equalPointers(a: BlockPointer, b: BlockPointer): boolean {
  return a.address === b.address && a.payloadBytes === b.payloadBytes && equalBytes(a.sum, b.sum)
}

/**
 * Every value of a tree begins with a byte that counts its block pointers (0 to 2); the pointers follow that byte.
 * The rest of the value is opaque to the engine, so the engine, the walk and the log work on items and pointers
 * alone.
 */
export function valueHead(pointers: readonly BlockPointer[], sums: ChecksumKind): Uint8Array {
  assert(pointers.length <= pointersPerValueMax, 'a value holds at most two pointers')
  const head = new Uint8Array(1 + pointers.length * blockPointerBytes(sums))
  head[0] = pointers.length
  pointers.forEach((pointer, i) => writeBlockPointer(head, 1 + i * blockPointerBytes(sums), pointer))
  return head
}

/** Returns the pointers of a value, or null when the value is malformed. */
export function valuePointers(value: Uint8Array, sums: ChecksumKind): BlockPointer[] | null {
  const count = value[0]
  if (count === undefined || count > pointersPerValueMax) return null
  const pointers: BlockPointer[] = []
  for (let i = 0; i < count; i++) {
    const pointer = readBlockPointer(value, 1 + i * blockPointerBytes(sums), sums)
    if (!pointer) return null
    pointers.push(pointer)
  }
  return pointers
}

/** Returns only where the blocks of a value are, without the sums, or null when the value is malformed. */
export function valueRuns(value: Uint8Array, sums: ChecksumKind): BlockRun[] | null {
  if (!hasSoundPointers(value, sums)) return null
  const runs: BlockRun[] = []
  for (let i = 0, at = 1; i < value[0]!; i++, at += blockPointerBytes(sums))
    runs.push({ address: readU48(value, at), blocks: readU16(value, at + 6) })
  return runs
}

/** Returns true when `valuePointers` would return the pointers of the value. */
export function hasSoundPointers(value: Uint8Array, sums: ChecksumKind): boolean {
  const count = value[0]
  if (count === undefined || count > pointersPerValueMax) return false
  for (let i = 0; i < count; i++) if (!isSound(value, 1 + i * blockPointerBytes(sums), sums)) return false
  return true
}

/** Offset at which the opaque part of a value begins. */
export const valueBodyOffset = (value: Uint8Array, sums: ChecksumKind): number =>
  1 + value[0]! * blockPointerBytes(sums)
