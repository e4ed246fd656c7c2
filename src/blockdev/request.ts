/**
 * Checks and preparations that all implementations of the device share, so that a caller's bug shows on each of them.
 *
 * - A buffer is a whole number of blocks, and everything lies below `blockCount`.
 * - The runs of one write do not overlap.
 */
import { assert, bug } from '../lib/assert.ts'
import { DeviceError, type WriteRun } from './block-device.ts'

/**
 * The unit of the contract. The format's geometry has the same number for the same reason; a test compares the two.
 */
export const deviceBlockBytes = 4096

/** A contiguous stretch of blocks: its buffers fill the stretch in order. */
export interface Extent {
  readonly address: number
  readonly buffers: Uint8Array[]
  bytes: number
}

export function wholeBlocksOf(bytes: Uint8Array): number {
  assert(bytes.length > 0 && bytes.length % deviceBlockBytes === 0, 'a buffer is a whole number of blocks')
  return bytes.length / deviceBlockBytes
}

export function assertInside(address: number, blocks: number, blockCount: number): void {
  // Every read comes through this check, so the text is built only when the check fails.
  if (!(Number.isSafeInteger(address) && address >= 0 && address + blocks <= blockCount))
    bug(`blocks ${address} to ${address + blocks} lie beyond the device of ${blockCount}`)
}

/**
 * Every buffer makes a call dearer, so buffers of neighbouring runs that lie side by side in memory become one, up to
 * this length in bytes.
 */
const joinedBufferBytesMax = 128 * 1024

/** Sorts the runs and joins neighbours up to both limits, so that the device makes few, large, vectored writes. */
export function joinRuns(
  runs: readonly WriteRun[],
  blockCount: number,
  buffersMax: number,
  bytesMax: number,
): Extent[] {
  const extents: Extent[] = []
  let last: Extent | undefined
  let end = 0
  for (const run of inAddressOrder(runs)) {
    const blocks = wholeBlocksOf(run.bytes)
    assertInside(run.address, blocks, blockCount)
    if (run.address < end) bug(`two runs of one write overlap at block ${run.address}`)
    if (
      last !== undefined &&
      run.address === end &&
      last.buffers.length < buffersMax &&
      last.bytes + run.bytes.length <= bytesMax
    ) {
      addBuffer(last.buffers, run.bytes)
      last.bytes += run.bytes.length
    } else {
      last = { address: run.address, buffers: [run.bytes], bytes: run.bytes.length }
      extents.push(last)
    }
    end = run.address + blocks
  }
  return extents
}

function addBuffer(buffers: Uint8Array[], bytes: Uint8Array): void {
  const before = buffers.at(-1)!
  const length = before.length + bytes.length
  const isNext =
    bytes.byteOffset > 0 &&
    before.byteOffset + before.length === bytes.byteOffset &&
    length <= joinedBufferBytesMax &&
    before.buffer === bytes.buffer
  if (isNext) buffers[buffers.length - 1] = new Uint8Array(before.buffer, before.byteOffset, length)
  else buffers.push(bytes)
}

/** Sorts the runs by address. A list that is in order already, the usual case, is returned as it is. */
function inAddressOrder(runs: readonly WriteRun[]): readonly WriteRun[] {
  for (let i = 1; i < runs.length; i++) {
    if (runs[i - 1]!.address > runs[i]!.address) return runs.toSorted((a, b) => a.address - b.address)
  }
  return runs
}

/** The buffers without their first `count` bytes. */
export function withoutFirst(buffers: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count
  for (let i = 0; i < buffers.length; i++) {
    const buffer = buffers[i]!
    if (left < buffer.length) return [buffer.subarray(left), ...buffers.slice(i + 1)]
    left -= buffer.length
  }
  return []
}

export const closedError = (): DeviceError => new DeviceError('the device is closed')
export const failedError = (cause: unknown): DeviceError =>
  new DeviceError('an earlier write or sync failed, so the device is no longer used', { cause })
