/** Which bytes of a file an answer has: said by the answer, and compared with what was asked for. */
import type { Answer } from './answer.ts'
import type { Range } from './wishes.ts'

/** `bytes=2-5`; to the end without a length. */
export function rangeHeader({ offset, length }: Range): string {
  return `bytes=${offset}-${length === undefined ? '' : offset + length - 1}`
}

/** Bytes that the answer says to have; null where a whole file, a long one, does not say. */
export function bytesOf({ status, headers }: Answer): number | null {
  if (status === 206) {
    const extent = extentOf(headers)
    return extent && extent.end - extent.start
  }
  return lengthIn(headers)
}

/** Exactly the range that was asked for, as far as the file has it. */
export function isRange({ headers }: Answer, { offset, length }: Range): boolean {
  const extent = extentOf(headers)
  if (extent === null) return false
  const { start, end, fileBytes } = extent
  const wantedEnd = length === undefined ? fileBytes : Math.min(fileBytes, offset + length)
  const said = lengthIn(headers) ?? end - start
  return start === offset && end === wantedEnd && end > start && said === end - start
}

function extentOf(headers: Headers) {
  const numbers = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(headers.get('Content-Range') ?? '')
  if (numbers === null) return null
  const [start, last, fileBytes] = numbers.slice(1).map(Number)
  return { start: start!, end: last! + 1, fileBytes: fileBytes! }
}

function lengthIn(headers: Headers): number | null {
  const text = headers.get('Content-Length') ?? ''
  return /^\d{1,16}$/.test(text) ? Number(text) : null
}
