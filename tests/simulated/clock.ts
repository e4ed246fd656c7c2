/** Clocks of tests: time stands still until a test moves it. */
import type { Clock } from '../../src/lib/clock.ts'

const beganAtMs = 1_700_000_000_000

/**
 * Time that moves only when it is told to, from timer to timer. Whatever follows from a timer without another one has
 * happened before the next: so one seed gives one order of events.
 */
export class VirtualClock implements Clock {
  private ms = 0
  private order = 0
  private readonly waiting: { readonly at: number; readonly order: number; callback: (() => void) | null }[] =
    []

  now = (): number => beganAtMs + this.ms
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

  /** Those that will call back. */
  get timers(): number {
    return this.waiting.filter(({ callback }) => callback !== null).length
  }

  /** Runs timers for so long. */
  advance(ms: number): Promise<void> {
    return this.advanceTo(this.ms + ms)
  }

  /** As `advance`, in one step: what follows from a timer comes afterwards. */
  jump(ms: number): void {
    const end = this.ms + ms
    for (let next = this.takeDue(end); next; next = this.takeDue(end)) next()
    this.ms = end
  }

  private takeDue(end: number): (() => void) | null {
    while (this.waiting.length > 0 && this.waiting[0]!.at <= end) {
      const { at, callback } = this.waiting.shift()!
      if (!callback) continue
      this.ms = at
      return callback
    }
    return null
  }

  private async advanceTo(end: number): Promise<void> {
    await settled()
    for (let next = this.takeDue(end); next; next = this.takeDue(end)) {
      next()
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

/** Nobody is called back, and who sleeps goes on at once: things happen when a test asks for them. */
export const stillClock: Clock = {
  now: () => beganAtMs,
  monotonic: () => 0,
  after: () => () => {},
  sleep: () => Promise.resolve(),
  yield: () => Promise.resolve(),
}

/** All promises that wait for nothing but each other are settled. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** What a promise came to by now: 'waiting', or its value or error. */
export async function stateOf<T>(
  promise: Promise<T>,
): Promise<'waiting' | { value: T } | { error: unknown }> {
  const state = promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  await settled()
  return Promise.race([state, Promise.resolve('waiting' as const)])
}
