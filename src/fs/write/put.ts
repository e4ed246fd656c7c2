/**
 * Writes whole files and links atomically. Content of one record goes into the entry itself. More content is an
 * object, and a large body becomes that object as an upload, before a name leads to it. Zeros have no record, so a
 * file of only zeros is just its entry.
 */
import type { EntryItem } from '../../format/items/items.ts'
import { objectKey } from '../../format/items/item-keys.ts'
import { recordBytesDefault } from '../../format/geometry.ts'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import {
  type CheckedAttributes,
  checkAttributes,
  checkPreconditions,
  defaultModes,
  statOf,
} from '../tree/attributes.ts'
import { buffersOf, chunksOf } from './body.ts'
import {
  type Context,
  type Preparation,
  type PreparedExtra,
  prepared,
  runEditNow,
  storeExtra,
  written,
} from './context.ts'
import { type Attributes, type Body, type Preconditions, type Written, fileBytesMax } from '../contract.ts'
import { takeId } from '../tree/counters.ts'
import type { Edit } from '../tree/edit.ts'
import { findPlace, isADirectory, placeIn } from '../tree/entries.ts'
import type { Path } from '../paths.ts'
import { type Piece, gatheredBytes, putPiece, spanOf, streamSpan } from '../tree/records.ts'
import { Upload } from './upload.ts'

/** Content that is prepared and has no name yet. */
type Content =
  | { readonly pieces: readonly Piece[]; readonly upload: null; readonly size: number }
  | { readonly pieces: null; readonly upload: Upload; readonly size: number }

const emptyContent: Content = { pieces: [], upload: null, size: 0 }

interface Put {
  readonly kind: 'file' | 'link'
  readonly path: Path
  readonly attributes: CheckedAttributes
  readonly extra: PreparedExtra
  readonly content: Content
  readonly conditions: Preconditions
}

export async function putFile(
  context: Context,
  path: Path,
  body: Body,
  attributes: Attributes,
  options: Preconditions & { readonly lengthHint?: number | null },
): Promise<Written> {
  const done = body instanceof Uint8Array ? putNow(context, path, body, attributes, options) : null
  if (done) return done
  const checked = checkAttributes(attributes)
  const hint = body instanceof Uint8Array ? body.length : (options.lengthHint ?? 0)
  if (hint > fileBytesMax) throw tooLarge()
  if (body instanceof Uint8Array && body.length <= recordBytesDefault) {
    const small = { kind: 'file' as const, path, attributes: checked, conditions: options }
    return putOne(context, small, body.length > 0 ? body : null)
  }
  // A request that will be refused should not have to send its body first.
  if (!(body instanceof Uint8Array)) await checkTarget(context, path, options)
  const put = { kind: 'file' as const, path, attributes: checked, conditions: options }
  const buffers = buffersOf(chunksOf(body), (position) => gatheredBytes(position, hint), context.buffers)
  const begun: Uint8Array[] = []
  try {
    for (let next = await buffers.next(); !next.done; next = await buffers.next()) {
      begun.push(next.value)
      if (begun.length === 2) break
    }
    if (begun.length < 2) return await putOne(context, put, begun[0] ?? null)
    const upload = await Upload.begin(context)
    try {
      const size = await send(upload, hint, begun, buffers)
      return await prepared(context, 0, (preparation) =>
        putEntry(preparation, put, { pieces: null, upload, size }),
      )
    } catch (error) {
      await upload.abandon()
      throw error
    }
  } finally {
    for (const buffer of begun) context.buffers.giveUp(buffer)
    await buffers.return(undefined)
  }
}

/**
 * Puts the usual file, of one record, at once. Returns null when the put would have to wait, and for any less simple
 * file; in that case nothing has changed.
 */
function putNow(
  context: Context,
  path: Path,
  bytes: Uint8Array,
  attributes: Attributes,
  conditions: Preconditions,
): Written | null {
  if (bytes.length > recordBytesDefault) return null
  const checked = checkAttributes(attributes)
  if (checked.extraBytes) return null
  const { engine, directories } = context
  const records = bytes.length > 0 ? engine.prepareNow(bytes) : []
  if (!records) return null
  // Content that was cut into several records becomes an object, which `putFile` makes.
  if (records.length > 1 || (records[0]?.offset ?? 0) > 0) {
    engine.discard(records)
    return null
  }
  const pieces = records.map((record) => ({ offset: 0, span: spanOf(bytes.length), record }))
  const put: Put = {
    kind: 'file',
    path,
    attributes: checked,
    extra: { extra: checked.extra, record: null },
    content: { pieces, upload: null, size: bytes.length },
    conditions,
  }
  const known = directories.find(path)
  const applied = runEditNow(context, (edit) => applyPut(edit, put, known), records)
  if (!applied) {
    engine.discard(records)
    return null
  }
  const { created, item, directory } = applied.result
  if (known === null) directories.add(path, directory)
  return { created, stat: statOf(item, checked.extra), applied }
}

export async function putLink(
  context: Context,
  path: Path,
  target: string,
  attributes: Attributes,
  conditions: Preconditions,
): Promise<Written> {
  if (target === '') throw new StillpointError('bad-parameter', 'a link has a target')
  const put = { kind: 'link' as const, path, attributes: checkAttributes(attributes, target), conditions }
  const content = { ...emptyContent, size: encodeUtf8(target).length }
  return prepared(context, 0, (preparation) => putEntry(preparation, put, content))
}

/** Puts a file whose content is at most one record. */
function putOne(
  context: Context,
  put: Omit<Put, 'extra' | 'content'>,
  bytes: Uint8Array | null,
): Promise<Written> {
  const { extraBytes } = put.attributes
  const gathered = bytes && extraBytes ? spanOf(bytes.length) + spanOf(extraBytes.length) : 0
  return prepared(context, gathered, async (preparation) => {
    const pieces = bytes ? await preparation.pieces(bytes, 0) : []
    return putEntry(preparation, put, { pieces, upload: null, size: bytes?.length ?? 0 })
  })
}

async function checkTarget({ engine, sums }: Context, path: Path, conditions: Preconditions): Promise<void> {
  const view = engine.openView()
  try {
    await view.read((items) => {
      const { entry } = findPlace(items, sums, path)
      if (entry?.kind === 'directory') throw isADirectory(path)
      checkPreconditions(conditions, entry)
    })
  } finally {
    view.release()
  }
}

async function send(
  upload: Upload,
  hint: number,
  /** Buffers that the upload takes over, one after the other. */
  begun: Uint8Array[],
  rest: AsyncIterable<Uint8Array>,
): Promise<number> {
  let size = 0
  const add = async (buffer: Uint8Array) => {
    await upload.add(buffer, size, streamSpan(Math.max(size, hint)))
    size += buffer.length
    if (size > fileBytesMax) throw tooLarge()
  }
  while (begun.length > 0) await add(begun.shift()!)
  for await (const buffer of rest) await add(buffer)
  await upload.drain()
  return size
}

const tooLarge = (): StillpointError =>
  new StillpointError('too-large', `a file has at most ${fileBytesMax} bytes`, { bytesMax: fileBytesMax })

async function putEntry(
  preparation: Preparation,
  base: Omit<Put, 'extra' | 'content'>,
  content: Content,
): Promise<Written> {
  const { extra, extraBytes } = base.attributes
  const { kind, path, attributes, conditions } = base
  const stored = extraBytes ? await preparation.extra(base.attributes) : { extra, record: null }
  const put: Put = { kind, path, attributes, conditions, content, extra: stored }
  const applied = await preparation.run((edit) => applyPut(edit, put), content.upload?.stream)
  return written(preparation.context, path, applied, extra)
}

interface AppliedPut {
  readonly created: boolean
  readonly item: EntryItem
  /** The directory that holds the entry. */
  readonly directory: number
}

/** `known` is the directory for the last name, when the directory is known to be in the open tree. */
export function applyPut(edit: Edit, put: Put, known: number | null = null): AppliedPut {
  const { path, attributes } = put
  const place =
    known === null ? findPlace(edit.tx, edit.sums, path) : placeIn(edit.tx, edit.sums, known, path)
  const { entry } = place
  if (entry?.kind === 'directory') throw isADirectory(path)
  checkPreconditions(put.conditions, entry)
  const { nowMs } = edit.tx
  const version = edit.version()
  const { id, content } = nameContent(edit, put.content)
  const item: EntryItem = {
    kind: put.kind,
    version,
    mode: attributes.mode ?? defaultModes[put.kind],
    createdMs: entry?.createdMs ?? nowMs,
    createdNanos: entry?.createdNanos ?? 0,
    modifiedMs: attributes.modified?.ms ?? nowMs,
    modifiedNanos: attributes.modified?.nanos ?? 0,
    size: put.content.size,
    id,
    content,
    extra: storeExtra(edit, put.extra),
  }
  if (entry) edit.unlink(entry)
  const directory = edit.parentOf(path, place)
  edit.putEntry(directory, path.at(-1)!, item, entry)
  return { created: entry === null, item, directory }
}

function nameContent(edit: Edit, { upload, pieces, size }: Content): Pick<EntryItem, 'id' | 'content'> {
  if (upload) {
    upload.take(edit)
    if (upload.isEmpty) {
      edit.delete(objectKey(upload.id))
      return { id: 0, content: null }
    }
    edit.putObject(upload.id, size)
    return { id: upload.id, content: null }
  }
  if (pieces.length === 0) return { id: 0, content: null }
  if (pieces.length === 1 && pieces[0]!.offset === 0) return { id: 0, content: edit.use(pieces[0]!.record) }
  const id = takeId(edit.tx)
  edit.putObject(id, size)
  for (const piece of pieces) putPiece(edit, edit.sums, id, piece)
  return { id, content: null }
}
