/**
 * A device that keeps writes in memory, on top of a device that is read and never changed. So a caller can open a
 * volume as if to write the volume, and the volume on disk does not change.
 */
import type { BlockRun } from '../lib/block-run.ts'
import { assert } from '../lib/assert.ts'
import { StillpointError } from '../lib/errors.ts'
import type { BlockDevice, ReadOptions, WriteRun } from './block-device.ts'
import { assertInside, wholeBlocksOf, closedError, deviceBlockBytes, joinRuns } from './request.ts'

/** Larger than any volume. */
const blocksMax = 2 ** 40

export class OverlayDevice implements BlockDevice {
  private readonly written = new Map<number, Uint8Array>()
  private sizeBlocks: number
  private closed = false
  private writingDurably = false

  constructor(private readonly below: BlockDevice) {
    this.sizeBlocks = below.blockCount
  }

  get blockCount(): number {
    return this.sizeBlocks
  }

  async read(address: number, target: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const inside = this.insideBelow(address, target)
    if (inside.length > 0) await this.below.read(address, inside, options)
    this.cover(address, target)
  }

  readNow(address: number, target: Uint8Array): boolean {
    const inside = this.insideBelow(address, target)
    if (inside.length > 0 && !this.below.readNow(address, inside)) return false
    this.cover(address, target)
    return true
  }

  readSync(address: number, target: Uint8Array): void {
    const inside = this.insideBelow(address, target)
    if (inside.length > 0) this.below.readSync(address, inside)
    this.cover(address, target)
  }

  async write(runs: readonly WriteRun[]): Promise<void> {
    if (this.closed) throw closedError()
    for (const { address, buffers } of joinRuns(runs, this.sizeBlocks, 1, Number.POSITIVE_INFINITY)) {
      let at = address
      for (const bytes of buffers) at = this.put(at, bytes)
    }
  }

  async sync(): Promise<void> {
    if (this.closed) throw closedError()
  }

  async writeDurable(address: number, buffers: readonly Uint8Array[]): Promise<void> {
    if (this.closed) throw closedError()
    assert(!this.writingDurably, 'one durable write at a time')
    assertInside(
      address,
      buffers.reduce((sum, bytes) => sum + wholeBlocksOf(bytes), 0),
      this.sizeBlocks,
    )
    let at = address
    for (const bytes of buffers) at = this.put(at, bytes)
    this.writingDurably = true
    await Promise.resolve()
    this.writingDurably = false
  }

  async grow(blockCount: number): Promise<void> {
    if (this.closed) throw closedError()
    if (blockCount > blocksMax)
      throw new StillpointError('disk-full', `there is no room for ${blockCount} blocks`)
    this.sizeBlocks = Math.max(this.sizeBlocks, blockCount)
  }

  extend(blockCount: number): Promise<void> {
    return this.grow(blockCount)
  }

  async allocate({ address, blocks }: BlockRun): Promise<void> {
    if (this.closed) throw closedError()
    assertInside(address, blocks, this.sizeBlocks)
  }

  punch({ address, blocks }: BlockRun): boolean {
    if (this.closed) throw closedError()
    assertInside(address, blocks, this.sizeBlocks)
    return false
  }

  freeBlocks(): number {
    return blocksMax - this.sizeBlocks
  }

  /** The device below stays open: it belongs to the caller. */
  async close(): Promise<void> {
    this.closed = true
    this.written.clear()
  }

  private insideBelow(address: number, target: Uint8Array): Uint8Array {
    if (this.closed) throw closedError()
    assertInside(address, wholeBlocksOf(target), this.sizeBlocks)
    const blocks = Math.min(wholeBlocksOf(target), Math.max(0, this.below.blockCount - address))
    return target.subarray(0, blocks * deviceBlockBytes)
  }

  private cover(address: number, target: Uint8Array): void {
    for (let i = 0; i * deviceBlockBytes < target.length; i++) {
      const bytes = this.written.get(address + i)
      if (bytes) target.set(bytes, i * deviceBlockBytes)
      else if (address + i >= this.below.blockCount)
        target.fill(0, i * deviceBlockBytes, (i + 1) * deviceBlockBytes)
    }
  }

  private put(address: number, bytes: Uint8Array): number {
    const blocks = wholeBlocksOf(bytes)
    for (let i = 0; i < blocks; i++)
      this.written.set(address + i, bytes.slice(i * deviceBlockBytes, (i + 1) * deviceBlockBytes))
    return address + blocks
  }
}
