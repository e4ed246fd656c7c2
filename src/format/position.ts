/**
 * Numbers that name a moment of the volume: consistency points, operations, and times.
 *
 * cp = epoch × cpsPerEpoch + n, so cps of different epochs never collide and order as the epochs do.
 */
import { cpsPerEpoch, epochMax } from './geometry.ts'

export const cpMax = (epochMax + 1) * cpsPerEpoch - 1
export const epochOfCp = (cp: number): number => Math.floor(cp / cpsPerEpoch)

/** Openings of a volume and operations are counted for ever; these bounds are never reached. */
export const openingMax = 2 ** 32 - 1
export const sequenceMax = 2 ** 48 - 1

/** Times are milliseconds since 1970 and stay within the years 0000 to 9999, which is what RFC 3339 can say. */
export const timeMsMin = Date.parse('0000-01-01T00:00:00.000Z')
export const timeMsMax = Date.parse('9999-12-31T23:59:59.999Z')
