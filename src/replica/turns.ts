/** A short frame may ask for much work, and all of it is in memory: others get their turn between two frames. */
import type { Clock } from '../lib/clock.ts'

/** So long frames are taken without a break. */
const turnMsMax = 5

export class Turns {
  private beganMs: number

  constructor(private readonly clock: Clock) {
    this.beganMs = clock.monotonic()
  }

  async next(): Promise<void> {
    if (this.clock.monotonic() - this.beganMs < turnMsMax) return
    await this.clock.yield()
    this.beganMs = this.clock.monotonic()
  }
}
