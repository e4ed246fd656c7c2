/**
 * A block device in a file.
 *
 * - Writes are positioned and vectored, several in flight; a short write is always continued. Writes of large records
 *   go past the page cache (decision 0007).
 * - After a failed write or sync the device refuses every call: the kernel's memory of the file is not to be trusted
 *   then, and a sync that is tried again can succeed with the data lost. Syncs run one at a time for the same reason.
 * - `writeDurable` has a descriptor of its own, opened O_DSYNC, because a sync of the file waits for all dirty pages
 *   of the file (measured with 200 MiB dirty: 61 ms against 0.7 ms).
 * - `grow` allocates the added blocks, and does not only promise the space, before they count in `blockCount`. A
 *   growth never takes the last space of the file system: the catalog and the host need some, and a copy-on-write
 *   file system is very slow without free space.
 * - While some blocks may have no space of their own (`isSparse`), a write that finds the file system full is not a
 *   failed write: no earlier write depends on the blocks of the refused one.
 *
 * Errors: the errors of the contract; StillpointError `disk-full` and `exists` from `create`, `disk-full` from
 * `open`.
 */
import type { BlockRun } from '../lib/block-run.ts'
import * as fs from 'node:fs'
import { assert } from '../lib/assert.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { StillpointError, systemCodeOf } from '../lib/errors.ts'
import { DeviceError, type BlockDevice, type ReadOptions, type WriteRun } from './block-device.ts'
import { DirectFile } from './direct-file.ts'
import { isDiskFull, openFile, readWholeSync, reason, systemFileCalls, type FileCalls } from './file-calls.ts'
import { exemptFromCopyOnWrite } from './host-file-system.ts'
import { hasHoles } from './libc.ts'
import { ReadPace } from './read-pace.ts'
import {
  assertInside,
  wholeBlocksOf,
  closedError,
  deviceBlockBytes,
  failedError,
  joinRuns,
  withoutFirst,
  type Extent,
} from './request.ts'
import { Turn } from '../lib/gates/turns.ts'

const buffersPerCallMax = 256
const bytesPerCallMax = 8 * 2 ** 20
const callsInFlightMax = 4
const zeroFillBytes = 4 * 2 ** 20
/** Free bytes of the file system that no growth takes, whatever the volume needs. */
export const keptFreeBytes = 16 * 2 ** 20
/** Largest folio of the page cache, in bytes. */
const folioBytesMax = 2 * 2 ** 20
/** Longest read that `read` makes at once. */
const synchronousReadBytesMax = 64 * 1024
/** Longest read that `readNow` makes: a record of a large file. */
const readNowBytesMax = 256 * 1024

interface FileDeviceOptions {
  /** For checks of a volume that must stay unchanged. A write is then a bug of the caller. */
  readonly readOnly?: boolean
  readonly calls?: FileCalls
  readonly clock?: Pick<Clock, 'monotonic'>
}

export class FileDevice implements BlockDevice {
  private readonly path: string
  private readonly calls: FileCalls
  private readonly pace: ReadPace
  private readonly descriptor: number
  /** Null when the device is read-only. */
  private readonly durableDescriptor: number | null
  private readonly direct: DirectFile
  private readonly active = new Set<Promise<unknown>>()
  private sizeBlocks: number
  private isSparse: boolean
  private readonly growing = new Turn()
  private readonly syncing = new Turn()
  private writingDurably = false
  private failure: unknown
  private closing: Promise<void> | null = null

  private constructor(path: string, flags: number, options: FileDeviceOptions) {
    this.path = path
    this.calls = options.calls ?? systemFileCalls
    this.pace = new ReadPace(options.clock ?? systemClock)
    const { O_RDONLY, O_RDWR, O_WRONLY, O_DSYNC } = fs.constants
    this.descriptor = openFile(path, (options.readOnly ? O_RDONLY : O_RDWR) | flags)
    try {
      this.durableDescriptor = options.readOnly ? null : openFile(path, O_WRONLY | O_DSYNC)
    } catch (error) {
      fs.closeSync(this.descriptor)
      throw error
    }
    this.direct = new DirectFile(path, this.descriptor, options.readOnly ?? false)
    const { size, blocks } = fs.fstatSync(this.descriptor)
    this.sizeBlocks = Math.floor(size / deviceBlockBytes)
    // The file system may count blocks that it needs for itself as blocks of the file, and hide a few holes so.
    this.isSparse =
      blocks * 512 < size ||
      (!options.readOnly && hasHoles(this.descriptor, size - (size % deviceBlockBytes)) === true)
  }

  static async open(path: string, options: FileDeviceOptions = {}): Promise<FileDevice> {
    return new FileDevice(path, 0, options)
  }

  /** Makes the file, which must not exist. An error leaves no file behind. */
  static async create(
    path: string,
    blockCount: number,
    options: FileDeviceOptions = {},
  ): Promise<FileDevice> {
    assert(!options.readOnly, 'what is created is written')
    const device = new FileDevice(path, fs.constants.O_CREAT | fs.constants.O_EXCL, options)
    try {
      exemptFromCopyOnWrite(path)
      await device.grow(blockCount)
    } catch (error) {
      await device.close()
      fs.rmSync(path, { force: true })
      throw error
    }
    return device
  }

  get blockCount(): number {
    return this.sizeBlocks
  }

  async read(address: number, target: Uint8Array, options: ReadOptions = {}): Promise<void> {
    this.assertUsable()
    assertInside(address, wholeBlocksOf(target), this.sizeBlocks)
    const position = address * deviceBlockBytes
    if (options.uncached) return this.tracked(this.readUncached(target, position))
    const isShort = target.length <= synchronousReadBytesMax
    if (isShort && this.pace.readAtOnce(() => this.readSync(address, target))) return
    await this.tracked(this.readWhole(target, position))
  }

  readNow(address: number, target: Uint8Array): boolean {
    this.assertUsable()
    assertInside(address, wholeBlocksOf(target), this.sizeBlocks)
    return target.length <= readNowBytesMax && this.pace.readAtOnce(() => this.readSync(address, target))
  }

  readSync(address: number, target: Uint8Array): void {
    this.assertUsable()
    assertInside(address, wholeBlocksOf(target), this.sizeBlocks)
    try {
      readWholeSync(this.calls, this.descriptor, target, address * deviceBlockBytes)
    } catch (error) {
      throw this.readError(error)
    }
  }

  async write(runs: readonly WriteRun[]): Promise<void> {
    this.assertWritable()
    const extents = joinRuns(runs, this.sizeBlocks, buffersPerCallMax, bytesPerCallMax)
    await this.tracked(this.writeExtents(extents))
  }

  async sync(): Promise<void> {
    this.assertWritable()
    await this.tracked(this.syncInTurn('the sync failed'))
  }

  async writeDurable(address: number, buffers: readonly Uint8Array[]): Promise<void> {
    this.assertWritable()
    const blocks = buffers.reduce((sum, bytes) => sum + wholeBlocksOf(bytes), 0)
    assertInside(address, blocks, this.sizeBlocks)
    assert(!this.writingDurably, 'one durable write at a time')
    this.writingDurably = true
    try {
      await this.tracked(this.orFail(this.writeBuffersDurably(address, buffers), 'the durable write failed'))
    } finally {
      this.writingDurably = false
    }
  }

  grow(blockCount: number): Promise<void> {
    return this.resizeInTurn(blockCount, () => this.growTo(blockCount))
  }

  extend(blockCount: number): Promise<void> {
    return this.resizeInTurn(blockCount, () => this.extendTo(blockCount))
  }

  async allocate({ address, blocks }: BlockRun): Promise<void> {
    this.assertWritable()
    assertInside(address, blocks, this.sizeBlocks)
    if (!this.isSparse || blocks === 0) return
    const bytes = blocks * deviceBlockBytes
    // A whole file takes no more than a growth may take, and a part that was taken in vain would stay.
    const lacking = blocks === this.sizeBlocks ? bytes - fs.fstatSync(this.descriptor).blocks * 512 : 0
    if (lacking > 0 && this.freeBytes() - lacking < keptFreeBytes) throw this.fullError(lacking)
    const reservation = this.calls.reserve(this.descriptor, address * deviceBlockBytes, bytes)
    if (reservation === 'full') throw this.fullError(bytes)
    if (reservation === 'reserved' && blocks === this.sizeBlocks) this.isSparse = false
  }

  punch({ address, blocks }: BlockRun): boolean {
    this.assertWritable()
    assertInside(address, blocks, this.sizeBlocks)
    this.isSparse = true
    return this.calls.punch(this.descriptor, address * deviceBlockBytes, blocks * deviceBlockBytes)
  }

  freeBlocks(): number {
    return Math.floor(Math.max(0, this.freeBytes() - keptFreeBytes) / deviceBlockBytes)
  }

  /** Waits for the calls in flight. A caller may close the device more than once. */
  close(): Promise<void> {
    this.closing ??= this.closeAll()
    return this.closing
  }

  // Helpers, in calling order.

  private assertUsable(): void {
    if (this.closing) throw closedError()
    if (this.failure !== undefined) throw failedError(this.failure)
  }

  private assertWritable(): void {
    this.assertUsable()
    assert(this.durableDescriptor !== null, 'the device was opened for reading only')
  }

  private async tracked<T>(work: Promise<T>): Promise<T> {
    this.active.add(work)
    try {
      return await work
    } finally {
      this.active.delete(work)
    }
  }

  private async readWhole(target: Uint8Array, position: number): Promise<void> {
    try {
      await this.readLoop(this.descriptor, target, position)
    } catch (error) {
      throw this.readError(error)
    }
  }

  /** Null when the direct descriptor refuses the buffer or the position (EINVAL). */
  private async readLoop(descriptor: number, target: Uint8Array, position: number): Promise<true | null> {
    let done = 0
    while (done < target.length) {
      const rest = done === 0 ? target : target.subarray(done)
      let count: number
      try {
        count = await this.calls.read(descriptor, rest, position + done)
      } catch (error) {
        if (descriptor !== this.descriptor && systemCodeOf(error) === 'EINVAL') return null
        throw error
      }
      if (count <= 0) throw new DeviceError('the file ends too early')
      done += count
    }
    return true
  }

  private async readUncached(target: Uint8Array, position: number): Promise<void> {
    // The kernel writes dirty pages first and forgets whole folios only, so the range covers whole folios.
    const from = position - (position % folioBytesMax)
    const end = Math.ceil((position + target.length) / folioBytesMax) * folioBytesMax
    this.calls.forgetPages(this.descriptor, from, end - from)
    try {
      const direct = this.direct.descriptor
      if (direct !== null) {
        if (await this.readLoop(direct, target, position)) return
        // Fresh memory of a page or more is page-aligned; a view into an arena need not be.
        const aligned = new Uint8Array(target.length)
        if (await this.readLoop(direct, aligned, position)) {
          target.set(aligned)
          return
        }
      }
    } catch (error) {
      throw this.readError(error)
    }
    await this.readWhole(target, position)
  }

  private readError(cause: unknown): DeviceError {
    return new DeviceError(`cannot read ${this.path}: ${reason(cause)}`, { cause })
  }

  private async writeExtents(extents: readonly Extent[]): Promise<void> {
    let next = 0
    const sendNext = async () => {
      while (next < extents.length && this.failure === undefined) {
        const { address, buffers } = extents[next++]!
        const descriptor = this.direct.descriptorFor(buffers) ?? this.descriptor
        await this.writeExtent(descriptor, buffers, address * deviceBlockBytes)
      }
    }
    const senders = Array.from({ length: Math.min(callsInFlightMax, extents.length) }, sendNext)
    // No call may still read the buffers when this method returns, after a failure either.
    await Promise.allSettled(senders)
    await Promise.all(senders)
    // Another call's failure may have stopped this one before its end.
    if (next < extents.length) throw failedError(this.failure)
  }

  private async writeExtent(
    descriptor: number,
    buffers: readonly Uint8Array[],
    position: number,
  ): Promise<void> {
    try {
      await this.writeWhole(descriptor, buffers, position)
    } catch (error) {
      if (this.isSparse && isDiskFull(error))
        throw this.fullError(buffers.reduce((sum, { length }) => sum + length, 0))
      throw this.failed(error, 'the write failed')
    }
  }

  private async writeWhole(
    descriptor: number,
    buffers: readonly Uint8Array[],
    position: number,
  ): Promise<void> {
    let rest = buffers
    let at = position
    while (rest.length > 0) {
      let written: number
      try {
        written = await this.calls.writev(descriptor, rest, at)
      } catch (error) {
        if (!this.direct.is(descriptor) || systemCodeOf(error) !== 'EINVAL') throw error
        // EINVAL means that nothing has happened: the buffer is odd, or is the rest of a short write.
        return this.writeWhole(this.descriptor, rest, at)
      }
      if (written <= 0) throw new DeviceError('a write made no progress')
      at += written
      rest = withoutFirst(rest, written)
    }
  }

  private async writeBuffersDurably(address: number, buffers: readonly Uint8Array[]): Promise<void> {
    let position = address * deviceBlockBytes
    for (let i = 0; i < buffers.length; i += buffersPerCallMax) {
      const part = buffers.slice(i, i + buffersPerCallMax)
      await this.writeWhole(this.durableDescriptor!, part, position)
      position += part.reduce((sum, bytes) => sum + bytes.length, 0)
    }
  }

  private async orFail(work: Promise<void>, what: string): Promise<void> {
    try {
      await work
    } catch (error) {
      throw this.failed(error, what)
    }
  }

  /** Marks the device as failed: the device refuses every later call. */
  private failed(cause: unknown, what: string): DeviceError {
    this.failure ??= cause
    return new DeviceError(`${what} on ${this.path}: ${reason(cause)}`, { cause })
  }

  /**
   * Syncs take turns: the kernel reports the loss of a page to one of the syncs that run at the same time through one
   * descriptor, and tells the others that all is well.
   */
  private syncInTurn(what: string): Promise<void> {
    return this.syncing.within(async () => {
      if (this.failure === undefined) await this.orFail(this.calls.fdatasync(this.descriptor), what)
      if (this.failure !== undefined) throw failedError(this.failure)
    })
  }

  /** Growths take turns: each growth starts from the size that the growth before has left. */
  private async resizeInTurn(blockCount: number, work: () => Promise<void>): Promise<void> {
    this.assertWritable()
    assert(Number.isSafeInteger(blockCount) && blockCount >= 0, 'a device has a whole number of blocks')
    const resize = async () => {
      this.assertUsable()
      if (blockCount > this.sizeBlocks) await work()
    }
    await this.tracked(this.growing.within(resize))
  }

  private async growTo(blockCount: number): Promise<void> {
    const from = this.sizeBlocks * deviceBlockBytes
    const bytes = (blockCount - this.sizeBlocks) * deviceBlockBytes
    let reservation: ReturnType<FileCalls['reserve']> = 'full'
    if (this.freeBytes() - bytes >= keptFreeBytes)
      reservation = this.calls.reserve(this.descriptor, from, bytes)
    if (reservation === 'unsupported') reservation = await this.writeZeros(from, bytes)
    if (reservation === 'full') {
      // The reservation may have allocated a part; no data has been written there.
      await this.orFail(
        Promise.try(() => this.calls.truncate(this.descriptor, from)),
        'undoing a growth failed',
      )
      throw this.fullError(bytes)
    }
    this.sizeBlocks = blockCount
  }

  private freeBytes(): number {
    return this.calls.freeBytes(this.path) ?? Number.POSITIVE_INFINITY
  }

  private async extendTo(blockCount: number): Promise<void> {
    try {
      this.calls.truncate(this.descriptor, blockCount * deviceBlockBytes)
    } catch (error) {
      if (isDiskFull(error)) throw this.fullError((blockCount - this.sizeBlocks) * deviceBlockBytes)
      throw this.failed(error, 'the extension failed')
    }
    this.isSparse = true
    this.sizeBlocks = blockCount
  }

  private fullError(bytes: number): StillpointError {
    return new StillpointError('disk-full', `there is no space for ${bytes} bytes more in ${this.path}`, {
      bytes,
    })
  }

  /** Writes zeros and syncs them: without the sync a file system that allocates late has promised nothing yet. */
  private async writeZeros(from: number, bytes: number): Promise<'reserved' | 'full'> {
    const zeros = new Uint8Array(Math.min(bytes, zeroFillBytes))
    const write = async () => {
      for (let done = 0; done < bytes; done += zeros.length) {
        const part = zeros.subarray(0, Math.min(zeros.length, bytes - done))
        await this.writeWhole(this.descriptor, [part], from + done)
      }
    }
    try {
      await write()
    } catch (error) {
      if (isDiskFull(error)) return 'full'
      throw this.failed(error, 'the growth failed')
    }
    await this.syncInTurn('the growth failed')
    return 'reserved'
  }

  private async closeAll(): Promise<void> {
    while (this.active.size > 0) await Promise.allSettled(this.active)
    fs.closeSync(this.descriptor)
    if (this.durableDescriptor !== null) fs.closeSync(this.durableDescriptor)
    this.direct.close()
  }
}
