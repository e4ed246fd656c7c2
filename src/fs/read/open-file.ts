/**
 * Reads a file as it was when it was opened. The bytes are read in windows; a stream has at most two windows in
 * memory.
 *
 * There are three ways to keep the content while it is read:
 * - A small file has its pointers gathered, and the view that showed the pointers is held.
 * - A larger file is read from a pinned root, with a short view for each window, so that a slow client never delays
 *   the release of blocks.
 * - Where the root cannot be pinned any more, the view is held after all, for a few files at a time.
 */
import type { PublishedRoot, RootSource, TreeView } from '../../cp-engine/contract.ts'
import type { EntryItem } from '../../format/items/items.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import { assert } from '../../lib/assert.ts'
import { BufferPool } from '../../lib/buffer-pool.ts'
import { concatBytes } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import { type ByteStream, type OpenFile, type Stat, bufferedBytesMax } from '../contract.ts'
import { FileStream, type LoadWindow, restingWindowBytesMax } from './file-stream.ts'
import { loadRecords } from './record-reading.ts'
import { type RecordRef, recordEnd, recordsBetween, recordsTouchedBy } from '../tree/records.ts'

/** Lends views of one image as long as the image is held. */
export interface HeldViews {
  borrow(): TreeView
  giveBack(view: TreeView): void
  close(): void
}

export function heldView(view: TreeView, release: () => void): HeldViews {
  return { borrow: () => view, giveBack: () => {}, close: release }
}

export function pinnedViews(source: RootSource, published: PublishedRoot): HeldViews {
  const pin = source.pin(published)
  return {
    borrow: () => source.view(published),
    giveBack: (view) => view.release(),
    close: () => pin.release(),
  }
}

/** Limit for large files that are read through held views of one source at a time. */
export const heldFilesMax = 4
const heldFiles = new WeakMap<RootSource, number>()

/** Returns the function that ends the hold; a second call is harmless. Throws `too-many-pins` at `heldFilesMax`. */
export function enterHeld(source: RootSource): () => void {
  const count = (by: number): number => (heldFiles.get(source) ?? 0) + by
  if (count(0) >= heldFilesMax)
    throw new StillpointError(
      'too-many-pins',
      `${heldFilesMax} large files are read from roots that are gone`,
    )
  heldFiles.set(source, count(1))
  let isInside = true
  return () => {
    if (isInside) heldFiles.set(source, count(-1))
    isInside = false
  }
}

const windows = new WeakMap<RootSource, BufferPool>()

/** Buffers that the streams of one volume read into. */
export function windowsOf(source: RootSource): BufferPool {
  let pool = windows.get(source)
  if (!pool) windows.set(source, (pool = new BufferPool(restingWindowBytesMax)))
  return pool
}

/** Limit for the records of one window, however often records were cut. */
export const windowRecordsMax = recordsTouchedBy(bufferedBytesMax)

export class StoredFile implements OpenFile {
  private busy = 0
  private isClosed = false

  constructor(
    readonly stat: Stat,
    readonly cp: number,
    private readonly item: EntryItem,
    /** All records of the file, if gathered. */
    private readonly refs: readonly RecordRef[] | null,
    private readonly views: HeldViews,
    private readonly sums: ChecksumKind,
    private readonly buffers: BufferPool,
  ) {}

  async read(start: number, end: number): Promise<Uint8Array> {
    const last = Math.min(end, this.stat.size)
    assert(start >= 0 && start <= end, 'a range has a beginning and an end')
    assert(last - start <= bufferedBytesMax, 'read gives at most bufferedBytesMax')
    if (start >= last) return new Uint8Array(0)
    const parts = await this.window(start, last, null)
    return parts.length === 1 ? parts[0]! : concatBytes(...parts)
  }

  stream(start: number, end: number): ByteStream {
    const load: LoadWindow = (from, to, buffer) => this.window(from, to, buffer)
    return new FileStream(load, start, Math.min(end, this.stat.size), this.buffers)
  }

  close(): void {
    this.isClosed = true
    this.closeWhenIdle()
  }

  private closeWhenIdle(): void {
    if (this.isClosed && this.busy === 0) this.views.close()
  }

  /**
   * Returns the bytes [start, end), all verified, in as few pieces as possible. `buffer` is used when the records
   * fit; after an error, a read may still be filling the buffer.
   */
  private async window(start: number, end: number, buffer: Uint8Array | null): Promise<Uint8Array[]> {
    assert(!this.isClosed, 'a closed file is not read')
    this.busy++
    try {
      const view = this.views.borrow()
      try {
        const refs = await this.find(view, start, end)
        const loaded = await loadRecords(view, refs, start, end, buffer)
        return joinNeighbours(
          assemble(
            loaded,
            loaded.map(({ bytes }) => bytes),
            start,
            end,
          ),
        )
      } finally {
        this.views.giveBack(view)
      }
    } finally {
      this.busy--
      this.closeWhenIdle()
    }
  }

  private async find(view: TreeView, start: number, end: number): Promise<readonly RecordRef[]> {
    const { item, refs, sums } = this
    if (refs) return refs.filter((ref) => ref.offset < end && recordEnd(ref) > start)
    return view.read((items) => recordsBetween(items, sums, item.id, start, end, windowRecordsMax))
  }
}

/** Puts the bytes [start, end) together; bytes without a record are zeros. */
export function assemble(
  refs: readonly Pick<RecordRef, 'offset'>[],
  loaded: readonly Uint8Array[],
  start: number,
  end: number,
): Uint8Array[] {
  const parts: Uint8Array[] = []
  let at = start
  refs.forEach((ref, i) => {
    const bytes = loaded[i]!
    const from = Math.max(at, ref.offset)
    const to = Math.min(end, ref.offset + bytes.length)
    if (from >= to) return
    if (from > at) parts.push(new Uint8Array(from - at))
    parts.push(bytes.subarray(from - ref.offset, to - ref.offset))
    at = to
  })
  if (at < end) parts.push(new Uint8Array(end - at))
  return parts
}

/** Joins pieces that lie one after the other in memory. */
function joinNeighbours(parts: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = []
  for (const part of parts) {
    const last = joined.at(-1)
    const isNext = last?.buffer === part.buffer && last.byteOffset + last.length === part.byteOffset
    if (isNext)
      joined[joined.length - 1] = new Uint8Array(part.buffer, last.byteOffset, last.length + part.length)
    else joined.push(part)
  }
  return joined
}
