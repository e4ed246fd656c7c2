/** Much work that has nothing to wait for: others get their turn between two parts of it. */
import type { Clock } from './clock.ts'

/** So long without a break. */
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
