/** A body in parts of one size, from any offset on: the memory that an upload takes is one part. */
import { type Bytes, concat, encodeUtf8 } from './bytes.ts'
import type { Content } from './content.ts'
import { ClientError } from './client-error.ts'

type Pieces = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>

/** A stream from its beginning, or a function that opens one at an offset, so that what has arrived is not read. */
export type Source = Content | AsyncIterable<Uint8Array> | ((offset: number) => Pieces | Promise<Pieces>)

export type Part = Bytes | Blob

export const bytesOfPart = (part: Part): number => (part instanceof Blob ? part.size : part.length)

/** Null for a stream. */
export function totalOf(source: Source): number | null {
  if (typeof source === 'string') return encodeUtf8(source).length
  if (source instanceof Blob) return source.size
  return source instanceof Uint8Array ? source.length : null
}

/** Yields the parts after `offset`; every part but the last has `partBytes`. Throws `bad-body`. */
export async function* partsOf(source: Source, offset: number, partBytes: number): AsyncGenerator<Part> {
  if (typeof source === 'string') yield* slices(encodeUtf8(source), offset, partBytes)
  else if (source instanceof Uint8Array || source instanceof Blob) yield* slices(source, offset, partBytes)
  else if (typeof source === 'function') yield* gathered(piecesOf(await source(offset)), 0, partBytes)
  else yield* gathered(piecesOf(source), offset, partBytes)
}

function* slices(whole: Part, offset: number, partBytes: number): Generator<Part> {
  const total = bytesOfPart(whole)
  if (offset > total) throw tooShort(offset)
  for (let at = offset; at < total; at += partBytes) yield whole.slice(at, Math.min(total, at + partBytes))
}

async function* gathered(
  pieces: AsyncIterable<Uint8Array>,
  skipBytes: number,
  partBytes: number,
): AsyncGenerator<Part> {
  let gatheredPieces: Uint8Array[] = []
  let bytes = 0
  let toSkip = skipBytes
  for await (const piece of pieces) {
    let rest = piece.subarray(Math.min(toSkip, piece.length))
    toSkip -= piece.length - rest.length
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
  if (toSkip > 0) throw tooShort(skipBytes)
  if (bytes > 0) yield concat(gatheredPieces)
}

const tooShort = (offset: number): ClientError =>
  new ClientError('bad-body', `${offset} bytes have arrived, and the body has fewer: it is another one`)

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
