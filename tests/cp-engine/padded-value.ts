import { valueHead } from '../../src/format/pointer.ts'

/** A value without pointers, of so many bytes behind its head. */
export function paddedValue(bytes: number, fill: number): Uint8Array {
  const head = valueHead([], 'xxh3')
  const value = new Uint8Array(head.length + bytes).fill(fill)
  value.set(head)
  return value
}
