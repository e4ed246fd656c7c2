/**
 * What is written: made from a number for the file and one for the version, so that everybody can say what should be
 * there. The first eight bytes hold both numbers; the rest does not compress.
 */
import { seededRandom } from '../../src/lib/random.ts'

export const pieceBytes = 2 ** 20
const shiftMax = 2 ** 16
export const stampBytes = 8

const base = makeBase()

function makeBase(): Uint8Array {
  const random = seededRandom(20_480)
  const bytes = random.bytes(shiftMax)
  const out = new Uint8Array(pieceBytes + shiftMax)
  // Shifted copies are as good as fresh chance here, and made in a moment.
  for (let at = 0; at < out.length; at += shiftMax) {
    const key = random.bytes(1)[0]!
    for (let i = 0; i < shiftMax; i++) out[at + i] = bytes[i]! ^ (key + (i >> 8))
  }
  return out
}

/** Writes a file of at most `pieceBytes`, or that piece of a larger one, into `target`. */
export function writeContent(
  target: Uint8Array,
  at: number,
  size: number,
  key: number,
  version: number,
): void {
  const shift = (key * 40_503 + version * 9973) % shiftMax
  target.set(base.subarray(shift, shift + size), at)
  if (size < stampBytes) return
  for (let i = 0; i < 4; i++) {
    target[at + i] = key >>> (8 * i)
    target[at + 4 + i] = version >>> (8 * i)
  }
}

export function contentOf(size: number, key: number, version: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(size)
  writeContent(out, 0, size, key, version)
  return out
}

/** The path of a small file: a hundred to a folder. */
export const keyPath = (key: number): string => `${keyFolder(key)}/${flatPath(key)}`
export const flatPath = (key: number): string => `f${String(key).padStart(7, '0')}`
export const keyFolder = (key: number): string => `d${String(Math.floor(key / 100)).padStart(5, '0')}`

/** Pieces of a large file: the piece's number stands where a small file has its version. */
export function* largeContent(size: number, key: number): Generator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < size; at += pieceBytes) {
    yield contentOf(Math.min(pieceBytes, size - at), key, at / pieceBytes)
  }
}
