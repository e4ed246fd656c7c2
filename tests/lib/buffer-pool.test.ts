/** Buffers are lent once, come back once, and do not pile up. */
import { expect, test } from 'bun:test'
import { BufferPool } from '../../src/lib/buffer-pool.ts'

const restingBytesMax = 16 * 2 ** 20

test('what comes back is lent again, once', () => {
  const buffers = new BufferPool(restingBytesMax)
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
  const buffers = new BufferPool(restingBytesMax)
  const taken = Array.from({ length: 40 }, () => buffers.take(2 ** 20))
  for (const buffer of taken) buffers.giveBack(buffer)
  expect(buffers.restingBytes).toBe(restingBytesMax)
  // The memory of the others is gone at once.
  expect(taken.filter(({ length }) => length > 0).length).toBe(restingBytesMax / 2 ** 20)
})

test('one that somebody may still have is not lent again', () => {
  const buffers = new BufferPool(restingBytesMax)
  const first = buffers.take(8192)
  const second = buffers.take(8192)
  expect(buffers.lent).toBe(2)
  buffers.giveUp(first)
  buffers.giveBack(first)
  buffers.giveBack(second.subarray(5))
  expect([buffers.lent, buffers.restingBytes, first.length]).toEqual([0, 8192, 8192])
  expect(buffers.take(8192).buffer).toBe(second.buffer)
  buffers.giveBack(new Uint8Array(8192))
  expect(buffers.lent).toBe(1)
})
