/**
 * Writes large content before it has a name: records of an object that no path leads to, until one operation names
 * the object at the end.
 *
 * - At most `writesInFlightMax` buffers of an upload are on their way to the device; `add` waits, which is
 *   back-pressure.
 * - The object and its orphan are there before the first record, so the reaper finds the object whatever becomes of
 *   this process. The upload is handed over to the reaper only when no more records are being added.
 */
import type { RecordStream } from '../../cp-engine/contract.ts'
import { encodeObjectItem, encodeOrphanItem } from '../../format/items/items.ts'
import { objectKey, orphanKey } from '../../format/items/item-keys.ts'
import { recordBytesDefault } from '../../format/geometry.ts'
import type { Context } from './context.ts'
import { takeId } from '../tree/counters.ts'
import type { Edit } from '../tree/edit.ts'
import { type Piece, largeRecordBytes, preparePieces, putPiece } from '../tree/records.ts'

const writesInFlightMax = 8

export class Upload {
  private readonly running = new Set<Promise<void>>()
  private writes = 0
  private wake: (() => void) | null = null
  private isAbandoned = false
  private hasRecords = false
  private failure: { readonly error: unknown } | null = null

  private constructor(
    private readonly context: Context,
    readonly id: number,
    readonly stream: RecordStream,
  ) {}

  static async begin(context: Context): Promise<Upload> {
    const stream = context.engine.openStream()
    const id = await context.engine.runHidden((tx) => {
      const object = takeId(tx)
      tx.put(orphanKey(object), encodeOrphanItem({ kind: 'upload', id: object, offset: 0 }))
      const item = { entries: 0, size: 0, span: recordBytesDefault, base: 0 }
      tx.put(objectKey(object), encodeObjectItem(item))
      return object
    })
    return new Upload(context, id, stream)
  }

  /**
   * Stores the bytes of one span as records of `recordBytes`. Resolves when the next bytes may come. A buffer from
   * the pool goes back to the pool when its bytes are no longer needed. That holds
   * when the call throws as well.
   */
  async add(bytes: Uint8Array, offset: number, recordBytes = largeRecordBytes): Promise<void> {
    try {
      await this.addNext(bytes, offset, recordBytes)
    } catch (error) {
      // A record that was cut from the buffer and refused then may still be written.
      this.context.buffers.giveUp(bytes)
      throw error
    }
  }

  private async addNext(bytes: Uint8Array, offset: number, recordBytes: number): Promise<void> {
    while (this.writes >= writesInFlightMax) await new Promise<void>((resolve) => (this.wake = resolve))
    this.throwFailure()
    this.writes++
    let hasEnded = false
    const ended = () => {
      if (!hasEnded) this.ended()
      hasEnded = true
    }
    const onWritten = (isFree: boolean) => {
      if (isFree) this.context.buffers.giveBack(bytes)
      else this.context.buffers.giveUp(bytes)
      ended()
    }
    const { engine } = this.context
    let pieces: Piece[]
    try {
      pieces = await preparePieces(engine, bytes, offset, { leavesEarly: true, recordBytes, onWritten })
    } catch (error) {
      ended()
      throw error
    }
    if (pieces.length === 0) return
    this.hasRecords = true
    const work = this.name(pieces)
      .catch((error: unknown) => {
        this.failure ??= { error }
      })
      .finally(() => this.running.delete(work))
    this.running.add(work)
  }

  /** True when only zeros have been added, so that the object has no records. */
  get isEmpty(): boolean {
    return !this.hasRecords
  }

  /** Resolves when all records are in the tree. */
  async drain(): Promise<void> {
    await Promise.all(this.running)
    this.throwFailure()
  }

  /** Called by the operation that names the object of this upload, or that moves its records. */
  take(edit: Edit): void {
    edit.delete(orphanKey(this.id))
  }

  /** Called when no operation will name the upload. */
  async abandon(): Promise<void> {
    await Promise.all(this.running)
    if (!this.isAbandoned) this.context.reaper.abandon(this.id)
    this.isAbandoned = true
  }

  private name(pieces: readonly Piece[]): Promise<void> {
    const { sums } = this.context
    return this.stream.add(
      (tx) => {
        for (const piece of pieces) putPiece(tx, sums, this.id, piece)
      },
      pieces.map(({ record }) => record),
    )
  }

  private ended(): void {
    this.writes--
    this.wake?.()
    this.wake = null
  }

  private throwFailure(): void {
    if (this.failure) throw this.failure.error
  }
}
