/** Records on their way between raw bytes and blocks: the only place that encodes and decodes them. */
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

/** Bytes behind the payload, which nothing reads: encoders leave zeros there. */
const hasZeroPadding = (blocks: Uint8Array, { payloadBytes }: Pick<BlockPointer, 'payloadBytes'>): boolean =>
  isZero(blocks, payloadBytes, blocks.length)
/** As `readRecord`, and whether zeros are behind the payload: no sum covers those. */
export async function readRecordAndPadding(
  device: BlockDevice,
  pointer: BlockPointer,
  sums: RecordSums,
): Promise<{ raw: Uint8Array; isPaddingZero: boolean }> {
  const blocks = await readRecordBlocks(device, pointer)
  return { raw: decodeRecord(blocks, pointer, sums), isPaddingZero: hasZeroPadding(blocks, pointer) }
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

/** All of them as they are, unverified. */
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
