import { zstdDecompressSync } from 'node:zlib'
import { Damage } from './damage.ts'

/** A record has at most so many bytes before encoding. */
export const recordBytesMax = 1_048_576

/** The length of the one frame that a payload begins with, from the headers of the frame and of its blocks. */
function frameBytes(payload: Uint8Array): number {
  const at = (offset: number) => payload[offset] ?? Number.NaN
  if (Buffer.from(payload.subarray(0, 4)).toString('hex') !== '28b52ffd') return Number.NaN
  const descriptor = at(4)
  const isSingle = (descriptor & 0x20) !== 0
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  let offset = 5 + (isSingle ? 0 : 1) + dictionaryBytes + sizeBytes
  for (;;) {
    const head = at(offset) + at(offset + 1) * 256 + at(offset + 2) * 65_536
    if (Number.isNaN(head)) return Number.NaN
    const isRun = ((head >> 1) & 3) === 1
    offset += 3 + (isRun ? 1 : head >> 3)
    if ((head & 1) === 1) return offset + ((descriptor & 4) === 0 ? 0 : 4)
  }
}

/** Unpacks a payload of exactly one zstd frame, and stops at the limit of a record. */
export function unpack(payload: Uint8Array, address: number): Uint8Array {
  if (frameBytes(payload) !== payload.length) {
    throw new Damage('record', 'the payload is not one zstd frame', address)
  }
  try {
    return new Uint8Array(zstdDecompressSync(payload, { maxOutputLength: recordBytesMax }))
  } catch {
    throw new Damage('record', 'the payload does not unpack', address)
  }
}
