/**
 * The intent log: operations that are acknowledged before their CP is published. A ring of groups inside the block
 * file, in operation order (format/log-group.ts).
 *
 * - Records are appended by applying, in order, whatever durability was asked for; a flush writes all of them. So the
 *   log has no holes, except where a published CP made records needless before anybody flushed them.
 * - One group is written at a time, by a write that is durable when it resolves; whoever waits meanwhile shares the
 *   next one. So batches grow with the load and nobody waits for a timer.
 * - A group's room in the ring was reserved when its records were appended, as if each were a group of its own.
 * - The ring is reclaimed up to where replay of the newest published root starts.
 */
import { assert } from '../lib/assert.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import { blockBytes } from '../format/geometry.ts'
import type { Geometry } from '../format/geometry.ts'
import { encodeLogGroup, logGroupBytes, logGroupBytesMax } from '../format/log-group.ts'
import { encodeLogRecord, logRecordBytes } from '../format/log-record.ts'
import type { LogRecord } from '../format/log-record.ts'
import type { ChecksumKind } from '../format/pointer.ts'
import type { LogStart } from '../format/superblock.ts'

/** Beyond this share of the ring a CP is asked for, so that operations rarely have to wait for room. */
const fullShare = 1 / 2

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
  readonly records: ChecksumKind
  failed(error: unknown): void
}

export class IntentLog {
  private pending: Pending[] = []
  private reservedBytes = 0
  private waiters: Waiter[] = []
  private flushing = false
  private position: number
  private chain: Uint8Array
  private tail: number
  private durableSequence: number

  /** `start` is what the superblock of this opening says: empty, with its own nonce. */
  constructor(
    private readonly context: LogContext,
    private readonly start: LogStart,
    sequence: number,
  ) {
    this.position = start.position
    this.chain = start.chain
    this.tail = start.position
    this.durableSequence = sequence
  }

  /** Every operation up to this one is in the log, or in a published CP. */
  get synced(): number {
    return this.durableSequence
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
    return logGroupBytes(recordBytes) <= Math.min(this.ringBytes / 2, logGroupBytesMax)
  }

  get isFilling(): boolean {
    return this.bytesInUse > this.ringBytes * fullShare
  }

  /** Part of applying: synchronous, and room has been made sure of. */
  append(record: LogRecord): void {
    const bytes = logRecordBytes(record, this.context.records)
    assert(this.hasRoom(bytes), 'the log has room for an operation before it is applied')
    this.pending.push({ record, bytes })
    this.reservedBytes += logGroupBytes(bytes)
  }

  /** Resolves when the operation is durable, in the log or in a published CP. Never when writing has failed. */
  reach(sequence: number): Promise<void> {
    if (sequence <= this.durableSequence) return Promise.resolve()
    const reached = new Promise<void>((resolve) => this.waiters.push({ sequence, resolve }))
    this.flush()
    return reached
  }

  /**
   * Where replay of a root sealed now begins. A group that is being written belongs before it; records that wait may
   * be flushed behind it, and replay skips them by their sequence.
   */
  mark(): LogStart {
    return { nonce: this.start.nonce, position: this.position, chain: this.chain }
  }

  /** A CP with everything up to `sequence` is published: its records are needless, and the ring begins at its mark. */
  published(sequence: number, mark: LogStart): void {
    this.tail = Math.max(this.tail, mark.position)
    this.pending = this.pending.filter(({ record, bytes }) => {
      const isNeeded = record.sequence > sequence
      if (!isNeeded) this.reservedBytes -= logGroupBytes(bytes)
      return isNeeded
    })
    this.durable(sequence)
  }

  private flush(): void {
    if (this.flushing || this.pending.length === 0 || this.waiters.length === 0) return
    this.flushing = true
    this.writeGroup().then(
      () => {
        this.flushing = false
        this.flush()
      },
      // Waiters are never answered: the engine is poisoned and tells them.
      (error: unknown) => this.context.failed(error),
    )
  }

  private async writeGroup(): Promise<void> {
    const { taken, bytes } = this.takeBatch()
    const encoded = taken.map(({ record }) => encodeLogRecord(record, this.context.records))
    const group = encodeLogGroup(
      {
        nonce: this.start.nonce,
        position: this.position,
        chain: this.chain,
        synced: this.position,
        firstSequence: taken[0]!.record.sequence,
      },
      encoded,
    )
    const at = this.position
    this.position += group.bytes.length
    this.chain = group.sum
    this.reservedBytes -= bytes
    await this.writeRing(at, group.bytes)
    this.durable(taken.at(-1)!.record.sequence)
  }

  private takeBatch(): { taken: Pending[]; bytes: number } {
    let payload = 0
    let count = 0
    while (count < this.pending.length && payload + this.pending[count]!.bytes <= logGroupBytesMax)
      payload += this.pending[count++]!.bytes
    const taken = this.pending.splice(0, count)
    return { taken, bytes: taken.reduce((sum, { bytes }) => sum + logGroupBytes(bytes), 0) }
  }

  private async writeRing(position: number, bytes: Uint8Array): Promise<void> {
    const { device, geometry } = this.context
    const offset = position % this.ringBytes
    const first = Math.min(bytes.length, this.ringBytes - offset)
    await device.writeDurable(geometry.logAddress + offset / blockBytes, [bytes.subarray(0, first)])
    if (first < bytes.length) await device.writeDurable(geometry.logAddress, [bytes.subarray(first)])
  }

  private durable(sequence: number): void {
    this.durableSequence = Math.max(this.durableSequence, sequence)
    if (this.waiters.length === 0) return
    const reached = this.waiters.filter((waiter) => waiter.sequence <= this.durableSequence)
    this.waiters = this.waiters.filter((waiter) => waiter.sequence > this.durableSequence)
    for (const { resolve } of reached) resolve()
  }
}
