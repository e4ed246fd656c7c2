/**
 * Packs pieces of up to a megabyte with zstd. The caller knows a bound of the unpacked bytes before they are
 * unpacked.
 */
import { constants, zstdDecompressSync } from 'node:zlib'
import { readU32 } from './bytes.ts'

/** Level 1 is fast: a few microseconds for a block. */
const level = 1
/** A window of at most 1 MiB bounds the memory that a sender can make this side allocate. */
const windowLogMax = 20

export const packNow = (bytes: Uint8Array): Uint8Array => Bun.zstdCompressSync(bytes, { level })
/** Packs in a thread; the bytes must not change meanwhile. */
export const pack = (bytes: Uint8Array): Promise<Uint8Array> => Bun.zstdCompress(bytes, { level })

/** Returns null unless exactly `length` bytes were packed. */
export function unpack(packed: Uint8Array, length: number): Uint8Array | null {
  try {
    const bytes = zstdDecompressSync(packed, {
      maxOutputLength: length,
      params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
    })
    return bytes.length === length ? new Uint8Array(bytes.buffer, bytes.byteOffset, length) : null
  } catch {
    // The error says what is wrong with the stream; bytes in memory can fail in no other way.
    return null
  }
}

/** Returns null when more than `lengthMax` bytes were packed, and when the stream was cut off. */
export function unpackUpTo(packed: Uint8Array, lengthMax: number): Uint8Array | null {
  const length = unpackedLength(packed)
  return length !== null && length <= lengthMax ? unpack(packed, length) : null
}

const magic = 0xfd2fb528
/** The forms of the length that `pack` writes, by the two upper bits of the descriptor (RFC 8878, 3.1.1.1). */
const lengthForms = [
  { bytes: 1, plus: 0 },
  { bytes: 2, plus: 256 },
  { bytes: 4, plus: 0 },
] as const

/**
 * Length of the unpacked bytes as the head of the frame gives it; null when the head gives none. The caller compares
 * this length with the result, because zstd unpacks a stream that was cut off as far as possible, without an error.
 */
function unpackedLength(packed: Uint8Array): number | null {
  if (readU32(packed, 0) !== magic) return null
  const descriptor = packed[4]!
  const form = lengthForms[descriptor >> 6]
  const isSingleSegment = (descriptor & 0x20) !== 0
  const hasDictionary = (descriptor & 0x03) !== 0
  if (!form || hasDictionary || (form.bytes === 1 && !isSingleSegment)) return null
  let length = 0
  const at = isSingleSegment ? 5 : 6
  for (let i = form.bytes - 1; i >= 0; i--) length = length * 256 + packed[at + i]!
  return length + form.plus
}
