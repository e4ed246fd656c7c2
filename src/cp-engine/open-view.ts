import type { BlockPointer, RecordSums } from '../format/pointer.ts'
import type { ItemReader, TreeView } from './contract.ts'
import { lookOnce, lookWith } from './looking.ts'
import { NotLoaded } from './node-cache.ts'
import {
  decodeRecord,
  readRecord,
  readRecordNow,
  readRecordPart,
  readRecordPartNow,
  readRecordRun,
} from './records.ts'
import type { Volume } from './volume.ts'
import type { WriteQueue } from './write-queue.ts'

export interface OpenViewParts {
  readonly volume: Volume
  readonly items: ItemReader
  readonly queue: WriteQueue
  readonly sums: RecordSums
  /** The CP that carries, or will carry, what the open tree shows now. */
  readonly carrier: () => number
}

/**
 * A short reader of the open tree. Each `read` sees one instant; records that it returned stay readable until the view
 * is released, in the queue or on the device, whatever happens to them meanwhile.
 */
export class OpenView implements TreeView {
  readonly release: () => void
  private seen: number

  constructor(private readonly parts: OpenViewParts) {
    this.release = parts.volume.readers.begin()
    this.seen = parts.carrier()
  }

  get cp(): number {
    return this.seen
  }

  read<T>(look: (items: ItemReader) => T): Promise<T> {
    return lookWith(this.parts.volume.loader, () => this.look(look))
  }

  readNow<T extends {}>(look: (items: ItemReader) => T): T | null {
    const seen = lookOnce(() => this.look(look))
    return seen instanceof NotLoaded ? null : seen
  }

  private look<T>(look: (items: ItemReader) => T): T {
    const seen = look(this.parts.items)
    this.seen = this.parts.carrier()
    return seen
  }

  async record(pointer: BlockPointer): Promise<Uint8Array> {
    const { queue, volume, sums } = this.parts
    const queued = queue.find(pointer)
    return queued ? decodeRecord(queued, pointer, sums) : readRecord(volume.device, pointer, sums)
  }

  recordNow(pointer: BlockPointer, target: Uint8Array | null = null): Uint8Array | null {
    const { queue, volume, sums } = this.parts
    const queued = queue.find(pointer)
    return queued ? decodeRecord(queued, pointer, sums) : readRecordNow(volume.device, pointer, sums, target)
  }

  recordPartNow(pointer: BlockPointer, start: number, end: number, target: Uint8Array): Uint8Array | null {
    const { queue, volume, sums } = this.parts
    const queued = queue.find(pointer)
    if (queued) return decodeRecord(queued, pointer, sums).subarray(start, end)
    return readRecordPartNow(volume.device, pointer, sums, start, end, volume.partSums, target)
  }

  async recordPart(pointer: BlockPointer, start: number, end: number): Promise<Uint8Array> {
    const { queue, volume, sums } = this.parts
    const queued = queue.find(pointer)
    if (queued) return decodeRecord(queued, pointer, sums).subarray(start, end)
    return readRecordPart(volume.device, pointer, sums, start, end, volume.partSums)
  }

  async recordRun(pointers: readonly BlockPointer[], target: Uint8Array): Promise<Uint8Array[]> {
    const { queue, volume, sums } = this.parts
    // A buffer that is still queued is as good as the device's copy, and is not copied.
    if (pointers.some((pointer) => queue.find(pointer)))
      return Promise.all(pointers.map((pointer) => this.record(pointer)))
    return readRecordRun(volume.device, pointers, sums, target)
  }
}
