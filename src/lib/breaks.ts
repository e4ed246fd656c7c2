/** Breaks in much work that has nothing to wait for: others get their turn then. */
import type { Clock } from './clock.ts'

/** So long without one. */
const withoutBreakMsMax = 5

export type BreakClock = Pick<Clock, 'monotonic' | 'yield'>

export class Breaks {
  private lastMs: number

  constructor(private readonly clock: BreakClock) {
    this.lastMs = clock.monotonic()
  }

  /** Between two parts of the work: takes one if it is due. */
  async maybe(): Promise<void> {
    if (this.clock.monotonic() - this.lastMs < withoutBreakMsMax) return
    await this.clock.yield()
    this.lastMs = this.clock.monotonic()
  }
}
