/**
 * Cuts bodies into the buffers that become records. A small buffer is not copied when one chunk of the body is large
 * enough.
 */
import { concatBytes } from '../../lib/bytes.ts'
import type { Body, BodyStream } from '../contract.ts'
import type { BufferPool } from '../../lib/buffer-pool.ts'

/** Many tiny chunks are joined before they become many tiny objects. */
const partsMax = 256
/** A body that is shorter than this should not take more memory than its bytes. */
const gatheredBytesMax = 64 * 1024

/** Chunks may be empty. */
export function chunksOf(body: Body): BodyStream {
  return body instanceof Uint8Array ? one(body) : body
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** Keeps bytes until enough have come. */
export class Gathered {
  length = 0
  private parts: Uint8Array[] = []

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.parts.push(bytes)
    this.length += bytes.length
    if (this.parts.length > partsMax) this.parts = [concatBytes(...this.parts)]
  }

  /** Returns all gathered bytes, and begins anew. */
  take(): Uint8Array {
    const parts = this.parts
    this.parts = []
    this.length = 0
    return parts.length === 1 ? parts[0]! : concatBytes(...parts)
  }
}

/** Gives the body in buffers of `sizeAt(position)` bytes, which are the caller's; the last may be shorter. An empty body gives none. */
export async function* buffersOf(
  body: BodyStream,
  sizeAt: (position: number) => number,
  /**
   * Pool for buffers above `gatheredBytesMax`. Smaller buffers, and all buffers without a pool, are joined chunks.
   */
  buffers: BufferPool | null = null,
): AsyncGenerator<Uint8Array> {
  const gathered = new Gathered()
  let filling: Uint8Array | null = null
  let filled = 0
  let position = 0
  let size = sizeAt(0)
  try {
    for await (const chunk of body) {
      let isKept = false
      for (let at = 0; at < chunk.length;) {
        const end = Math.min(chunk.length, at + size - filled)
        const part = at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end)
        if (buffers && size > gatheredBytesMax) filling ??= buffers.take(size)
        if (filling) filling.set(part, filled)
        else {
          gathered.add(part)
          isKept = true
        }
        filled += end - at
        at = end
        if (filled < size) continue
        position += size
        const full = filling ?? gathered.take()
        filling = null
        filled = 0
        yield full
        size = sizeAt(position)
      }
      if (!isKept) body.release?.(chunk)
    }
    if (filled > 0) {
      const last = filling?.subarray(0, filled) ?? gathered.take()
      filling = null
      yield last
    }
  } finally {
    // A body that ends too soon, or that nobody reads on.
    if (filling) buffers?.giveBack(filling)
  }
}
