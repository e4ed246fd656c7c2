/**
 * Range of RFC 9110 §14: one range of bytes, or the whole file. A header with several ranges, or one that cannot be
 * parsed, means the whole file: a client must be ready for that answer.
 */
import { StillpointError } from '../../lib/errors.ts'

export interface ByteRange {
  readonly start: number
  /** Offset of the first byte behind the range. */
  readonly end: number
}

const form = /^bytes[ \t]*=[ \t]*(\d*)-(\d*)[ \t]*$/i

/** Null means the whole file. Throws `range-not-satisfiable` when no byte of the range exists. */
export function parseRange(header: string | null, size: number): ByteRange | null {
  if (header === null) return null
  const parts = form.exec(header)
  if (!parts) return null
  const [, first, last] = parts
  if (first === '' && last === '') return null
  if (first === '') {
    const length = Number(last)
    if (length === 0 || size === 0) return beyond(size)
    return { start: Math.max(0, size - length), end: size }
  }
  const start = Number(first)
  const end = last === '' ? size : Math.min(size, Number(last) + 1)
  if (last !== '' && Number(last) < start) return null
  if (start >= size) return beyond(size)
  return { start, end }
}

function beyond(size: number): never {
  throw new StillpointError('range-not-satisfiable', `the file has ${size} bytes`, { size })
}
