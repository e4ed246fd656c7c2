/**
 * A block device in memory. The device keeps everything that was written, never fails, and is durable while the
 * process lives. A chunk of memory is taken at the first write to the chunk, so an empty device of many blocks is
 * small.
 */
import type { BlockRun } from '../lib/block-run.ts'
import { assert } from '../lib/assert.ts'
import { StillpointError } from '../lib/errors.ts'
import type { BlockDevice, WriteRun } from './block-device.ts'
import { assertInside, wholeBlocksOf, closedError, deviceBlockBytes, joinRuns } from './request.ts'

const chunkBlocks = 256
const chunkBytes = chunkBlocks * deviceBlockBytes

interface Store {
  readonly chunks: Map<number, Uint8Array>
  readonly blocksMax: number
  blockCount: number
}

export class MemoryDevice implements BlockDevice {
  private store: Store
  private closed = false
  private writingDurably = false

  /** `blocksMax` simulates a disk that gets full: a larger device is refused with `disk-full`. */
  constructor(blockCount = 0, blocksMax = Number.POSITIVE_INFINITY) {
    assert(blockCount <= blocksMax, 'a device within its limit')
    this.store = { chunks: new Map(), blocksMax, blockCount }
  }

  /** Gives a device on the same memory, as a new open of a file does. */
  reopened(): MemoryDevice {
    const device = new MemoryDevice()
    device.store = this.store
    return device
  }

  get blockCount(): number {
    return this.store.blockCount
  }

  async read(address: number, target: Uint8Array): Promise<void> {
    this.readSync(address, target)
  }

  readNow(address: number, target: Uint8Array): boolean {
    this.readSync(address, target)
    return true
  }

  readSync(address: number, target: Uint8Array): void {
    if (this.closed) throw closedError()
    assertInside(address, wholeBlocksOf(target), this.store.blockCount)
    let done = 0
    while (done < target.length) {
      const [chunk, from, length] = this.place(address * deviceBlockBytes + done, target.length - done)
      const bytes = this.store.chunks.get(chunk)
      if (bytes) target.set(bytes.subarray(from, from + length), done)
      else target.fill(0, done, done + length)
      done += length
    }
  }

  async write(runs: readonly WriteRun[]): Promise<void> {
    if (this.closed) throw closedError()
    for (const extent of joinRuns(runs, this.store.blockCount, 1, Number.POSITIVE_INFINITY)) {
      for (const bytes of extent.buffers) this.put(extent.address, bytes)
    }
  }

  async sync(): Promise<void> {
    if (this.closed) throw closedError()
  }

  async writeDurable(address: number, buffers: readonly Uint8Array[]): Promise<void> {
    if (this.closed) throw closedError()
    assert(!this.writingDurably, 'one durable write at a time')
    const blocks = buffers.reduce((sum, bytes) => sum + wholeBlocksOf(bytes), 0)
    assertInside(address, blocks, this.store.blockCount)
    let at = address
    for (const bytes of buffers) {
      this.put(at, bytes)
      at += wholeBlocksOf(bytes)
    }
    this.writingDurably = true
    await Promise.resolve()
    this.writingDurably = false
  }

  async grow(blockCount: number): Promise<void> {
    if (this.closed) throw closedError()
    if (blockCount > this.store.blocksMax) {
      throw new StillpointError('disk-full', `the device has room for ${this.store.blocksMax} blocks`, {
        blockCount,
      })
    }
    if (blockCount > this.store.blockCount) this.store.blockCount = blockCount
  }

  /** Extends as `grow` does: memory is taken at the first write, whatever was promised. */
  extend(blockCount: number): Promise<void> {
    return this.grow(blockCount)
  }

  async allocate({ address, blocks }: BlockRun): Promise<void> {
    if (this.closed) throw closedError()
    assertInside(address, blocks, this.store.blockCount)
  }

  punch({ address, blocks }: BlockRun): boolean {
    if (this.closed) throw closedError()
    assertInside(address, blocks, this.store.blockCount)
    const bytes = blocks * deviceBlockBytes
    for (let done = 0; done < bytes;) {
      const [chunk, from, length] = this.place(address * deviceBlockBytes + done, bytes - done)
      if (length === chunkBytes) this.store.chunks.delete(chunk)
      else this.store.chunks.get(chunk)?.fill(0, from, from + length)
      done += length
    }
    return true
  }

  freeBlocks(): number {
    return Number.POSITIVE_INFINITY
  }

  async close(): Promise<void> {
    this.closed = true
  }

  private put(address: number, bytes: Uint8Array): void {
    let done = 0
    while (done < bytes.length) {
      const [chunk, from, length] = this.place(address * deviceBlockBytes + done, bytes.length - done)
      let stored = this.store.chunks.get(chunk)
      if (!stored) {
        stored = new Uint8Array(chunkBytes)
        this.store.chunks.set(chunk, stored)
      }
      stored.set(bytes.subarray(done, done + length), from)
      done += length
    }
  }

  /**
   * Finds the chunk that holds the byte at `position`, the place of the byte in the chunk, and how many of the
   * `wanted` bytes the chunk has.
   */
  private place(position: number, wanted: number): [chunk: number, from: number, length: number] {
    const chunk = Math.floor(position / chunkBytes)
    const from = position - chunk * chunkBytes
    return [chunk, from, Math.min(wanted, chunkBytes - from)]
  }
}
