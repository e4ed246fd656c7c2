/** A slow read sends the next ones to threads: exactly so many, and after them the reads are at once again, each time. */
import { expect, test } from 'bun:test'
import { ReadPace } from '../../src/blockdev/read-pace.ts'

const threaded = 32

function pace(): { read: (ms: number) => boolean; made: () => number } {
  let nowMs = 3 * 3_600_000
  let reads = 0
  const of = new ReadPace({ monotonic: () => nowMs })
  const read = (ms: number) =>
    of.readAtOnce(() => {
      reads++
      nowMs += ms
    })
  return { read, made: () => reads }
}

test.each([
  ['a little less than', 1.999, false],
  ['exactly', 2, false],
  ['a little more than', 2.001, true],
])('a read that takes %s the limit', (_what, ms, isSlow) => {
  const { read } = pace()
  expect(read(ms)).toBe(true)
  expect(read(0)).toBe(!isSlow)
})

test('after so many reads by threads one is tried at once; slow again, the count begins anew', () => {
  const { read, made } = pace()
  for (let round = 1; round <= 3; round++) {
    expect(read(10)).toBe(true)
    const next = Array.from({ length: threaded }, () => read(0))
    expect(next).toEqual(Array.from({ length: threaded }, () => false))
    expect(made()).toBe(round)
  }
  for (let i = 0; i < 100; i++) expect(read(0)).toBe(i >= 0)
})
