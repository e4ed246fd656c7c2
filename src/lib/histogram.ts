/** Counts durations by buckets. An observation is a few comparisons and two additions, so hot paths can afford one. */

/** Upper bounds of the buckets, in milliseconds; the last bucket has no bound. */
export const bucketBoundsMs = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
] as const

export class Histogram {
  /** Number of durations in each bucket. */
  readonly counts = new Float64Array(bucketBoundsMs.length + 1)
  /** All durations together. */
  totalMs = 0

  observe(ms: number): void {
    let bucket = 0
    while (bucket < bucketBoundsMs.length && ms > bucketBoundsMs[bucket]!) bucket++
    this.counts[bucket]!++
    this.totalMs += ms
  }
}
