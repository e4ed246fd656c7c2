import { expect, test } from 'bun:test'
import { bucketBoundsMs, Histogram } from '../../src/lib/histogram.ts'

test('a duration is in the first bucket whose bound it does not exceed', () => {
  const histogram = new Histogram()
  for (const ms of [0, 0.1, 0.11, 1, 29_999, 30_000, 30_001]) histogram.observe(ms)
  const filled = [...histogram.counts].flatMap((count, bucket) =>
    count > 0 ? [[bucketBoundsMs[bucket] ?? Infinity, count]] : [],
  )
  expect(filled).toEqual([
    [0.1, 2],
    [0.25, 1],
    [1, 1],
    [30_000, 2],
    [Infinity, 1],
  ])
  expect(histogram.totalMs).toBeCloseTo(90_001.21, 6)
  expect([...bucketBoundsMs]).toEqual([...bucketBoundsMs].toSorted((a, b) => a - b))
})
