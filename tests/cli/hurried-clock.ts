/** A clock whose short waits, which are those between two attempts, pass at once; the time that they take has gone by. */
import type { Clock } from '../../src/lib/clock.ts'

/** Longest pause between two attempts that is the client's own. */
const shortMs = 8_000

export function hurried(base: Clock): Clock {
  let gone = 0
  return {
    now: () => base.now() + gone,
    monotonic: () => base.monotonic() + gone,
    after(ms, callback) {
      if (ms > shortMs) return base.after(ms, callback)
      const timer = setImmediate(() => {
        gone += ms
        callback()
      })
      return () => clearImmediate(timer)
    },
    sleep: (ms) => base.sleep(ms),
    yield: () => base.yield(),
  }
}
