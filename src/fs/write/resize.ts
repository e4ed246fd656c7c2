/**
 * Truncates and extends files. Extending changes only a number, because bytes that no record covers read as zeros.
 * Truncating rewrites the record that the new end cuts, and removes all records behind, always in one bounded
 * operation:
 *
 * | behind the end  | before the end | what happens |
 * |---|---|---|
 * | any             | zeros, or one record at 0 | the file becomes a small one, the object is unlinked |
 * | few records     | any            | the records behind are deleted |
 * | many            | few records    | the records before move to a fresh object, the old object is unlinked |
 * | many            | many           | the records behind become a tail, an orphan that the reaper empties |
 */
import type { Item } from '../../cp-engine/contract.ts'
import { decodeRecordItem, type EntryItem } from '../../format/items/items.ts'
import { orphanKey, recordKey, recordRange } from '../../format/items/item-keys.ts'
import { assert } from '../../lib/assert.ts'
import { StillpointError } from '../../lib/errors.ts'
import { type Context, type Preparation, prepared, runEdit } from './context.ts'
import { type Preconditions, type Written, fileBytesMax } from '../contract.ts'
import { takeId } from '../tree/counters.ts'
import type { Edit } from '../tree/edit.ts'
import { findPlace } from '../tree/entries.ts'
import { type Attempt, lookAtFile, sameFile, settle, tooBusy, unchanged } from './patch.ts'
import { type Path, formatPath } from '../paths.ts'
import {
  type Piece,
  contentRef,
  offsetOfRecordKey,
  putPiece,
  recordEnd,
  recordsBetween,
  spanOf,
} from '../tree/records.ts'
import { loadRecord } from '../read/record-reading.ts'

const attemptsMax = 100
/** Limit for the records that one truncation deletes or moves. */
export const fewRecords = 256

export async function resizeFile(
  context: Context,
  path: Path,
  size: number,
  conditions: Preconditions,
): Promise<Written> {
  if (size > fileBytesMax) throw new StillpointError('too-large', `a file has at most ${fileBytesMax} bytes`)
  assert(Number.isSafeInteger(size) && size >= 0, 'a size is a number of bytes')
  return context.turns.within(formatPath(path), async () => {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const item = await lookAtFile(context, path, conditions)
      if (item.size === size) return unchanged(context, path, conditions)
      const resized =
        item.size < size ? await extend(context, path, item, size) : await truncate(context, path, item, size)
      if (resized) return resized
    }
    throw tooBusy(path)
  })
}

async function extend(context: Context, path: Path, item: EntryItem, size: number): Promise<Written | null> {
  const applied = await runEdit<Attempt>(context, (edit) => {
    const { directory, entry } = findPlace(edit.tx, edit.sums, path)
    if (!sameFile(entry, item)) return 'again'
    if (item.id !== 0 && edit.tx.get(orphanKey(item.id))) return 'tail'
    if (item.id !== 0) edit.putObject(item.id, size)
    return putResized(edit, directory, path, entry, { size })
  })
  return settle(context, path, item, applied)
}

/** The bytes that remain of the record that the new end cuts. */
interface Cut {
  readonly offset: number
  readonly bytes: Uint8Array
}

async function truncate(
  context: Context,
  path: Path,
  item: EntryItem,
  size: number,
): Promise<Written | null> {
  const cut = await findCut(context, path, item, size)
  if (cut === 'again') return null
  const resize = async (preparation: Preparation) => {
    const pieces = cut ? await preparation.pieces(cut.bytes, cut.offset) : []
    const applied = await preparation.run<Attempt>((edit) => {
      const { directory, entry } = findPlace(edit.tx, edit.sums, path)
      if (!sameFile(entry, item)) return 'again'
      const stored =
        item.id === 0
          ? cutSmall(edit, item, size, cut && pieces)
          : cutObject(edit, item, size, cut && { ...cut, pieces })
      return putResized(edit, directory, path, entry, { size, ...stored })
    })
    return settle(context, path, item, applied)
  }
  // A truncation has the floor of a deletion, because it makes room on a full volume.
  return prepared(context, cut ? spanOf(cut.bytes.length) : 0, resize, 'delete')
}

function putResized(
  edit: Edit,
  directory: number,
  path: Path,
  entry: EntryItem,
  changes: Partial<EntryItem> & { readonly size: number },
): Attempt {
  const item = { ...entry, version: edit.version(), modifiedMs: edit.tx.nowMs, modifiedNanos: 0, ...changes }
  edit.putEntry(directory, path.at(-1)!, item, entry)
  return { created: false, item }
}

async function findCut(
  context: Context,
  path: Path,
  item: EntryItem,
  size: number,
): Promise<Cut | null | 'again'> {
  if (size === 0) return null
  const { engine, sums } = context
  const view = engine.openView()
  try {
    const refs = await view.read((items) => {
      const { entry } = findPlace(items, sums, path)
      if (!sameFile(entry, item)) return null
      if (item.id === 0) return item.content ? [contentRef(item.content)] : []
      return recordsBetween(items, sums, item.id, size - 1, size, 1)
    })
    if (!refs) return 'again'
    const [ref] = refs
    if (!ref || recordEnd(ref) <= size) return null
    const bytes = await loadRecord(view, ref)
    return ref.offset + bytes.length <= size
      ? null
      : { offset: ref.offset, bytes: bytes.subarray(0, size - ref.offset) }
  } finally {
    view.release()
  }
}

type Stored = Pick<EntryItem, 'id' | 'content'>
const nothing: Stored = { id: 0, content: null }

/** Returns the content of a small file: cut, gone, or short enough already. `pieces` is null when nothing is cut. */
function cutSmall(edit: Edit, item: EntryItem, size: number, pieces: readonly Piece[] | null): Stored {
  if (size === 0) return nothing
  if (!pieces) return { id: 0, content: item.content }
  const [piece] = pieces
  if (!piece) return nothing
  if (pieces.length === 1 && piece.offset === 0) return { id: 0, content: edit.use(piece.record) }
  const id = takeId(edit.tx)
  edit.putObject(id, size)
  for (const each of pieces) putPiece(edit, edit.sums, id, each)
  return { id, content: null }
}

/** Replacement of the record that the new end cuts; has no pieces when only zeros remain of the record. */
interface CutRecord {
  readonly offset: number
  readonly pieces: readonly Piece[]
}

function cutObject(edit: Edit, item: EntryItem, size: number, cut: CutRecord | null): Stored {
  const { id } = item
  const { from, end } = recordRange(id)
  const start = recordKey(id, size)
  const pieces = cut?.pieces ?? []
  if (cut) edit.delete(recordKey(id, cut.offset))
  const [first, second] = edit.tx.scan(from, start, 2)
  if (!first && pieces.length === 0) {
    edit.unlink(item)
    return nothing
  }
  if (!first && pieces.length === 1 && pieces[0]!.offset === 0) {
    const content = edit.use(pieces[0]!.record)
    edit.unlink(item)
    return { id: 0, content }
  }
  if (first && !second && offsetOfRecordKey(first.key) === 0 && pieces.length === 0) {
    const { pointer } = decodeRecordItem(first.value, edit.sums)
    edit.delete(first.key)
    edit.unlink(item)
    return { id: 0, content: pointer }
  }
  const behind = edit.tx.scan(start, end, fewRecords + 1)
  if (behind.length > fewRecords) {
    const before = edit.tx.scan(from, start, fewRecords + 1)
    if (before.length <= fewRecords) return moveToFresh(edit, item, size, before, pieces)
    edit.orphan({ kind: 'tail', id, offset: size }, 0)
  } else for (const { key } of behind) edit.delete(key)
  for (const piece of pieces) putPiece(edit, edit.sums, id, piece)
  edit.putObject(id, size)
  return { id, content: null }
}

function moveToFresh(
  edit: Edit,
  item: EntryItem,
  size: number,
  before: readonly Item[],
  pieces: readonly Piece[],
): Stored {
  const id = takeId(edit.tx)
  edit.putObject(id, size)
  for (const { key, value } of before) {
    edit.delete(key)
    edit.put(recordKey(id, offsetOfRecordKey(key)), value)
  }
  for (const piece of pieces) putPiece(edit, edit.sums, id, piece)
  edit.unlink(item)
  return { id, content: null }
}
