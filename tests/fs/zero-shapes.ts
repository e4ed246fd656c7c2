/** Where contents have zeros: whole records of them, and records that differ from zeros in one byte. */
import { recordBytesDefault } from '../../src/format/geometry.ts'

export const zeroShapes = ['none', 'all', 'first', 'behind', 'between', 'but the last'] as const
export type ZeroShape = (typeof zeroShapes)[number]

/** The same bytes, with zeros in some of them. */
export function withZeros(bytes: Uint8Array, shape: ZeroShape): Uint8Array {
  const { length } = bytes
  switch (shape) {
    case 'none':
      return bytes
    case 'all':
      return bytes.fill(0)
    case 'first':
      return bytes.fill(0, 0, Math.min(recordBytesDefault, length >>> 1))
    case 'behind':
      return bytes.fill(0, Math.min(recordBytesDefault, length >>> 1))
    case 'between':
      return bytes.fill(0, length >>> 2, length - (length >>> 2))
    case 'but the last':
      bytes.fill(0)
      if (length > 0) bytes[length - 1] = 1
      return bytes
  }
}
