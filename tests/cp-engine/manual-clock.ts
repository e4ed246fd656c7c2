import type { Clock } from '../../src/lib/clock.ts'

/** Time stands still until the test moves it; whoever sleeps is woken by that alone. */
export class ManualClock implements Clock {
  private ms = 0
  private waiting: { readonly at: number; readonly callback: () => void }[] = []

  now = (): number => 1_700_000_000_000 + this.ms
  monotonic = (): number => this.ms

  after = (ms: number, callback: () => void): (() => void) => {
    const entry = { at: this.ms + ms, callback }
    this.waiting.push(entry)
    return () => void (this.waiting = this.waiting.filter((other) => other !== entry))
  }

  sleep = (ms: number): Promise<void> => new Promise((resolve) => this.after(ms, resolve))
  yield = (): Promise<void> => Promise.resolve()

  get timers(): number {
    return this.waiting.length
  }

  /** Calls back whatever is due, in order, letting everything that follows from it run. */
  async advance(ms: number): Promise<void> {
    const end = this.ms + ms
    await settled()
    for (;;) {
      const next = this.waiting.toSorted((a, b) => a.at - b.at)[0]
      if (!next || next.at > end) break
      this.ms = Math.max(this.ms, next.at)
      this.waiting = this.waiting.filter((other) => other !== next)
      next.callback()
      await settled()
    }
    this.ms = end
  }
}

/** Everything that can go on without a timer has gone on. */
export const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))

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
