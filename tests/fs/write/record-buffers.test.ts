/** Buffers are lent once, come back once, and do not pile up. */
import { expect, test } from 'bun:test'
import { buffersOf } from '../../../src/fs/write/body.ts'
import { RecordBuffers, restingBytesMax } from '../../../src/fs/write/record-buffers.ts'
import { bytesOf, chunked } from '../volume.ts'

test('what comes back is lent again, once', () => {
  const buffers = new RecordBuffers()
  const first = buffers.take(8192)
  buffers.giveBack(first.subarray(0, 100))
  buffers.giveBack(first)
  buffers.giveBack(new Uint8Array(8192))
  expect(buffers.restingBytes).toBe(8192)
  expect(buffers.take(4096).buffer).not.toBe(first.buffer)
  const again = buffers.take(8192)
  expect([again.buffer === first.buffer, again.length]).toEqual([true, 8192])
  expect(buffers.take(8192).buffer).not.toBe(first.buffer)
})

test('only so much rests', () => {
  const buffers = new RecordBuffers()
  const taken = Array.from({ length: 40 }, () => buffers.take(2 ** 20))
  for (const buffer of taken) buffers.giveBack(buffer)
  expect(buffers.restingBytes).toBe(restingBytesMax)
  // The memory of the others is gone at once.
  expect(taken.filter(({ length }) => length > 0).length).toBe(restingBytesMax / 2 ** 20)
})

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
  for await (const part of buffersOf(body, sizeAt, new RecordBuffers())) {
    parts.push(part.slice())
    for (const piece of released) piece.fill(0)
  }
  expect(released).toEqual([pieces[3]!, pieces[4]!])
  expect(Buffer.concat(parts).length).toBe(273_015)
})

test('a body is the same through buffers that are used again, however it is cut', async () => {
  const buffers = new RecordBuffers()
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
