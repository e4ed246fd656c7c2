/** Records on their way between raw bytes and blocks: the only place that encodes and decodes them. */
import { equalBytes } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import { unpackUpTo } from '../../lib/zstd.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { blockBytes, recordBytesMax } from '../../format/geometry.ts'
import { recordSum } from '../../format/pointer.ts'
import type { BlockPointer, RecordSums } from '../../format/pointer.ts'
import type { BlockRun, WriteCommand } from '../contract.ts'
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
  const blocks = new Uint8Array(pointer.blocks * blockBytes)
  await readBlocks(device, pointer, blocks)
  return decodeRecord(blocks, pointer, sums)
}

async function readBlocks(device: BlockDevice, pointer: BlockPointer, blocks: Uint8Array): Promise<void> {
  checkWithin(device, pointer)
  await device.read(pointer.address, blocks)
}

export function checkWithin(device: BlockDevice, { address, blocks }: BlockRun): void {
  if (address + blocks <= device.blockCount) return
  throw new StillpointError('corrupt', `the record at block ${address} lies behind the end of the volume`)
}
