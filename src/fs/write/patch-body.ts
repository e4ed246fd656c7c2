/**
 * Keeps the body of a PATCH until it is applied. A body of up to `spoolBytesMax` stays in memory; a larger body
 * becomes an upload whose records lie where they will lie in the file. The bytes at both ends, which may have to be
 * merged with old bytes, stay in memory.
 */
import { recordBytesDefault, recordBytesMax } from '../../format/geometry.ts'
import { StillpointError } from '../../lib/errors.ts'
import { Gathered, buffersOf } from './body.ts'
import type { Context } from './context.ts'
import { patchBytesMax } from '../contract.ts'
import { recordsBetween, recordsTouchedBy } from '../tree/records.ts'
import { assemble } from '../read/open-file.ts'
import { loadRecord } from '../read/record-reading.ts'
import { Upload } from './upload.ts'

/** A larger body in memory would also be a large record of the log; of an upload the log has only pointers. */
const spoolBytesMax = 256 * 1024

export interface Spool {
  readonly length: number
  /** Place in the file that the body was cut for; a body without an upload fits anywhere. */
  readonly offset: number
  /** The whole body, or the bytes before the upload. */
  readonly head: Uint8Array
  readonly upload: Upload | null
  readonly tail: Uint8Array
}

/** Reads all of the body; `offset` is its expected place in the file. */
export async function spoolBody(
  context: Context,
  body: AsyncIterable<Uint8Array>,
  offset: number,
): Promise<Spool> {
  const chunks = limited(body)
  try {
    const head = new Gathered()
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      head.add(next.value)
      if (head.length > spoolBytesMax) return await spoolLarge(context, head.take(), chunks, offset)
    }
    const bytes = head.take()
    return { length: bytes.length, offset, head: bytes, upload: null, tail: new Uint8Array(0) }
  } finally {
    await chunks.return(undefined)
  }
}

async function* limited(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > patchBytesMax)
      throw new StillpointError('too-large', `a PATCH has at most ${patchBytesMax} bytes`, {
        bytesMax: patchBytesMax,
      })
    yield chunk
  }
}

async function spoolLarge(
  context: Context,
  begun: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
  offset: number,
): Promise<Spool> {
  const headBytes = (recordBytesDefault - (offset % recordBytesDefault)) % recordBytesDefault
  const sizeAt = (position: number) =>
    position === 0 && headBytes > 0 ? headBytes : alignedSpan(offset + position)
  const upload = await Upload.begin(context)
  try {
    let head = new Uint8Array(0)
    let length = 0
    let last: Uint8Array | null = null
    for await (const buffer of buffersOf(joined(begun, rest), sizeAt)) {
      if (last) await upload.add(last, offset + length - last.length, recordBytesMax)
      if (length === 0 && headBytes > 0) head = new Uint8Array(buffer)
      else last = buffer
      length += buffer.length
    }
    const isWhole = last !== null && (offset + length) % recordBytesDefault === 0
    if (last && isWhole) await upload.add(last, offset + length - last.length, recordBytesMax)
    await upload.drain()
    return { length, offset, head, upload, tail: isWhole || !last ? new Uint8Array(0) : last }
  } catch (error) {
    await upload.abandon()
    throw error
  }
}

async function* joined(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first
  yield* rest
}

/** The largest record that may lie at `offset`, which is a multiple of the default record. */
function alignedSpan(offset: number): number {
  let span = recordBytesDefault
  while (span < recordBytesMax && offset % (span * 2) === 0) span *= 2
  return span
}

/** Cuts the same body for another place, because the file's end has moved while the body arrived. */
export async function respool(context: Context, spool: Spool, offset: number): Promise<Spool> {
  if (!spool.upload) return { ...spool, offset }
  try {
    return await spoolBody(context, readBack(context, spool, spool.upload), offset)
  } finally {
    await spool.upload.abandon()
  }
}

async function* readBack(context: Context, spool: Spool, upload: Upload): AsyncGenerator<Uint8Array> {
  yield spool.head
  const view = context.engine.openView()
  try {
    const end = spool.offset + spool.length - spool.tail.length
    for (let start = spool.offset + spool.head.length; start < end; start += recordBytesMax) {
      const stop = Math.min(end, start + recordBytesMax)
      const refs = await view.read((items) =>
        recordsBetween(items, context.sums, upload.id, start, stop, recordsTouchedBy(recordBytesMax)),
      )
      yield* assemble(refs, await Promise.all(refs.map((ref) => loadRecord(view, ref))), start, stop)
    }
  } finally {
    view.release()
  }
  yield spool.tail
}
