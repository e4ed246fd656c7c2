/**
 * Reads a file at once, in one synchronous step with the look that found the file. Because the reader never waits, no
 * view has to be held for the file, and the bytes may lie in buffers that the next read uses again.
 *
 * - Bytes are verified, in this read or when the cache took the bytes in.
 * - A read that would have to wait, or would make others wait, returns null. The caller then opens the file.
 */
import type { ImageNow, ItemReader } from '../../cp-engine/contract.ts'
import { corrupt } from '../../format/fields.ts'
import { type EntryItem, decodeEntryItem } from '../../format/items/items.ts'
import { recordBytesDefault, recordBytesMax } from '../../format/geometry.ts'
import type { BlockPointer, ChecksumKind } from '../../format/pointer.ts'
import { assert } from '../../lib/assert.ts'
import { statOf } from '../tree/attributes.ts'
import type { ReadyFile, Stat } from '../contract.ts'
import { findValue, isADirectory, mustBeFile, notFound, valueIn } from '../tree/entries.ts'
import type { KnownDirectories } from '../tree/known-directories.ts'
import type { Path } from '../paths.ts'
import { recordsBetween, recordsTouchedBy } from '../tree/records.ts'

/** Limit for a part of a larger file that is read at once: some tens of microseconds. */
export const readyBytesMax = 256 * 1024
const readyRecordsMax = recordsTouchedBy(readyBytesMax)

/** Buffer that every read uses again. */
const content = new Uint8Array(recordBytesDefault)
/** Gathered bytes, and behind them the record that the next part is taken from. */
const gathered = new Uint8Array(readyBytesMax + recordBytesMax)

/** Returns the value of an entry; null when a node would have to be loaded. */
export function valueNow(
  image: ImageNow,
  sums: ChecksumKind,
  path: Path,
  /** Known directories of the same image. */
  directories: KnownDirectories | null = null,
): Uint8Array | null {
  if (path.length === 0) throw isADirectory(path)
  return image.readNow((items) => valueOf(items, sums, path, directories))
}

function valueOf(
  items: ItemReader,
  sums: ChecksumKind,
  path: Path,
  directories: KnownDirectories | null,
): Uint8Array {
  const known = directories?.find(path) ?? null
  const { value, directory } = known === null ? findValue(items, sums, path) : valueIn(items, known, path)
  if (!value) throw notFound(path)
  if (known === null) directories?.add(path, directory)
  return value
}

/** Decodes an entry of a file. Returns null when the extra lies in a record. */
export function fileOf(
  value: Uint8Array,
  sums: ChecksumKind,
  path: Path,
): { readonly item: EntryItem; readonly stat: Stat } | null {
  const item = decodeEntryItem(value, sums)
  mustBeFile(item, path)
  const { inline } = item.extra
  return inline && { item, stat: statOf(item, inline) }
}

export class FoundFile implements ReadyFile {
  made: unknown = null
  readonly item: EntryItem
  readonly stat: Stat

  constructor(
    protected readonly image: ImageNow,
    private readonly sums: ChecksumKind,
    { item, stat }: { readonly item: EntryItem; readonly stat: Stat },
  ) {
    this.item = item
    this.stat = stat
  }

  get cp(): number {
    return this.image.cp
  }

  read(start: number, end: number): Uint8Array | null {
    const { stat, item, image, sums } = this
    const last = Math.min(end, stat.size)
    assert(start >= 0 && start <= end, 'a range has a beginning and an end')
    if (start >= last) return noBytes
    if (!item.content) return partNow(image, sums, item, start, last)
    const bytes = this.content(item.content)
    // A file that was extended is longer than its record.
    if (bytes?.length !== stat.size) return null
    return last - start === bytes.length ? bytes : bytes.subarray(start, last)
  }

  /** Returns the whole record that the pointer of the entry names. */
  protected content(pointer: BlockPointer): Uint8Array | null {
    return this.image.recordNow(pointer, content)
  }
}

const noBytes = new Uint8Array(0)

/** Returns bytes of a file whose entry has no content; bytes without a record are zeros. */
function partNow(
  image: ImageNow,
  sums: ChecksumKind,
  item: EntryItem,
  start: number,
  end: number,
): Uint8Array | null {
  if (end - start > readyBytesMax) return null
  const look = (items: ItemReader) => recordsBetween(items, sums, item.id, start, end, readyRecordsMax)
  const refs = item.id === 0 ? [] : image.readNow(look)
  if (!refs) return null
  let done = 0
  for (const { offset, rawBytes, pointer } of refs) {
    const from = Math.max(0, start - offset)
    const to = Math.min(rawBytes, end - offset)
    if (from >= to) continue
    const at = offset + from - start
    const bytes = image.recordPartNow(pointer, from, to, gathered.subarray(at))
    if (!bytes) return null
    if (bytes.length !== to - from)
      throw corrupt('record', 'length', `ends before ${to}, its item says ${rawBytes}`)
    // One record has all wanted bytes, which stay where they were read.
    if (bytes.length === end - start) return bytes
    gathered.fill(0, done, at)
    gathered.set(bytes, at)
    done = at + bytes.length
  }
  gathered.fill(0, done, end - start)
  return gathered.subarray(0, end - start)
}
