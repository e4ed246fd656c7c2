/** Reads and writes values of the file tree: pointers, then the body that a layout describes, then perhaps a tail. */
import { type Layout, Reader, Writer, corrupt } from './fields.ts'
import { type BlockPointer, type ChecksumKind, valueBodyOffset, valueHead, valuePointers } from './pointer.ts'

export function valueWriter<N extends string>(
  of: Layout<N>,
  pointers: readonly BlockPointer[],
  sums: ChecksumKind,
): { bytes: Uint8Array; w: Writer<N> } {
  const head = valueHead(pointers, sums)
  const bytes = new Uint8Array(head.length + of.bytes)
  bytes.set(head)
  return { bytes, w: new Writer(of, bytes, head.length) }
}

/** Writes a value that has no pointers. */
export const bareWriter = <N extends string>(
  of: Layout<N>,
  tailBytes = 0,
): { bytes: Uint8Array; w: Writer<N> } => {
  const bytes = new Uint8Array(1 + of.bytes + tailBytes)
  return { bytes, w: new Writer(of, bytes, 1) }
}

export function valueReader<N extends string>(
  of: Layout<N>,
  value: Uint8Array,
  sums: ChecksumKind,
): { r: Reader<N>; pointers: BlockPointer[] } {
  const pointers = valuePointers(value, sums)
  if (!pointers) throw corrupt(of.title, 'pointers', 'are malformed')
  return { r: new Reader(of, value, valueBodyOffset(value, sums)), pointers }
}

/** Reads a value that has no pointers. */
export function bareReader<N extends string>(of: Layout<N>, value: Uint8Array): Reader<N> {
  if (value[0] !== 0) throw corrupt(of.title, 'pointers', 'are not expected')
  return new Reader(of, value, 1)
}

/** Refuses a tail. */
export function exact<N extends string>(r: Reader<N>, value: Uint8Array): void {
  if (value.length !== r.base + r.of.bytes) throw corrupt(r.of.title, 'length', 'is another')
}
