/**
 * Finds the records of a file, and makes records from bytes.
 *
 * - A record covers a span, a power of two, and lies at a multiple of that span. Spans of one object do not overlap.
 * - The bytes of a record are the first bytes of its span. The rest of the span reads as zeros, and so do all bytes
 *   that no record covers.
 * - The content of a small file, which is in its entry, is treated as a record at 0.
 */
import type {
  Engine,
  ItemReader,
  PrepareOptions,
  PreparedRecord,
  SpaceFloor,
  Tx,
} from '../../cp-engine/contract.ts'
import { corrupt } from '../../format/fields.ts'
import { type RecordItem, decodeRecordItem, encodeRecordItem } from '../../format/items/items.ts'
import { recordKey, recordRange } from '../../format/items/item-keys.ts'
import { recordBytesDefault, recordBytesMax, recordBytesMin } from '../../format/geometry.ts'
import type { BlockPointer, ChecksumKind } from '../../format/pointer.ts'
import { assert } from '../../lib/assert.ts'
import { readU64BigEndian } from '../../lib/bytes.ts'

export interface RecordRef {
  readonly offset: number
  readonly span: number
  readonly rawBytes: number
  readonly pointer: BlockPointer
}

export const recordEnd = (ref: RecordRef): number => ref.offset + ref.rawBytes
export const offsetOfRecordKey = (key: Uint8Array): number => readU64BigEndian(key, 9)

/** The length of a packed content in an entry is known only when the content is read. */
export const unknownLength = Number.POSITIVE_INFINITY

/** Returns the content of a small file as a record. */
export function contentRef(pointer: BlockPointer): RecordRef {
  const rawBytes = pointer.encoding === 'raw' ? pointer.payloadBytes : unknownLength
  return { offset: 0, span: recordBytesMax, rawBytes, pointer }
}

/** The smallest span that holds this many bytes. */
export const spanOf = (bytes: number): number => Math.max(recordBytesMin, 2 ** Math.ceil(Math.log2(bytes)))

/**
 * Limit for the records that touch a range of this many bytes, wherever the range begins, however records were cut.
 */
export const recordsTouchedBy = (bytes: number): number => bytes / recordBytesMin + 1

/** Returns all records whose spans touch [start, end), ascending. The caller knows that at most `recordsMax` do. */
export function recordsBetween(
  items: ItemReader,
  sums: ChecksumKind,
  object: number,
  start: number,
  end: number,
  recordsMax: number,
): RecordRef[] {
  const refs: RecordRef[] = []
  const before = items.floor(recordKey(object, start), recordRange(object).from)
  if (before) {
    const ref = refOf(before.key, before.value, sums)
    if (ref.offset + ref.span > start) refs.push(ref)
  }
  if (start + 1 >= end) return refs
  const restMax = recordsMax - refs.length
  const rest = items.scan(recordKey(object, start + 1), recordKey(object, end), restMax + 1)
  // A record that was left out would be read as zeros.
  if (rest.length > restMax)
    throw corrupt('record items', 'offsets', `are more than ${recordsMax} in a range`)
  for (const { key, value } of rest) refs.push(refOf(key, value, sums))
  return refs
}

function refOf(key: Uint8Array, value: Uint8Array, sums: ChecksumKind): RecordRef {
  const offset = offsetOfRecordKey(key)
  const item: RecordItem = decodeRecordItem(value, sums)
  if (!(offset % item.span === 0)) throw corrupt('record item', 'span', 'does not divide its offset')
  return { offset, ...item }
}

/** A prepared record, and its place in the file. */
export interface Piece {
  readonly offset: number
  readonly span: number
  readonly record: PreparedRecord
}

/**
 * Prepares bytes that fit one record at `offset`, in the pieces that free space allows; zeros give no piece. Pieces
 * whose spans would overlap, or would not lie at their multiples, are cut again, down to single blocks, which always
 * fit.
 */
export async function preparePieces(
  engine: Engine,
  bytes: Uint8Array,
  offset: number,
  options: PrepareOptions = {},
  floor: SpaceFloor = 'write',
): Promise<Piece[]> {
  const span = spanOf(bytes.length)
  assert(offset % span === 0, 'a record lies at a multiple of its span')
  const written = new Deferred(options.onWritten)
  const records = await engine.prepare(bytes, floor, { ...options, ...written.option })
  const pieces = records.map((record) => ({
    offset: offset + record.offset,
    span: spanOf(record.length),
    record,
  }))
  const isSound = ({ offset: at, span: bytesMax }: Piece, i: number) =>
    at % bytesMax === 0 && at + bytesMax <= (pieces[i + 1]?.offset ?? Infinity)
  if (pieces.every(isSound)) {
    written.begin()
    return pieces
  }
  engine.discard(records)
  const half = span / 2
  // The caller may change the bytes as soon as the discarded records have been written.
  const copy = options.onWritten ? bytes.slice() : bytes
  written.begin()
  const again = { ...options, onWritten: undefined }
  const first = await preparePieces(engine, copy.subarray(0, half), offset, again, floor)
  try {
    return [...first, ...(await preparePieces(engine, copy.subarray(half), offset + half, again, floor))]
  } catch (error) {
    engine.discard(first.map(({ record }) => record))
    throw error
  }
}

/** Calls the listener only after the fate of the bytes is known. */
class Deferred {
  private hasBegun = false
  private told: { readonly isFree: boolean } | null = null

  constructor(private readonly listener: ((isFree: boolean) => void) | undefined) {}

  get option(): PrepareOptions {
    if (!this.listener) return {}
    return {
      onWritten: (isFree) => {
        if (this.hasBegun) this.listener!(isFree)
        else this.told = { isFree }
      },
    }
  }

  begin(): void {
    this.hasBegun = true
    if (this.told) this.listener?.(this.told.isFree)
  }
}

export function putPiece(
  tx: Pick<Tx, 'use' | 'put'>,
  sums: ChecksumKind,
  object: number,
  piece: Piece,
): void {
  const { record, span, offset } = piece
  const item = { pointer: tx.use(record), span, rawBytes: record.length }
  tx.put(recordKey(object, offset), encodeRecordItem(item, sums))
}

/** Part of a file's new content, to be stored at `offset`. */
export interface Chunk {
  readonly offset: number
  readonly bytes: Uint8Array
}

/**
 * More bytes than this become records that the log names: smaller records would stand in the log with their bytes.
 */
const inlineChunksBytesMax = 512 * 1024
const namedSpan = 4 * recordBytesDefault

/**
 * Cuts bytes at multiples of the default record, and makes each part a chunk that lies at a multiple of its span,
 * with zeros in front if need be. Together the chunks cover no more than the default records that the bytes are in.
 */
export function cutChunks(offset: number, bytes: Uint8Array): Chunk[] {
  const chunks: Chunk[] = []
  const spanMax = bytes.length > inlineChunksBytesMax ? namedSpan : recordBytesDefault
  const end = Math.ceil((offset + bytes.length) / recordBytesDefault) * recordBytesDefault
  for (let at = 0; at < bytes.length;) {
    const start = offset + at
    let span = recordBytesDefault - (start % recordBytesDefault)
    while (
      span >= recordBytesDefault &&
      span < spanMax &&
      start % (span * 2) === 0 &&
      start + span * 2 <= end
    )
      span *= 2
    const part = bytes.subarray(at, at + span)
    chunks.push(alignChunk(start, part))
    at += part.length
  }
  return chunks
}

function alignChunk(start: number, part: Uint8Array): Chunk {
  const last = start + part.length - 1
  let span = recordBytesMin
  while (Math.floor(start / span) !== Math.floor(last / span)) span *= 2
  const offset = Math.floor(start / span) * span
  // The stored bytes decide the span of the record, which may be smaller than the cell of the part.
  if (offset === start) return { offset, bytes: part }
  const padded = new Uint8Array(last + 1 - offset)
  padded.set(part, start - offset)
  return { offset, bytes: padded }
}

/** Record size of large files: a file has few records, and a part of a record is still read fast. */
export const largeRecordBytes = 4 * recordBytesDefault

/** Records grow with the file; small records are cheap to change. */
export function streamSpan(bytes: number): number {
  return bytes < 8 * 2 ** 20 ? recordBytesDefault : largeRecordBytes
}

/**
 * Number of bytes that are gathered at a position of a stream before they become records together: many for a large
 * body, few while there may be many bodies. The result is a power of two that divides the position.
 */
export function gatheredBytes(position: number, hint: number): number {
  const largest = Math.max(position, hint) < 32 * 2 ** 20 ? largeRecordBytes : recordBytesMax
  if (position === 0) return hint > largest ? largest : recordBytesDefault
  let bytes = recordBytesDefault
  while (bytes < largest && position % (bytes * 2) === 0) bytes *= 2
  return bytes
}
