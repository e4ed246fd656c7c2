/**
 * Writes a range of a file. Records are replaced whole: their bytes around the range are read and merged first.
 *
 * - A chunk of zeros has no record: the records that the chunk replaces go, and no record takes their place.
 * - Only records in the default-record cells that the range touches change, and large records that reach into these
 *   cells. Such large records are cut, so that the next change near by is cheaper.
 * - The operation applies only to the very version whose bytes were merged; otherwise the bytes are gathered again.
 *   Operations that change a part of one file take turns, so the attempts end; `attemptsMax` is for operations that
 *   replace the file in between.
 * - Extending waits until the reaper has taken the tail of an earlier truncation, so that bytes that were cut off
 *   never come back.
 * - An object is written in place, because it has one entry. (Copying, later, gives the writer an object of its own.)
 */
import type { EntryItem } from '../../format/items/items.ts'
import { encodeRecordItem } from '../../format/items/items.ts'
import { objectKey, orphanKey, recordKey, recordRange } from '../../format/items/item-keys.ts'
import { recordBytesDefault } from '../../format/geometry.ts'
import type { BlockPointer } from '../../format/pointer.ts'
import { assert } from '../../lib/assert.ts'
import { concatBytes } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import type { Applied, ItemReader, TreeView } from '../../cp-engine/contract.ts'
import { checkPreconditions, equalVersions } from '../tree/attributes.ts'
import { chunksOf } from './body.ts'
import { type Context, prepared, runEdit, written } from './context.ts'
import { type Body, type Preconditions, type Written, fileBytesMax, patchBytesMax } from '../contract.ts'
import { takeId } from '../tree/counters.ts'
import type { Edit } from '../tree/edit.ts'
import { findEntry, findPlace, mustBeFile } from '../tree/entries.ts'
import { assemble } from '../read/open-file.ts'
import { type Path, formatPath } from '../paths.ts'
import {
  type Chunk,
  type Piece,
  type RecordRef,
  contentRef,
  cutChunks,
  offsetOfRecordKey,
  putPiece,
  recordEnd,
  recordsBetween,
  spanOf,
  recordsTouchedBy,
} from '../tree/records.ts'
import { loadRecord } from '../read/record-reading.ts'
import { type Spool, respool, spoolBody } from './patch-body.ts'

const attemptsMax = 100
/** Limit for the records in the cells of the largest PATCH, however often records were cut. */
const recordsTouchedMax = recordsTouchedBy(patchBytesMax + 2 * recordBytesDefault)

/**
 * Result of an attempt. `again` means that the file has changed since the look. `tail` means that the tail of an
 * earlier truncation is in the way.
 */
export type Attempt = { readonly created: false; readonly item: EntryItem } | 'again' | 'tail'

type Patched = Written & { readonly offset: number }

export async function patchFile(
  context: Context,
  path: Path,
  offset: number | 'end',
  body: Body,
  conditions: Preconditions,
): Promise<Patched> {
  const expected = await lookAtFile(context, path, conditions)
  const at = offset === 'end' ? expected.size : offset
  // The check comes before a record of the body gets a key, because keys have no larger numbers.
  if (at > fileBytesMax) throw beyondTheLargest()
  let spool = await spoolBody(context, chunksOf(body), at)
  if (spool.length === 0) return { ...(await unchanged(context, path, conditions)), offset: at }
  try {
    return await context.turns.within(formatPath(path), async () => {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const item = await lookAtFile(context, path, conditions)
        const target = offset === 'end' ? item.size : offset
        if (spool.offset !== target) spool = await respool(context, spool, target)
        const patched = await patchOnce(context, path, item, spool)
        if (patched) return { ...patched, offset: target }
      }
      throw tooBusy(path)
    })
  } catch (error) {
    await spool.upload?.abandon()
    throw error
  }
}

export async function lookAtFile(
  context: Context,
  path: Path,
  conditions: Preconditions,
): Promise<EntryItem> {
  const view = context.engine.openView()
  try {
    return await view.read((items) => {
      const item = findEntry(items, context.sums, path)
      mustBeFile(item, path)
      checkPreconditions(conditions, item)
      return item
    })
  } finally {
    view.release()
  }
}

/** Runs an operation that only looks. */
export async function unchanged(context: Context, path: Path, conditions: Preconditions): Promise<Written> {
  const applied = await runEdit(context, (edit) => {
    const item = findEntry(edit.tx, context.sums, path)
    mustBeFile(item, path)
    checkPreconditions(conditions, item)
    return { created: false, item }
  })
  return written(context, path, applied, applied.result.item.extra.inline)
}

const beyondTheLargest = (): StillpointError =>
  new StillpointError('too-large', `a file has at most ${fileBytesMax} bytes`)

export const tooBusy = (path: Path): StillpointError =>
  new StillpointError('internal', `${formatPath(path)} is replaced too often to be changed`)

export const sameFile = (entry: EntryItem | null, item: EntryItem): entry is EntryItem =>
  entry?.kind === 'file' && entry.id === item.id && equalVersions(entry.version, item.version)

/**
 * Returns the answer; null means that the caller must try again. A tail that was in the way has been taken by then.
 */
export async function settle(
  context: Context,
  path: Path,
  item: EntryItem,
  applied: Applied<Attempt>,
): Promise<Written | null> {
  const { result } = applied
  if (result === 'tail') await context.reaper.finish(item.id)
  if (result === 'tail' || result === 'again') return null
  return written(context, path, applied as Applied<typeof result>, result.item.extra.inline)
}

/** Records and bytes around the range. */
interface Around {
  /** Records in the cells of the range, or that reach into these cells; the operation deletes them. */
  readonly replaced: readonly RecordRef[]
  /** The content of a small file that the range does not touch. */
  readonly kept: RecordRef | null
  /** Old bytes before the range, in `left`, and behind the range, in `right`. */
  readonly left: Chunk
  readonly right: Uint8Array
}

async function patchOnce(
  context: Context,
  path: Path,
  item: EntryItem,
  spool: Spool,
): Promise<Written | null> {
  const end = spool.offset + spool.length
  if (end > fileBytesMax) throw beyondTheLargest()
  const view = context.engine.openView()
  let around: Around | null
  try {
    around = await lookAround(context, view, path, item, spool.offset, end)
  } finally {
    view.release()
  }
  if (!around) return null
  const chunks = chunksToWrite(around, spool, end)
  const bytes = chunks.reduce((sum, chunk) => sum + spanOf(chunk.bytes.length), 0)
  const found = around
  return prepared(context, bytes, async (preparation) => {
    const pieces: Piece[] = []
    for (const chunk of chunks) pieces.push(...(await preparation.pieces(chunk.bytes, chunk.offset)))
    const applied = await preparation.run<Attempt>(
      (edit) => applyPatch(edit, path, item, found, spool, pieces),
      spool.upload?.stream,
    )
    return settle(context, path, item, applied)
  })
}

/** Returns null when the file has changed. */
async function lookAround(
  { sums }: Context,
  view: TreeView,
  path: Path,
  item: EntryItem,
  start: number,
  end: number,
): Promise<Around | null> {
  const cellsStart = start - (start % recordBytesDefault)
  const cellsEnd = Math.ceil(end / recordBytesDefault) * recordBytesDefault
  const look = (items: ItemReader): RecordRef[] | null => {
    const { entry } = findPlace(items, sums, path)
    if (!sameFile(entry, item)) return null
    if (entry.content) return [contentRef(entry.content)]
    // Records behind the end are a tail that waits for the reaper.
    if (entry.id === 0 || cellsStart >= entry.size) return []
    return recordsBetween(
      items,
      sums,
      entry.id,
      cellsStart,
      Math.min(cellsEnd, entry.size),
      recordsTouchedMax,
    )
  }
  let replaced = await view.read(look)
  if (!replaced) return null
  let kept: RecordRef | null = null
  const loaded = new Map<RecordRef, Uint8Array>()
  if (item.content) {
    const bytes = await loadRecord(view, replaced[0]!)
    const ref = { ...replaced[0]!, span: spanOf(bytes.length), rawBytes: bytes.length }
    loaded.set(ref, bytes)
    if (cellsStart < ref.span) replaced = [ref]
    else [replaced, kept] = [[], ref]
  }
  const before = replaced.filter((ref) => ref.offset < start)
  const behind = replaced.filter((ref) => recordEnd(ref) > end)
  for (const ref of [...before, ...behind]) if (!loaded.has(ref)) loaded.set(ref, await loadRecord(view, ref))
  const bytesOf = (refs: readonly RecordRef[], from: number, to: number) =>
    from < to
      ? concatBytes(
          ...assemble(
            refs,
            refs.map((ref) => loaded.get(ref)!),
            from,
            to,
          ),
        )
      : new Uint8Array(0)
  const lowest = Math.min(start, before[0]?.offset ?? start)
  const highest = Math.max(end, ...behind.map(recordEnd))
  return {
    replaced,
    kept,
    left: { offset: lowest, bytes: bytesOf(before, lowest, start) },
    right: bytesOf(behind, end, highest),
  }
}

function chunksToWrite({ left, right }: Around, spool: Spool, end: number): Chunk[] {
  if (!spool.upload) return cutChunks(left.offset, concatBytes(left.bytes, spool.head, right))
  return [
    ...cutChunks(left.offset, concatBytes(left.bytes, spool.head)),
    ...cutChunks(end - spool.tail.length, concatBytes(spool.tail, right)),
  ]
}

function applyPatch(
  edit: Edit,
  path: Path,
  item: EntryItem,
  around: Around,
  spool: Spool,
  pieces: readonly Piece[],
): Attempt {
  const { directory, entry } = findPlace(edit.tx, edit.sums, path)
  if (!sameFile(entry, item)) return 'again'
  const size = Math.max(item.size, spool.offset + spool.length)
  if (size > item.size && item.id !== 0 && edit.tx.get(orphanKey(item.id))) return 'tail'
  const changed = { ...item, version: edit.version(), modifiedMs: edit.tx.nowMs, modifiedNanos: 0, size }
  const small = item.id === 0 && !spool.upload ? smallContent(edit, around, pieces) : undefined
  const stored =
    small === undefined
      ? { ...changed, content: null, id: item.id || takeId(edit.tx) }
      : { ...changed, content: small }
  if (small === undefined) writeRecords(edit, stored.id, item, around, spool, pieces)
  if (small === undefined && (item.id === 0 || size !== item.size)) edit.putObject(stored.id, size)
  edit.putEntry(directory, path.at(-1)!, stored, entry)
  return { created: false, item: stored }
}

/** Content of a small file after the patch: null for only zeros, undefined when the file is no longer small. */
function smallContent(
  edit: Edit,
  { kept }: Around,
  pieces: readonly Piece[],
): BlockPointer | null | undefined {
  if (pieces.length === 0) return kept?.pointer ?? null
  return !kept && pieces.length === 1 && pieces[0]!.offset === 0 ? edit.use(pieces[0]!.record) : undefined
}

function writeRecords(
  edit: Edit,
  id: number,
  item: EntryItem,
  { kept, replaced }: Around,
  spool: Spool,
  pieces: readonly Piece[],
): void {
  // The content of a small file was in its entry, and becomes a record of the object with the same pointer.
  if (kept) edit.put(recordKey(id, 0), encodeRecordItem(kept, edit.sums))
  if (item.id !== 0) for (const ref of replaced) edit.delete(recordKey(id, ref.offset))
  for (const piece of pieces) putPiece(edit, edit.sums, id, piece)
  if (!spool.upload) return
  const { from, end } = recordRange(spool.upload.id)
  const sent = edit.tx.scan(from, end, recordsTouchedMax + 1)
  assert(sent.length <= recordsTouchedMax, 'an upload of a PATCH is bounded')
  for (const { key, value } of sent) {
    edit.delete(key)
    edit.put(recordKey(id, offsetOfRecordKey(key)), value)
  }
  edit.delete(objectKey(spool.upload.id))
  spool.upload.take(edit)
}
