/**
 * Range of RFC 9110 §14: one range of bytes, or the whole. Several ranges and what cannot be parsed mean the whole
 * file: a client must be ready for that.
 */
import { StillpointError } from '../../lib/errors.ts'

export interface ByteRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

const form = /^bytes[ \t]*=[ \t]*(\d*)-(\d*)[ \t]*$/i

/** Null: answer the whole. Throws `range-not-satisfiable` when the one range is beyond the end. */
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
