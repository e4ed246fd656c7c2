/**
 * A file that is read at once, in one synchronous step with the look that found it: nothing is waited for, so nothing
 * has to be kept for it, and its bytes may lie in buffers that the next read uses again.
 *
 * - Bytes are verified, in this read or when they were remembered.
 * - Null is given for whatever would make others wait: the caller opens the file then.
 * - What is small is remembered. Larger contents cost less to read again, into memory that is warm, than to keep.
 */
import type { TreeView } from '../cp-engine/contract.ts'
import { corrupt } from '../format/fields.ts'
import type { EntryItem } from '../format/fs-items.ts'
import { recordBytesDefault, recordBytesMax, recordBytesMin } from '../format/geometry.ts'
import type { ChecksumKind } from '../format/pointer.ts'
import { assert } from '../lib/assert.ts'
import type { Memo, ReadyFile, Stat } from './contract.ts'
import { recordsBetween } from './records.ts'
import type { SeenFile, SmallFiles } from './small-files.ts'

/** Contents that are remembered. */
export const rememberedBytesMax = 16 * 1024
/** Of a larger file at once: some tens of microseconds. */
export const readyBytesMax = 256 * 1024
const readyRecordsMax = readyBytesMax / recordBytesMin + 1

/** Used again by every read. */
const content = new Uint8Array(recordBytesDefault)
/** What is gathered, and behind it the record that its next part is taken from. */
const gathered = new Uint8Array(readyBytesMax + recordBytesMax)

export class FoundFile implements ReadyFile {
  constructor(
    private readonly tree: TreeView,
    private readonly kind: ChecksumKind,
    private readonly seen: SeenFile,
    private readonly smallFiles: SmallFiles | null,
  ) {}

  get stat(): Stat {
    return this.seen.stat
  }

  get cp(): number {
    return this.tree.cp
  }

  get memo(): Memo {
    return this.seen.memo
  }

  read(start: number, end: number): Uint8Array | null {
    const { stat, item } = this.seen
    const last = Math.min(end, stat.size)
    assert(start >= 0 && start <= end, 'a range has a beginning and an end')
    if (start >= last) return noBytes
    if (!item.content) return item.id === 0 ? null : partNow(this.tree, this.kind, item, start, last)
    const bytes = this.seen.bytes ?? this.#contentNow()
    return bytes && (last - start === bytes.length ? bytes : bytes.subarray(start, last))
  }

  #contentNow(): Uint8Array | null {
    const { seen, kind } = this
    const { size, content: pointer } = seen.item
    const isRemembered = size <= rememberedBytesMax && this.smallFiles !== null
    const bytes = this.tree.recordNow(pointer!, isRemembered ? null : content)
    // A file that was extended is longer than that.
    if (bytes?.length !== size) return null
    if (isRemembered) this.smallFiles?.add({ ...seen, bytes }, kind)
    return bytes
  }
}

const noBytes = new Uint8Array(0)

/** Bytes of a file with an object; zeros where there is no record. */
function partNow(
  tree: TreeView,
  kind: ChecksumKind,
  item: EntryItem,
  start: number,
  end: number,
): Uint8Array | null {
  if (end - start > readyBytesMax) return null
  const refs = tree.readNow((items) => recordsBetween(items, kind, item.id, start, end, readyRecordsMax))
  if (!refs) return null
  let done = 0
  for (const { offset, rawBytes, pointer } of refs) {
    const from = Math.max(0, start - offset)
    const to = Math.min(rawBytes, end - offset)
    if (from >= to) continue
    const at = offset + from - start
    const bytes = tree.recordPartNow(pointer, from, to, gathered.subarray(at))
    if (!bytes) return null
    if (bytes.length !== to - from)
      throw corrupt('record', 'length', `ends before ${to}, its item says ${rawBytes}`)
    // All that is wanted: it stays where it was read.
    if (bytes.length === end - start) return bytes
    gathered.fill(0, done, at)
    gathered.set(bytes, at)
    done = at + bytes.length
  }
  gathered.fill(0, done, end - start)
  return gathered.subarray(0, end - start)
}
