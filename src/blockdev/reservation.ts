/** Tells a full file system from one that cannot reserve space, by the code that it answers. */
const fileTooBig = 27
const noSpace = 28
const quotaExceeded = 122

export type Reservation = 'reserved' | 'full' | 'unsupported'

/** The result is 0, or the error code that posix_fallocate returns. */
export function reservationOf(result: number): Reservation {
  if (result === 0) return 'reserved'
  return result === noSpace || result === quotaExceeded || result === fileTooBig ? 'full' : 'unsupported'
}
