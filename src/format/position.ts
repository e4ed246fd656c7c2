/**
 * Numbers that name a moment of the volume: consistency points, operations, and times.
 *
 * cp = epoch × cpsPerEpoch + n, so cps of different epochs never collide and order as the epochs do.
 */
import type { Clock } from '../lib/clock.ts'
import { cpsPerEpoch, epochMax } from './geometry.ts'

export const cpMax = (epochMax + 1) * cpsPerEpoch - 1
export const epochOfCp = (cp: number): number => Math.floor(cp / cpsPerEpoch)

/** How many CPs `later` is ahead of `cp`; 0 when it is not ahead. Numbers count on across epochs. */
export const cpsBetween = (cp: number, later: number): number =>
  Math.max(0, (later % cpsPerEpoch) - (cp % cpsPerEpoch))

/** Openings of a volume and operations are counted for ever; these bounds are never reached. */
export const openingMax = 2 ** 32 - 1
export const sequenceMax = 2 ** 48 - 1

/** Times are milliseconds since 1970 and stay within the years 0000 to 9999, which RFC 3339 can express. */
export const timeMsMin = Date.parse('0000-01-01T00:00:00.000Z')
export const timeMsMax = Date.parse('9999-12-31T23:59:59.999Z')

/**
 * The wall clock as a label: a whole number of milliseconds within 0 and `timeMsMax`, which every structure can hold.
 * A clock that is wrong (before 1970, beyond 9999, no number at all) makes a wrong label and stops nothing.
 */
export const labelMs = (clock: Pick<Clock, 'now'>): number => clampedMs(clock.now())

export function clampedMs(ms: number): number {
  const within = Math.trunc(Math.min(Math.max(ms, 0), timeMsMax))
  return Number.isNaN(within) ? 0 : within
}
