/** `?durability=` of a write: waits for the level that the client wishes, and says which level was reached. */
import type { Applied, DurabilityLevel } from '../cp-engine/contract.ts'
import type { Clock } from '../lib/clock.ts'
import type { Durability, DurabilityWish } from '../routes/http/dependencies.ts'

interface Reaching {
  readonly clock: Clock
  reach(applied: Applied<unknown>, level: DurabilityLevel): Promise<DurabilityLevel>
  /** True when at least `mirrors` mirrors have published this CP, or a later one, in time. */
  mirrored(cp: number, mirrors: number, waitMs: number): Promise<boolean>
}

/** A level that is not reached in time is no failure; a poisoned engine is a failure. */
export function reachLevel(
  parts: Reaching,
  applied: Applied<unknown>,
  wish: DurabilityWish,
): Promise<Durability> {
  const { level, waitMs } = wish
  return level === 'mirrored' || waitMs !== null
    ? reachInTime(parts, applied, wish)
    : parts.reach(applied, level)
}

async function reachInTime(
  parts: Reaching,
  applied: Applied<unknown>,
  { level, mirrors, waitMs }: DurabilityWish,
): Promise<Durability> {
  const { clock } = parts
  const deadline = waitMs === null ? Infinity : clock.monotonic() + waitMs
  const own = parts.reach(applied, level === 'mirrored' ? 'committed' : level)
  const reached = waitMs === null ? await own : await inTime(clock, own, waitMs)
  if (reached === null) return 'buffered'
  if (level !== 'mirrored') return reached
  const leftMs = Math.max(0, deadline - clock.monotonic())
  return (await parts.mirrored(applied.cp, mirrors, leftMs)) ? 'mirrored' : reached
}

/** Null when the work takes longer. A failure of the work counts only while the caller waits for the work. */
async function inTime<T>(clock: Clock, work: Promise<T>, ms: number): Promise<T | null> {
  const { promise, resolve } = Promise.withResolvers<null>()
  const cancel = clock.after(ms, () => resolve(null))
  work.catch(() => undefined)
  try {
    return await Promise.race([work, promise])
  } finally {
    cancel()
  }
}
