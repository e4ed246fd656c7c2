/** Records on their way between raw bytes and the device: the only place that encodes and decodes them. */
import { assert } from '../../lib/assert.ts'
import { equalBytes } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import { unpackUpTo } from '../../lib/zstd.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { blockBytes, recordBytesMax } from '../../format/geometry.ts'
import { isZero } from '../../format/fields.ts'
import { recordSum } from '../../format/pointer.ts'
import type { BlockPointer, RecordSums } from '../../format/pointer.ts'
import type { BlockRun, WriteCommand } from '../contract.ts'
import type { PartSums } from './part-sums.ts'
import { type Payload, blocksOf } from './payloads.ts'

/** Whole blocks; the bytes behind the payload are zeros. The payload is not copied when it fills its blocks. */
export function encodeRecord(
  { bytes: payload, encoding }: Pick<Payload, 'bytes' | 'encoding'>,
  address: number,
  sums: RecordSums,
): { pointer: BlockPointer; command: WriteCommand } {
  const payloadBytes = payload.length
  const blocks = blocksOf(payloadBytes)
  let bytes = payload
  if (payloadBytes !== blocks * blockBytes) {
    bytes = new Uint8Array(blocks * blockBytes)
    bytes.set(payload)
  }
  const sum = recordSum(payload, sums)
  return {
    pointer: { address, blocks, payloadBytes, encoding, sum },
    command: { address, bytes, sum, payloadBytes, replaces: null },
  }
}

/** The raw bytes behind a pointer; `corrupt` when the blocks do not have the checksum that it names. */
export function decodeRecord(blocks: Uint8Array, pointer: BlockPointer, sums: RecordSums): Uint8Array {
  const payload = blocks.length === pointer.payloadBytes ? blocks : blocks.subarray(0, pointer.payloadBytes)
  if (!equalBytes(recordSum(payload, sums), pointer.sum))
    throw corrupt(pointer, 'does not match its checksum')
  if (pointer.encoding === 'raw') return payload
  const raw = unpackUpTo(payload, recordBytesMax)
  if (!raw) throw corrupt(pointer, 'is no zstd of a record')
  return raw
}

const corrupt = ({ address, blocks }: BlockPointer, what: string): StillpointError =>
  new StillpointError('corrupt', `the record at block ${address} ${what}`, { address, blocks })

export async function readRecord(
  device: BlockDevice,
  pointer: BlockPointer,
  sums: RecordSums,
): Promise<Uint8Array> {
  return decodeRecord(await readRecordBlocks(device, pointer), pointer, sums)
}

/** Past the page cache: whether the device really has the record. `buffer` has room for the largest. */
export async function isRecordOnDisk(
  device: BlockDevice,
  pointer: BlockPointer,
  sums: RecordSums,
  buffer: Uint8Array,
): Promise<boolean> {
  const { address, blocks, payloadBytes, sum } = pointer
  if (address + blocks > device.blockCount) return false
  const bytes = buffer.subarray(0, blocks * blockBytes)
  await device.read(address, bytes, { uncached: true })
  return equalBytes(recordSum(bytes.subarray(0, payloadBytes), sums), sum)
}

/** Bytes behind the payload, which nothing reads: encoders leave zeros there. */
export const hasZeroPadding = (
  blocks: Uint8Array,
  { payloadBytes }: Pick<BlockPointer, 'payloadBytes'>,
): boolean => isZero(blocks, payloadBytes, blocks.length)

/** A larger one is not worth stopping everybody else for. */
const nowBytesMax = 64 * 1024

/** Null for a record that the device would have to wait for. */
export function readRecordNow(
  device: BlockDevice,
  pointer: BlockPointer,
  sums: RecordSums,
  target: Uint8Array | null = null,
): Uint8Array | null {
  if (pointer.payloadBytes > nowBytesMax) return null
  checkWithin(device, pointer)
  const bytes = pointer.blocks * blockBytes
  const blocks = target ? target.subarray(0, bytes) : new Uint8Array(bytes)
  assert(blocks.length === bytes, 'a target has room for the record')
  return device.readNow(pointer.address, blocks) ? decodeRecord(blocks, pointer, sums) : null
}

/** Read for a part of them: nobody sees these buffers, so they are used again. */
const scratch: Uint8Array[] = []
const scratchMax = 8
/** Bytes [start, end) of the record, in memory of their own; what has not been verified before is verified whole. */
export async function readRecordPart(
  device: BlockDevice,
  pointer: BlockPointer,
  sums: RecordSums,
  start: number,
  end: number,
  partSums: PartSums,
): Promise<Uint8Array> {
  const extent = partSums.extentOf(pointer, start, end, sums)
  if (extent) {
    checkWithin(device, pointer)
    const blocks = new Uint8Array(extent.bytes)
    const address = pointer.address + extent.from / blockBytes
    if (!device.readNow(address, blocks)) await device.read(address, blocks)
    const part = partSums.verified(pointer, extent.from, blocks, start, end, sums)
    if (part) return part
  }
  if (end - start > pointer.payloadBytes / 2)
    return (await readRecord(device, pointer, sums)).subarray(start, end)
  const whole = scratch.pop() ?? new Uint8Array(recordBytesMax)
  const blocks = whole.subarray(0, pointer.blocks * blockBytes)
  checkWithin(device, pointer)
  // Not in a `finally`: after a failed read the device may still be filling it.
  if (!device.readNow(pointer.address, blocks)) await device.read(pointer.address, blocks)
  try {
    const payload = decodeRecord(blocks, pointer, sums)
    partSums.learn(pointer, payload, sums)
    return payload.slice(start, end)
  } finally {
    if (scratch.length < scratchMax) scratch.push(whole)
  }
}

/** The same at once, by way of `target`; null where the device would have to wait, or there is no room for it. */
export function readRecordPartNow(
  device: BlockDevice,
  pointer: BlockPointer,
  sums: RecordSums,
  start: number,
  end: number,
  partSums: PartSums,
  target: Uint8Array,
): Uint8Array | null {
  checkWithin(device, pointer)
  const extent = partSums.extentOf(pointer, start, end, sums)
  if (extent && extent.bytes <= target.length) {
    const blocks = target.subarray(0, extent.bytes)
    if (!device.readNow(pointer.address + extent.from / blockBytes, blocks)) return null
    const part = partSums.verified(pointer, extent.from, blocks, start, end, sums)
    if (part) return part
  }
  const bytes = pointer.blocks * blockBytes
  if (bytes > target.length) return null
  const blocks = target.subarray(0, bytes)
  if (!device.readNow(pointer.address, blocks)) return null
  const payload = decodeRecord(blocks, pointer, sums)
  partSums.learn(pointer, payload, sums)
  return payload.subarray(start, end)
}

/** See `TreeView.recordRun`. */
export async function readRecordRun(
  device: BlockDevice,
  pointers: readonly BlockPointer[],
  sums: RecordSums,
  target: Uint8Array,
): Promise<Uint8Array[]> {
  const first = pointers[0]!.address
  const blocks = target.length / blockBytes
  checkWithin(device, { address: first, blocks })
  await device.read(first, target)
  let next = 0
  return pointers.map((pointer) => {
    assert(pointer.address === first + next && next + pointer.blocks <= blocks, 'a run has no gap')
    const from = next * blockBytes
    next += pointer.blocks
    return decodeRecord(target.subarray(from, next * blockBytes), pointer, sums)
  })
}

/** All of them as they are, unverified. */
export async function readRecordBlocks(device: BlockDevice, pointer: BlockRun): Promise<Uint8Array> {
  checkWithin(device, pointer)
  const blocks = new Uint8Array(pointer.blocks * blockBytes)
  await device.read(pointer.address, blocks)
  return blocks
}

function checkWithin(device: BlockDevice, { address, blocks }: BlockRun): void {
  if (address + blocks <= device.blockCount) return
  throw new StillpointError('corrupt', `the record at block ${address} lies behind the end of the volume`)
}
