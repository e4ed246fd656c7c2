/** The pieces of a body become buffers of the sizes that are wanted, and what is done with comes back. */
import { expect, test } from 'bun:test'
import { buffersOf } from '../../../src/fs/write/body.ts'
import { BufferPool } from '../../../src/lib/buffer-pool.ts'
import { bytesOf, chunked } from '../volume.ts'

test('pieces of which nothing is kept are released, each once', async () => {
  const pieces = [10, 3000, 70_000, 200_000, 5].map((bytes) => bytesOf(bytes))
  const released: Uint8Array[] = []
  const body = {
    async *[Symbol.asyncIterator]() {
      yield* pieces
    },
    release: (piece: Uint8Array) => released.push(piece),
  }
  const parts: Uint8Array[] = []
  const sizeAt = (at: number) => (at === 0 ? 4096 : 131_072)
  for await (const part of buffersOf(body, sizeAt, new BufferPool(2 ** 24))) {
    parts.push(part.slice())
    for (const piece of released) piece.fill(0)
  }
  expect(released).toEqual([pieces[3]!, pieces[4]!])
  expect(Buffer.concat(parts).length).toBe(273_015)
})

test('a body is the same through buffers that are used again, however it is cut', async () => {
  const buffers = new BufferPool(2 ** 24)
  const body = bytesOf(1_000_003, 7)
  for (const chunkBytes of [1000, 65_536, 200_000, 2_000_000]) {
    const parts: Uint8Array[] = []
    for await (const part of buffersOf(
      chunked(body, chunkBytes),
      (at) => (at === 0 ? 65_536 : 131_072),
      buffers,
    )) {
      parts.push(part.slice())
      buffers.giveBack(part)
    }
    expect(Buffer.concat(parts).equals(body)).toBe(true)
    expect(parts.slice(0, -1).every(({ length }, i) => length === (i === 0 ? 65_536 : 131_072))).toBe(true)
  }
  expect(buffers.restingBytes).toBe(131_072)
})
