/**
 * Numbers that a caller gives. Each is a whole number within its bounds; anything else, such as NaN or a fraction, is
 * refused before anything is sent.
 */
import { ClientError } from './client-error.ts'

const cps = [0, Number.MAX_SAFE_INTEGER] as const
const seconds = [0, 60] as const
const bytes = [0, Number.MAX_SAFE_INTEGER] as const
const some = [1, Number.MAX_SAFE_INTEGER] as const

/** By the name of the option, which means the same wherever it is taken. */
export const bounds = {
  cp: cps,
  minCp: cps,
  wait: seconds,
  mirrorWait: seconds,
  mirrors: some,
  retriesMax: [0, Number.MAX_SAFE_INTEGER],
  limit: [1, 1000],
  content: [1, 65_536],
  maxRows: some,
  offset: bytes,
  length: some,
  size: bytes,
  partBytes: some,
  /** As a file system gives it; the bits of the kind of file are left out on the way. */
  mode: [0, 0o177_777],
} as const satisfies Readonly<Record<string, readonly [number, number]>>

export type NumericOption = keyof typeof bounds

/** Throws `bad-parameter`, which names the option. */
export function checkNumbers(given: { readonly [name in NumericOption]?: number | undefined }): void {
  for (const name of Object.keys(bounds) as NumericOption[]) {
    const value = given[name]
    const [min, max] = bounds[name]
    if (value === undefined || (Number.isSafeInteger(value) && value >= min && value <= max)) continue
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
    throw new ClientError('bad-parameter', `${name} is a whole number ${range}, not ${String(value)}`)
  }
}
