/** The only place that knows time. All other code is given a Clock, so that a test or the simulator owns time. */
export interface Clock {
  /** Wall clock in milliseconds since 1970, for labels only: the wall clock may jump. */
  now(): number
  /** Milliseconds that never go back, for durations and deadlines. */
  monotonic(): number
  /** Calls back once after `ms` milliseconds; the returned function cancels the call. */
  after(ms: number, callback: () => void): () => void
  sleep(ms: number): Promise<void>
  /** Lets other work of the event loop run before it resolves. */
  yield(): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  yield: () => new Promise((resolve) => setImmediate(resolve)),
}

/** RFC 3339 in UTC with milliseconds; `nanos` below the millisecond (0 to 999,999) add as many digits as needed. */
export function toRfc3339(ms: number, nanos = 0): string {
  const text = new Date(ms).toISOString()
  if (nanos === 0) return text
  return `${text.slice(0, -1)}${String(nanos).padStart(6, '0').replace(/0+$/, '')}Z`
}
