/** What waits ends when the stop begins, and what has ended is not kept. */
import { expect, test } from 'bun:test'
import { Stopping } from '../../src/server/stopping.ts'

test('work that ends leaves nothing behind, whatever became of it', async () => {
  const stopping = new Stopping()
  const works = Array.from({ length: 100 }, (_, i) => stopping.unless(Promise.resolve(i)))
  expect(stopping.waiting).toBe(100)
  expect((await Promise.all(works))[99]).toBe(99)
  await expect(stopping.unless(Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  expect(stopping.waiting).toBe(0)
})

test('when it begins whoever waits is released, and who comes later as well', async () => {
  const stopping = new Stopping()
  const never = new Promise<number>(() => {})
  const early = stopping.unless(never)
  stopping.begin()
  expect(stopping.hasBegun).toBe(true)
  expect(await early).toBe('stopping')
  expect(await stopping.unless(never)).toBe('stopping')
  expect(stopping.waiting).toBe(0)
})
