import type { BlockPointer, ChecksumKind } from '../../format/pointer.ts'
import type { ItemReader, NewestView, TreeView } from '../contract.ts'
import { lookOnce, lookWith } from '../tree/looking.ts'
import { NotLoaded } from '../tree/node-cache.ts'
import type { RecordReader } from '../records/record-reader.ts'
import type { Volume } from '../volume/volume.ts'

export interface OpenViewParts {
  readonly volume: Volume
  readonly tree: { readonly reader: ItemReader; readonly changes: number }
  readonly records: RecordReader
  /** The CP that carries, or will carry, the present state of the open tree. */
  readonly carrier: () => number
}

/** View of the open tree that follows every change. */
export class OpenNewest implements NewestView {
  constructor(protected readonly parts: OpenViewParts) {}

  get cp(): number {
    return this.parts.carrier()
  }
  get changes(): number {
    return this.parts.tree.changes
  }
  get sums(): ChecksumKind {
    return this.parts.records.sums.kind
  }

  readNow<T extends {}>(look: (items: ItemReader) => T): T | null {
    const seen = lookOnce(() => look(this.parts.tree.reader))
    return seen instanceof NotLoaded ? null : seen
  }

  recordNow(pointer: BlockPointer, target: Uint8Array | null = null): Uint8Array | null {
    return this.parts.records.wholeNow(pointer, target)
  }

  recordPartNow(pointer: BlockPointer, start: number, end: number, target: Uint8Array): Uint8Array | null {
    return this.parts.records.partNow(pointer, start, end, target)
  }
}

/**
 * A short reader of the open tree. Each `read` sees one instant. Records that a `read` has returned stay readable
 * until the view is released, in the queue or on the device, whatever happens to the records meanwhile.
 */
export class OpenView extends OpenNewest implements TreeView {
  readonly release: () => void
  private seen: number

  constructor(parts: OpenViewParts) {
    super(parts)
    this.release = parts.volume.readers.begin()
    this.seen = parts.carrier()
  }

  override get cp(): number {
    return this.seen
  }

  read<T>(look: (items: ItemReader) => T): Promise<T> {
    return lookWith(this.parts.volume.looking(), () => this.look(this.parts.tree.reader, look))
  }

  override readNow<T extends {}>(look: (items: ItemReader) => T): T | null {
    return super.readNow((items) => this.look(items, look))
  }

  private look<T>(items: ItemReader, look: (items: ItemReader) => T): T {
    const seen = look(items)
    this.seen = this.parts.carrier()
    return seen
  }

  record(pointer: BlockPointer): Promise<Uint8Array> {
    return this.parts.records.whole(pointer)
  }

  recordPart(pointer: BlockPointer, start: number, end: number): Promise<Uint8Array> {
    return this.parts.records.part(pointer, start, end)
  }

  recordRun(pointers: readonly BlockPointer[], target: Uint8Array): Promise<Uint8Array[]> {
    return this.parts.records.run(pointers, target)
  }
}
