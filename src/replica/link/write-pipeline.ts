/**
 * Brings received blocks to the device of a mirror. Each vectored write takes the blocks that came during the write
 * before.
 *
 * - Two writes of one block are never in flight: a batch holds a block once, and batches follow each other.
 * - `drained` covers every write that was put before the call.
 * - The queue is bounded by the caller: `room` resolves when no more than the limit waits, and a caller that puts
 *   runs waits for room before the next ones.
 * - Blocks get space before they are written. Without space, everything that waits is dropped (`onNoSpace`). After
 *   any other failure nothing is written any more (`onFailed`).
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { Bell } from '../../lib/gates/bell.ts'
import { hasCode } from '../../lib/errors.ts'
import type { BlockDevice, WriteRun } from '../../blockdev/block-device.ts'
import { blockBytes } from '../../format/geometry.ts'

interface PipelineEvents {
  /** Makes sure that the blocks have space. Resolves to the number of bytes that are lacking. */
  provide(runs: readonly BlockRun[]): Promise<number>
  onNoSpace(bytesLacking: number): void
  onFailed(error: unknown): void
}

const batchBytesMax = 8 * 2 ** 20

export class WritePipeline {
  private waiting: WriteRun[] = []
  private waitingBytes = 0
  private readonly pendingBlocks = new Map<number, number>()
  private running: Promise<void> | null = null
  private putCount = 0
  private doneCount = 0
  private readonly progress = new Bell()
  private hasFailed = false

  constructor(
    private readonly device: BlockDevice,
    private readonly bytesMax: number,
    private readonly events: PipelineEvents,
  ) {}

  put(runs: readonly WriteRun[]): void {
    if (this.hasFailed) return
    for (const run of runs) {
      this.waiting.push(run)
      this.waitingBytes += run.bytes.length
      this.count(run, 1)
    }
    this.putCount += runs.length
    this.start()
  }

  isPending(address: number, blocks: number): boolean {
    for (let i = 0; i < blocks; i++) if (this.pendingBlocks.has(address + i)) return true
    return false
  }

  async room(): Promise<void> {
    while (this.waitingBytes > this.bytesMax && !this.hasFailed) await this.progress.next()
  }

  /** Resolves also when the waiting runs were dropped; the events tell the caller. */
  async drained(): Promise<void> {
    const put = this.putCount
    while (this.doneCount < put && !this.hasFailed) await this.progress.next()
  }

  private start(): void {
    if (this.running || this.waiting.length === 0) return
    this.running = this.writeBatch()
      .catch((error: unknown) => {
        this.hasFailed = true
        this.dropWaiting()
        this.events.onFailed(error)
      })
      .finally(() => {
        this.running = null
        this.progress.ring()
        this.start()
      })
  }

  private async writeBatch(): Promise<void> {
    const batch = this.nextBatch()
    const ranges = batch.map(({ address, bytes }) => ({ address, blocks: bytes.length / blockBytes }))
    let bytesLacking = await this.events.provide(ranges)
    if (bytesLacking === 0) bytesLacking = await this.write(batch)
    this.done(batch)
    if (bytesLacking === 0) return
    bytesLacking += this.waitingBytes
    this.dropWaiting()
    this.events.onNoSpace(bytesLacking)
  }

  /**
   * Returns the number of bytes that found no space: a host that cannot promise space shows only at the write that
   * there is none.
   */
  private async write(batch: readonly WriteRun[]): Promise<number> {
    try {
      await this.device.write(batch)
      return 0
    } catch (error) {
      if (!hasCode(error, 'disk-full')) throw error
      return batch.reduce((sum, { bytes }) => sum + bytes.length, 0)
    }
  }

  /** The runs of the next write, up to the limit. The batch ends before a block that the batch already has. */
  private nextBatch(): WriteRun[] {
    const blocks = new Set<number>()
    let bytes = 0
    let count = 0
    for (const run of this.waiting) {
      if (bytes + run.bytes.length > batchBytesMax && count > 0) break
      const addresses = Array.from({ length: run.bytes.length / blockBytes }, (_, i) => run.address + i)
      if (addresses.some((address) => blocks.has(address))) break
      for (const address of addresses) blocks.add(address)
      bytes += run.bytes.length
      count++
    }
    this.waitingBytes -= bytes
    return this.waiting.splice(0, count)
  }

  private dropWaiting(): void {
    this.done(this.waiting)
    this.waiting = []
    this.waitingBytes = 0
  }

  private done(runs: readonly WriteRun[]): void {
    for (const run of runs) this.count(run, -1)
    this.doneCount += runs.length
  }

  private count(run: WriteRun, by: 1 | -1): void {
    for (let i = 0; i < run.bytes.length / blockBytes; i++) {
      const address = run.address + i
      const pending = (this.pendingBlocks.get(address) ?? 0) + by
      if (pending > 0) this.pendingBlocks.set(address, pending)
      else this.pendingBlocks.delete(address)
    }
  }
}
