/** A body in parts of one size: the memory that an upload takes is one part. */
import { type Bytes, concat, encodeUtf8 } from './bytes.ts'
import type { Content } from './content.ts'
import { ClientError } from './client-error.ts'

type Pieces = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * A stream from its beginning, or a function that opens one at an offset, so that an upload that goes on does not read all
 * that has arrived.
 */
export type Source = Content | AsyncIterable<Uint8Array> | ((offset: number) => Pieces | Promise<Pieces>)

export type Part = Bytes | Blob

export const bytesOfPart = (part: Part): number => (part instanceof Blob ? part.size : part.length)

/** Without a copy. */
export const sliceOf = (part: Part, from: number, to?: number): Part =>
  part instanceof Blob ? part.slice(from, to) : part.subarray(from, to)

/** Null for a stream. */
export function totalOf(source: Source): number | null {
  if (typeof source === 'string') return encodeUtf8(source).length
  if (source instanceof Blob) return source.size
  return source instanceof Uint8Array ? source.length : null
}

export async function bytesOf(part: Part): Promise<Bytes> {
  if (!(part instanceof Blob)) return part
  try {
    return new Uint8Array(await part.arrayBuffer())
  } catch (cause) {
    throw new ClientError('bad-body', 'the body could not be read', { cause })
  }
}

/** Yields the parts; every part but the last has `partBytes`. A function is opened at `offset`. */
export async function* partsOf(source: Source, partBytes: number, offset: number): AsyncGenerator<Part> {
  if (typeof source === 'string') yield* slices(encodeUtf8(source), partBytes)
  else if (source instanceof Uint8Array || source instanceof Blob) yield* slices(source, partBytes)
  else if (typeof source === 'function') yield* gathered(piecesOf(await source(offset)), partBytes)
  else yield* gathered(piecesOf(source), partBytes)
}

function* slices(whole: Part, partBytes: number): Generator<Part> {
  const total = bytesOfPart(whole)
  for (let at = 0; at < total; at += partBytes) yield sliceOf(whole, at, Math.min(total, at + partBytes))
}

async function* gathered(pieces: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Part> {
  let gatheredPieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of pieces) {
    let rest = piece
    while (rest.length > 0) {
      const fits = rest.subarray(0, partBytes - bytes)
      gatheredPieces.push(fits)
      bytes += fits.length
      rest = rest.subarray(fits.length)
      if (bytes < partBytes) continue
      yield concat(gatheredPieces)
      gatheredPieces = []
      bytes = 0
    }
  }
  if (bytes > 0) yield concat(gatheredPieces)
}

const piecesOf = (pieces: Pieces): AsyncIterable<Uint8Array> =>
  pieces instanceof ReadableStream ? read(pieces) : pieces

/** With a reader, because not every browser iterates streams. */
async function* read(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  let isOver = false
  try {
    for (;;) {
      const { value, done } = await reader.read()
      isOver = done
      if (done) return
      yield value
    }
  } finally {
    if (!isOver) await reader.cancel().catch(() => {})
  }
}
