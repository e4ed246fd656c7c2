/**
 * What marked sources write into: a byte for each place, 1 when a run has come by.
 *
 * The bytes are a file that is mapped into memory: what a process has marked outlives its end, whatever ended it, and
 * the processes that a test starts mark the same file.
 */
export const marksVariable = 'STILLPOINT_MARKS'

const path = process.env[marksVariable]
const marks = path === undefined ? null : Bun.mmap(path)

export function marksOf(at: number, count: number): Uint8Array {
  return marks?.subarray(at, at + count) ?? new Uint8Array(count)
}
