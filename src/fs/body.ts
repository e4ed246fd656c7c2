/** Bodies as they come, cut into the buffers that become records. Nothing is copied where a chunk is large enough. */
import { concatBytes } from '../lib/bytes.ts'
import type { Body } from './contract.ts'

/** Many tiny chunks are joined before they become many tiny objects. */
const partsMax = 256

export async function* chunksOf(body: Body): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) {
    if (body.length > 0) yield body
    return
  }
  for await (const chunk of body) if (chunk.length > 0) yield chunk
}

/** Bytes that wait until enough have come. */
export class Gathered {
  length = 0
  #parts: Uint8Array[] = []

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#parts.push(bytes)
    this.length += bytes.length
    if (this.#parts.length > partsMax) this.#parts = [concatBytes(...this.#parts)]
  }

  /** Everything, and begins anew. */
  take(): Uint8Array {
    const parts = this.#parts
    this.#parts = []
    this.length = 0
    return parts.length === 1 ? parts[0]! : concatBytes(...parts)
  }
}

/** The body in buffers of `sizeAt(position)` bytes; the last may be shorter. An empty body gives none. */
export async function* buffersOf(
  body: AsyncIterable<Uint8Array>,
  sizeAt: (position: number) => number,
): AsyncGenerator<Uint8Array> {
  const gathered = new Gathered()
  let position = 0
  let size = sizeAt(0)
  for await (const chunk of body) {
    let at = 0
    while (chunk.length - at >= size - gathered.length) {
      const end = at + size - gathered.length
      gathered.add(chunk.subarray(at, end))
      at = end
      position += size
      yield gathered.take()
      size = sizeAt(position)
    }
    gathered.add(chunk.subarray(at))
  }
  if (gathered.length > 0) yield gathered.take()
}
