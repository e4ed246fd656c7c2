/**
 * Brings received blocks to the device of a mirror: one vectored write at a time, of everything that has come meanwhile.
 *
 * - No two writes of one block are ever in flight: a batch holds a block once, and batches follow each other.
 * - `drained` covers every write that was put before the call.
 * - Bounded: `room` resolves when less than the limit waits. Who puts first waits for it.
 * - The device grows before the write that needs it. When it cannot, everything that waits is dropped (`onNoSpace`);
 *   after any other failure nothing is written any more (`onFailed`).
 */
import { Bell } from '../../lib/bell.ts'
import { hasCode } from '../../lib/errors.ts'
import type { BlockDevice, WriteRun } from '../../blockdev/block-device.ts'
import { blockBytes, type Geometry } from '../../format/geometry.ts'

interface PipelineEvents {
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
    private readonly geometry: () => Geometry,
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

  /** Also resolves when what waited was dropped; the events say so. */
  async drained(): Promise<void> {
    const put = this.putCount
    while (this.doneCount < put && !this.hasFailed) await this.progress.next()
  }

  /**
   * Extends the device so that blocks up to `end` exist. Returns the bytes that there is no space for: 0 also when
   * somebody else has grown it that far meanwhile.
   */
  async growTo(end: number): Promise<number> {
    const { growBlocks, blocksMax } = this.geometry()
    if (end <= this.device.blockCount) return 0
    try {
      await this.device.grow(Math.min(blocksMax, Math.ceil(end / growBlocks) * growBlocks))
      return 0
    } catch (error) {
      if (!hasCode(error, 'disk-full')) throw error
      return Math.max(0, end - this.device.blockCount) * blockBytes
    }
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
    const end = batch.reduce((max, run) => Math.max(max, run.address + run.bytes.length / blockBytes), 0)
    const bytesLacking = await this.growTo(end)
    if (bytesLacking === 0) {
      await this.device.write(batch)
      this.done(batch)
      return
    }
    this.done(batch)
    this.dropWaiting()
    this.events.onNoSpace(bytesLacking)
  }

  /** As much as one write takes; it ends before a block that the batch already has. */
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
