/** Latencies in buckets one percent apart: bounded, whatever the number of requests. */
const bucketsPerDoubling = 70
const doublings = 28

export class Histogram {
  private readonly buckets = new Uint32Array(bucketsPerDoubling * doublings)
  count = 0
  max = 0

  add(ms: number): void {
    const us = ms * 1000
    const bucket = us <= 1 ? 0 : Math.floor(Math.log2(us) * bucketsPerDoubling)
    this.buckets[Math.min(bucket, this.buckets.length - 1)]!++
    this.count++
    if (ms > this.max) this.max = ms
  }

  /** In milliseconds. */
  percentile(share: number): number {
    let left = Math.ceil(this.count * share)
    for (let i = 0; i < this.buckets.length; i++) {
      left -= this.buckets[i]!
      if (left <= 0) return 2 ** ((i + 0.5) / bucketsPerDoubling) / 1000
    }
    return this.max
  }
}
