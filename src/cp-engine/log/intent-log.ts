/**
 * The intent log makes operations durable before their CP is published. The log is a ring of groups inside the block
 * file, in operation order (format/disk/log-group.ts).
 *
 * - Applying an operation appends its record, whatever durability the caller asked for; a flush writes all appended
 *   records. So the log has no holes, except where a published CP made records needless before a caller flushed them.
 * - The log writes one group at a time, and the write is durable when it resolves. Callers that wait meanwhile share
 *   the next group. So batches grow with the load, and no caller waits for a timer.
 * - The room that a group takes in the ring is reserved when its records are appended, as if each record were a group
 *   of its own.
 * - The log reclaims the ring up to the place where replay of the newest published root starts.
 * - When the log has been idle for some milliseconds, an empty group seals the last group: from then on damage to the
 *   last group is not mistaken for a torn tail.
 * - A seal is never in the way. The log writes no seal while records wait for a flush, none when a published CP has
 *   all of the last group, and none when the ring has no room besides the reserved bytes.
 */
import { assert } from '../../lib/assert.ts'
import type { Clock } from '../../lib/clock.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { Geometry } from '../../format/geometry.ts'
import {
  emptyLogGroup,
  logGroupBytes,
  logGroupBytesMax,
  logGroupHeadBytes,
  sealLogGroup,
} from '../../format/disk/log-group.ts'
import { logRecordBytesMax, writeLogRecord } from '../../format/disk/log-record.ts'
import type { LogRecord } from '../../format/disk/log-record.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import type { LogStart } from '../../format/disk/superblock.ts'

/**
 * The engine asks for a CP when more than this share of the ring is in use, so that operations rarely wait for room.
 */
const fullShare = 1 / 2
/**
 * Groups up to this size, in bytes, are made in one buffer that is kept: the first touch of new memory costs more
 * than the copy.
 */
const keptBufferBytesMax = 8 * 2 ** 20

interface Pending {
  readonly record: LogRecord
  readonly bytes: number
}

interface Waiter {
  readonly sequence: number
  readonly resolve: () => void
}

export interface LogContext {
  readonly device: BlockDevice
  readonly geometry: Geometry
  readonly volumeUuid: Uint8Array
  readonly sums: ChecksumKind
  readonly clock: Pick<Clock, 'monotonic' | 'after'>
  /**
   * The log is idle when no group has been written for this many milliseconds; null means that no group is sealed.
   */
  readonly sealIdleMs: number | null
  /** Hears of each group that is durable: how long its writing and syncing took, and its bytes. */
  readonly synced?: ((ms: number, bytes: number) => void) | undefined
  /** A fenced primary writes nothing that it need not write. */
  isFenced(): boolean
  failed(error: unknown): void
}

export class IntentLog {
  private pending: Pending[] = []
  private reservedBytes = 0
  private waiters: Waiter[] = []
  /** The group that is being written; null when no group is. */
  private writing: Promise<void> | null = null
  private isStopped = false
  /** A closed log seals no group any more. */
  private isClosed = false
  private position: number
  private chain: Uint8Array
  private tail: number
  private durableSequence: number
  private publishedSequence: number
  /** Sequence number of the last group's last operation; 0 when no group needs a seal. */
  private unsealedSequence = 0
  private groupEndedAt = 0
  private cancelSeal: (() => void) | null = null
  /** Buffer of the group that is being written. One buffer is enough, since the log writes one group at a time. */
  private buffer = new Uint8Array(0)

  /** `start` is the start of the log in this opening's superblock: an empty log with a nonce of its own. */
  constructor(
    private readonly context: LogContext,
    private readonly start: LogStart,
    sequence: number,
  ) {
    this.position = start.position
    this.chain = start.chain
    this.tail = start.position
    this.durableSequence = sequence
    this.publishedSequence = sequence
  }

  private get ringBytes(): number {
    return this.context.geometry.logBlocks * blockBytes
  }

  /** Bytes of the ring that are written and needed, or reserved. */
  private get bytesInUse(): number {
    return this.position - this.tail + this.reservedBytes
  }

  /** True when a record of this size can be appended now. */
  hasRoom(recordBytes: number): boolean {
    return this.bytesInUse + logGroupBytes(recordBytes) <= this.ringBytes
  }

  /** False for a record that no CP could make room for. */
  canEverHold(recordBytes: number): boolean {
    return recordBytes <= logRecordBytesMax && logGroupBytes(recordBytes) <= this.ringBytes / 2
  }

  get isFilling(): boolean {
    return this.bytesInUse > this.ringBytes * fullShare
  }

  /**
   * Appends the record of an operation that is being applied. The call is synchronous, and the caller has made sure
   * of the room. `bytes` is the size of the record in the log.
   */
  append(record: LogRecord, bytes: number): void {
    assert(this.hasRoom(bytes), 'the log has room for an operation before it is applied')
    this.pending.push({ record, bytes })
    this.reservedBytes += logGroupBytes(bytes)
  }

  /** Resolves when the operation is durable, in the log or in a published CP, or when the log has been stopped. */
  reach(sequence: number): Promise<void> {
    if (sequence <= this.durableSequence || this.isStopped) return Promise.resolve()
    const reached = new Promise<void>((resolve) => this.waiters.push({ sequence, resolve }))
    this.flush()
    return reached
  }

  /** Ends all writing because the engine is poisoned; every caller that waits goes on and hears of the failure. */
  stop(): void {
    this.isStopped = true
    this.cancelSeal?.()
    for (const { resolve } of this.waiters.splice(0)) resolve()
  }

  /** Ends all sealing; resolves when the device has no write of the log under way. */
  async close(): Promise<void> {
    this.isClosed = true
    this.cancelSeal?.()
    // The end of a group begins the next one when callers wait for it.
    while (this.writing) await this.writing
  }

  /**
   * Gives the place where replay of a root that is sealed now begins. A group that is being written lies before the
   * mark. Records that wait may be flushed behind the mark, and replay skips them by their sequence numbers.
   */
  mark(): LogStart {
    return { nonce: this.start.nonce, position: this.position, chain: this.chain }
  }

  /** Drops the records up to `sequence`, which a published CP has made needless. The ring begins at `mark` now. */
  published(sequence: number, mark: LogStart): void {
    this.tail = Math.max(this.tail, mark.position)
    this.publishedSequence = Math.max(this.publishedSequence, sequence)
    let count = 0
    for (; count < this.pending.length; count++) {
      const { record, bytes } = this.pending[count]!
      if (record.sequence > sequence) break
      this.reservedBytes -= logGroupBytes(bytes)
    }
    if (count > 0) this.pending = this.pending.slice(count)
    this.durable(sequence)
  }

  private flush(): void {
    if (this.isStopped || this.writing || this.pending.length === 0 || this.waiters.length === 0) return
    this.begin(this.writeGroup())
  }

  /** Starts the only write that may be under way; a failure of the write is a failure of the engine. */
  private begin(work: Promise<void>): void {
    this.writing = work
      .catch((error: unknown) => this.context.failed(error))
      .then(() => {
        this.writing = null
        this.flush()
      })
  }

  private async writeGroup(): Promise<void> {
    const { taken, payloadBytes } = this.takeBatch()
    const group = this.bufferOf(logGroupBytes(payloadBytes))
    let end = logGroupHeadBytes
    for (const { record } of taken) end = writeLogRecord(group, end, record, this.context.sums)
    const first = taken[0]!.record
    const { sequence } = taken.at(-1)!.record
    const at = this.position
    this.chain = sealLogGroup(group, end, {
      volumeUuid: this.context.volumeUuid,
      nonce: this.start.nonce,
      position: at,
      chain: this.chain,
      synced: at,
      firstSequence: first.sequence - first.sequenceCount + 1,
      recordCount: taken.length,
    })
    this.position += group.length
    await this.writeRing(at, group)
    this.durable(sequence)
    this.unsealedSequence = sequence
    this.sealWhenIdle()
  }

  // --- Sealing the last group ---

  /**
   * Makes sure that a timer runs when a seal may be needed. A timer that a later group overtakes is set again when
   * the timer ends.
   */
  private sealWhenIdle(): void {
    const { clock, sealIdleMs } = this.context
    this.groupEndedAt = clock.monotonic()
    if (sealIdleMs === null || this.cancelSeal || this.isStopped || this.isClosed) return
    this.waitToSeal(sealIdleMs)
  }

  private waitToSeal(ms: number): void {
    this.cancelSeal = this.context.clock.after(ms, () => {
      this.cancelSeal = null
      this.seal()
    })
  }

  private seal(): void {
    const { clock, sealIdleMs } = this.context
    // The end of the group that is being written sets the next timer.
    if (this.isStopped || this.writing || !this.isSealNeeded) return
    const idleMs = clock.monotonic() - this.groupEndedAt
    if (idleMs < sealIdleMs!) this.waitToSeal(sealIdleMs! - idleMs)
    else this.begin(this.writeSeal())
  }

  private get isSealNeeded(): boolean {
    if (this.unsealedSequence <= this.publishedSequence || this.context.isFenced()) return false
    return this.bytesInUse + logGroupBytes(0) <= this.ringBytes
  }

  private async writeSeal(): Promise<void> {
    const { volumeUuid } = this.context
    const at = this.position
    const { bytes, sum } = emptyLogGroup({ volumeUuid, ...this.mark() })
    this.chain = sum
    this.position += bytes.length
    this.unsealedSequence = 0
    await this.writeRing(at, bytes)
  }

  private takeBatch(): { taken: Pending[]; payloadBytes: number } {
    let payloadBytes = 0
    let count = 0
    while (count < this.pending.length && payloadBytes + this.pending[count]!.bytes <= logGroupBytesMax)
      payloadBytes += this.pending[count++]!.bytes
    const taken = this.pending.slice(0, count)
    this.pending = this.pending.slice(count)
    for (const { bytes } of taken) this.reservedBytes -= logGroupBytes(bytes)
    return { taken, payloadBytes }
  }

  private bufferOf(bytes: number): Uint8Array {
    if (bytes > keptBufferBytesMax) return new Uint8Array(bytes)
    if (bytes > this.buffer.length) this.buffer = new Uint8Array(2 ** Math.ceil(Math.log2(bytes)))
    return this.buffer.subarray(0, bytes)
  }

  private async writeRing(position: number, bytes: Uint8Array): Promise<void> {
    const { clock, device, geometry } = this.context
    const began = clock.monotonic()
    const offset = position % this.ringBytes
    const first = Math.min(bytes.length, this.ringBytes - offset)
    await device.writeDurable(geometry.logAddress + offset / blockBytes, [bytes.subarray(0, first)])
    if (first < bytes.length) await device.writeDurable(geometry.logAddress, [bytes.subarray(first)])
    this.context.synced?.(clock.monotonic() - began, bytes.length)
  }

  private durable(sequence: number): void {
    if (sequence <= this.durableSequence) return
    this.durableSequence = sequence
    const waiting: Waiter[] = []
    for (const waiter of this.waiters) {
      if (waiter.sequence <= sequence) waiter.resolve()
      else waiting.push(waiter)
    }
    this.waiters = waiting
  }
}
