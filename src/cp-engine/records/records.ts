/**
 * Encoding and decoding of records: no other file turns raw bytes into blocks of records, or blocks into raw bytes.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { equalBytes } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import { unpackUpTo } from '../../lib/zstd.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { isZero } from '../../format/fields.ts'
import { blockBytes, recordBytesMax } from '../../format/geometry.ts'
import { recordSum } from '../../format/pointer.ts'
import type { BlockPointer, RecordSums } from '../../format/pointer.ts'
import type { WriteCommand } from '../contract.ts'
import { type Payload, blocksOf } from './payloads.ts'

/** Encodes a record as whole blocks with zeros behind the payload. A payload that fills its blocks is not copied. */
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

/** The raw bytes behind a pointer. Throws `corrupt` when the blocks do not match the checksum in the pointer. */
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

/** True when zeros are behind the payload. Encoders write zeros there, and no reader uses these bytes. */
const hasZeroPadding = (blocks: Uint8Array, { payloadBytes }: Pick<BlockPointer, 'payloadBytes'>): boolean =>
  isZero(blocks, payloadBytes, blocks.length)
/**
 * Reads a record like `readRecord`, and tells whether zeros are behind the payload: no sum covers the bytes there.
 */
export async function readRecordAndPadding(
  device: BlockDevice,
  pointer: BlockPointer,
  sums: RecordSums,
): Promise<{ raw: Uint8Array; isPaddingZero: boolean }> {
  const blocks = await readRecordBlocks(device, pointer)
  return { raw: decodeRecord(blocks, pointer, sums), isPaddingZero: hasZeroPadding(blocks, pointer) }
}

/** Tells whether the disk has the record, by a read past the page cache. `buffer` has room for any record. */
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

/** The blocks of a record as they are on the device, unverified. */
async function readRecordBlocks(device: BlockDevice, pointer: BlockRun): Promise<Uint8Array> {
  checkWithin(device, pointer)
  const blocks = new Uint8Array(pointer.blocks * blockBytes)
  await device.read(pointer.address, blocks)
  return blocks
}

export function checkWithin(device: BlockDevice, { address, blocks }: BlockRun): void {
  if (address + blocks <= device.blockCount) return
  throw new StillpointError('corrupt', `the record at block ${address} lies behind the end of the volume`)
}
