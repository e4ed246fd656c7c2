/** Breaks in long work that never waits: other work of the process gets its turn during a break. */
import type { Clock } from './clock.ts'

/** Work runs this long without a break. */
const withoutBreakMsMax = 5

export type BreakClock = Pick<Clock, 'monotonic' | 'yield'>

export class Breaks {
  private lastMs: number

  constructor(private readonly clock: BreakClock) {
    this.lastMs = clock.monotonic()
  }

  /** Takes a break if one is due; the worker calls this between two parts of its work. */
  async maybe(): Promise<void> {
    if (this.clock.monotonic() - this.lastMs < withoutBreakMsMax) return
    await this.clock.yield()
    this.lastMs = this.clock.monotonic()
  }
}
