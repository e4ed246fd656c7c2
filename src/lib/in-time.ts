import type { Clock } from './clock.ts'

/** Null when the work takes longer. A failure of the work counts only while the caller waits for the work. */
export async function inTime<T>(clock: Clock, work: Promise<T>, ms: number): Promise<T | null> {
  const { promise, resolve } = Promise.withResolvers<null>()
  const cancel = clock.after(ms, () => resolve(null))
  work.catch(() => undefined)
  try {
    return await Promise.race([work, promise])
  } finally {
    cancel()
  }
}
