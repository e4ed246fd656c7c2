/** `?durability=` of a write: waits for the level that the client wishes, and says which level was reached. */
import type { Applied, DurabilityLevel } from '../cp-engine/contract.ts'
import type { Clock } from '../lib/clock.ts'
import { inTime } from '../lib/in-time.ts'
import type { CpEngine } from '../cp-engine/cp-engine.ts'
import type { Mirrors } from '../replica/primary/mirrors.ts'
import type { Durability, DurabilityWish } from '../routes/http/dependencies.ts'

interface Reaching {
  readonly clock: Clock
  reach(applied: Applied<unknown>, level: DurabilityLevel): Promise<DurabilityLevel>
  /** True when at least `mirrors` mirrors have published this CP, or a later one, in time. */
  mirrored(cp: number, mirrors: number, waitMs: number): Promise<boolean>
}

/** A primary that fails, or is fenced, while a caller waits for mirrors does not answer as if nothing had happened. */
export const reachingOf = (
  clock: Clock,
  engine: Pick<CpEngine, 'reach' | 'assertWritable'>,
  mirrors: Pick<Mirrors, 'waitMirrored'>,
): Reaching => ({
  clock,
  reach: (applied, level) => engine.reach(applied, level),
  async mirrored(cp, count, ms) {
    const isMirrored = await mirrors.waitMirrored(cp, count, clock.monotonic() + ms)
    engine.assertWritable()
    return isMirrored
  },
})

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
