/** `?durability=` of a write: waits for what was wished, and says what was reached. */
import type { Applied, DurabilityLevel } from './cp-engine/contract.ts'
import type { Clock } from './lib/clock.ts'
import type { Durability, DurabilityWish } from './routes/dependencies.ts'

export interface Reaching {
  readonly clock: Clock
  reach(applied: Applied<unknown>, level: DurabilityLevel): Promise<DurabilityLevel>
  /** True when so many mirrors have published this CP, or a later one, in time. */
  mirrored(cp: number, mirrors: number, waitMs: number): Promise<boolean>
}

/** A level that is not reached in time is no failure; a poisoned engine is. */
export async function reachLevel(
  parts: Reaching,
  applied: Applied<unknown>,
  wish: DurabilityWish,
): Promise<{ readonly level: Durability }> {
  const { clock } = parts
  const { level, mirrors, waitMs } = wish
  const deadline = waitMs === null ? Infinity : clock.monotonic() + waitMs
  const own = parts.reach(applied, level === 'mirrored' ? 'committed' : level)
  const reached = waitMs === null ? await own : await inTime(clock, own, waitMs)
  if (reached === null) return { level: 'buffered' }
  if (level !== 'mirrored') return { level: reached }
  const leftMs = Math.max(0, deadline - clock.monotonic())
  return { level: (await parts.mirrored(applied.cp, mirrors, leftMs)) ? 'mirrored' : reached }
}

/** Null when it takes longer; its failure counts only while somebody waits for it. */
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
