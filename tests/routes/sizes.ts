/**
 * The table of sizes, bodies, digests, ranges and patches: what the door promises for one of them it promises for all, since
 * each size takes another way through door, files and engine.
 */
import { blockBytes, inlineBytesMax, recordBytesDefault } from '../../src/format/geometry.ts'
import { bufferedBytesMax } from '../../src/fs/contract.ts'
import { rememberedBytesMax } from '../../src/fs/read/file-cache.ts'
import { readyBytesMax } from '../../src/fs/read/ready-file.ts'
import { largeRecordBytes } from '../../src/fs/tree/records.ts'

const around = (bytes: number): number[] => [bytes - 1, bytes, bytes + 1]

/** At every limit where a file, a record or a body begins to be treated in another way, and on both sides of it. */
export const sizes: readonly number[] = [
  ...new Set([
    0,
    1,
    ...around(blockBytes),
    ...around(rememberedBytesMax),
    ...around(inlineBytesMax),
    ...around(2 * recordBytesDefault),
    ...around(largeRecordBytes),
    ...around(readyBytesMax),
    ...around(bufferedBytesMax),
    3 * bufferedBytesMax + 17,
  ]),
].toSorted((a, b) => a - b)

/** Above it the records of a stream are larger. */
export const largeStreamBytes = 8 * 2 ** 20 + largeRecordBytes + 5

/** How the bytes of a body come. */
export interface Way {
  readonly name: string
  readonly isDeclared: boolean
  /** 0: in one piece, and not as a stream. */
  readonly chunkBytes: number
}

export const ways: readonly Way[] = [
  { name: 'in one piece', isDeclared: true, chunkBytes: 0 },
  { name: 'in one piece without a length', isDeclared: false, chunkBytes: 0 },
  { name: 'as a stream with its length', isDeclared: true, chunkBytes: 50_001 },
  { name: 'as a stream without a length', isDeclared: false, chunkBytes: recordBytesDefault },
]

/** `length`: what is declared, if it is. */
export function bodyOf(bytes: Uint8Array<ArrayBuffer>, way: Way, length = bytes.length) {
  const headers: Record<string, string> = way.isDeclared ? { 'Content-Length': String(length) } : {}
  // Nothing at all, where a body is neither declared nor there.
  if (way.chunkBytes === 0) return bytes.length > 0 || way.isDeclared ? { headers, body: bytes } : { headers }
  let at = 0
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      // The door gives back the memory of a piece that it has copied.
      controller.enqueue(bytes.slice(at, at + way.chunkBytes))
      at += way.chunkBytes
    },
  })
  return { headers, body }
}

export interface DigestCase {
  readonly name: string
  readonly value: (bytes: Uint8Array) => string
  readonly code: 'digest-mismatch' | 'bad-parameter' | null
}

const digest = (algorithm: 'sha256' | 'sha512', bytes: Uint8Array): string =>
  `${algorithm === 'sha256' ? 'sha-256' : 'sha-512'}=:${new Bun.CryptoHasher(algorithm).update(bytes).digest('base64')}:`
const other = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, Buffer.of(1)])

export const digests: readonly DigestCase[] = [
  { name: 'sha-256', value: (bytes) => digest('sha256', bytes), code: null },
  { name: 'sha-512', value: (bytes) => digest('sha512', bytes), code: null },
  { name: 'another algorithm', value: () => 'md5=:AAAA:', code: null },
  { name: 'a wrong sha-256', value: (bytes) => digest('sha256', other(bytes)), code: 'digest-mismatch' },
  { name: 'a wrong sha-512', value: (bytes) => digest('sha512', other(bytes)), code: 'digest-mismatch' },
  {
    name: 'a right one and a wrong one',
    value: (bytes) => `${digest('sha256', bytes)}, ${digest('sha512', other(bytes))}`,
    code: 'digest-mismatch',
  },
  { name: 'no digest', value: () => 'sha-256=AAAA', code: 'bad-parameter' },
  { name: 'one that is too short', value: () => 'sha-512=:AAAA:', code: 'bad-parameter' },
]

interface RangeCase {
  readonly header: string
  /** Null: nothing of the file is in it. */
  readonly part: readonly [start: number, end: number] | null
}

/** At both ends of the file, of its records and blocks, and beyond. */
export function rangesOf(size: number): RangeCase[] {
  const edges = [0, 1, blockBytes, recordBytesDefault, largeRecordBytes, bufferedBytesMax, size - 1, size]
  const starts = [...new Set(edges.flatMap((edge) => [edge - 1, edge]))].filter((at) => at >= 0)
  const cases: RangeCase[] = []
  const add = (header: string, start: number, end: number) =>
    cases.push({ header, part: start < size ? [start, Math.min(end, size)] : null })
  for (const start of starts) {
    add(`bytes=${start}-`, start, size)
    for (const length of [1, recordBytesDefault + 2])
      add(`bytes=${start}-${start + length - 1}`, start, start + length)
  }
  for (const length of [1, blockBytes, size, size + 1])
    if (length > 0)
      cases.push({ header: `bytes=-${length}`, part: size > 0 ? [Math.max(0, size - length), size] : null })
  return cases
}

/** Where a part of a file of this size is written. */
export const patchOffsets = (size: number): number[] => [
  ...new Set(
    [
      0,
      1,
      blockBytes,
      recordBytesDefault - 1,
      recordBytesDefault,
      size - 1,
      size,
      size + 1,
      size + 70_000,
    ].filter((at) => at >= 0),
  ),
]

/** Of the part: none, one, a record and more, and what leaves as an upload of its own. */
export const patchLengths: readonly number[] = [
  0,
  1,
  recordBytesDefault,
  largeRecordBytes + recordBytesDefault + 1,
]
