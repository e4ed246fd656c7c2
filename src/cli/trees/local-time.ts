/**
 * Times of local files in the server's form: RFC 3339 in UTC, with as many digits as the file system has.
 *
 * - A time is read in full, by nanoseconds. A time that RFC 3339 cannot express becomes the nearest time that RFC
 *   3339 can express.
 * - A time of whole milliseconds is set in full. A finer time goes through seconds in a float, which has steps of 238
 *   ns in this century: the nearest float that is not below the time, so that the microsecond stays. The runtime
 *   would take a float before 1970 for the current time, so such a time keeps only its milliseconds.
 */
import { toRfc3339 } from '../../lib/clock.ts'
import { UserError } from '../../lib/user-error.ts'

const nanosPerMs = 1_000_000n
const nanosMin = BigInt(Date.parse('0000-01-01T00:00:00.000Z')) * nanosPerMs
const nanosMax = BigInt(Date.parse('9999-12-31T23:59:59.999Z')) * nanosPerMs + 999_999n

/** False for a time that `sayTime` replaces by the nearest one. */
export const isSayable = (nanos: bigint): boolean => nanos >= nanosMin && nanos <= nanosMax

/** Formats nanoseconds since 1970. */
export function sayTime(nanos: bigint): string {
  const clamped = nanos < nanosMin ? nanosMin : nanos > nanosMax ? nanosMax : nanos
  const behind = ((clamped % nanosPerMs) + nanosPerMs) % nanosPerMs
  return toRfc3339(Number((clamped - behind) / nanosPerMs), Number(behind))
}

/** Makes the argument of `utimes` and its relatives. */
export function timeToSet(text: string): Date | number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new UserError(`the server gave a time that is none: ${JSON.stringify(text)}`)
  const digits = /\.\d{3}(\d{1,6})/.exec(text)?.[1]?.padEnd(6, '0') ?? '0'
  const nanos = BigInt(ms) * nanosPerMs + BigInt(digits)
  if (Number(digits) === 0 || nanos < 0n) return new Date(ms)
  let seconds = Number(nanos) / 1e9
  while (nanosOf(seconds) < nanos) seconds = nextAbove(seconds)
  return seconds
}

/** Nanoseconds of a float, cut off as the runtime does. */
function nanosOf(seconds: number): bigint {
  const whole = Math.floor(seconds)
  return BigInt(whole) * 1_000_000_000n + BigInt(Math.floor((seconds - whole) * 1e9))
}

/** The next float above a positive value. */
function nextAbove(value: number): number {
  const floats = new Float64Array([value])
  const bits = new BigUint64Array(floats.buffer)
  bits[0] = bits[0]! + 1n
  return floats[0]!
}
