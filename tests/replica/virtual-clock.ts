/**
 * Time that moves only when it is told to, from timer to timer. Whatever follows from a timer without another one has
 * happened before the next: so one seed gives one order of events.
 */
import type { Clock } from '../../src/lib/clock.ts'

export class VirtualClock implements Clock {
  private ms = 0
  private order = 0
  private readonly waiting: { readonly at: number; readonly order: number; callback: (() => void) | null }[] =
    []

  now = (): number => 1_700_000_000_000 + this.ms
  monotonic = (): number => this.ms

  after = (ms: number, callback: () => void): (() => void) => {
    const entry = {
      at: this.ms + Math.max(0, ms),
      order: this.order++,
      callback: callback as (() => void) | null,
    }
    let low = 0
    let high = this.waiting.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.waiting[middle]!.at <= entry.at) low = middle + 1
      else high = middle
    }
    this.waiting.splice(low, 0, entry)
    return () => {
      entry.callback = null
    }
  }

  sleep = (ms: number): Promise<void> => new Promise((resolve) => this.after(ms, resolve))
  yield = (): Promise<void> => Promise.resolve()

  /** Runs timers for so long. */
  advance(ms: number): Promise<void> {
    return this.advanceTo(this.ms + ms)
  }

  private async advanceTo(end: number): Promise<void> {
    await settled()
    while (this.waiting.length > 0 && this.waiting[0]!.at <= end) {
      const { at, callback } = this.waiting.shift()!
      if (!callback) continue
      this.ms = at
      callback()
      await settled()
    }
    this.ms = end
  }

  /** Runs timers until the condition holds; false when it does not within `msMax`. */
  async until(condition: () => boolean, msMax: number): Promise<boolean> {
    const end = this.ms + msMax
    await settled()
    while (!condition()) {
      const next = this.waiting.find(({ callback }) => callback !== null)
      if (!next || next.at > end) return false
      await this.advanceTo(next.at)
    }
    return true
  }
}

/** All promises that wait for nothing but each other are settled. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
