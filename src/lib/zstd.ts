/** zstd for short messages. What others sent is unpacked to a length that is known before, and never to more. */
import { constants, zstdDecompressSync } from 'node:zlib'

/** Fast: a few microseconds for a block. */
const level = 1
/** A window of at most 1 MiB: what a sender may make this side allocate. */
const windowLogMax = 20

export const pack = (bytes: Uint8Array<ArrayBuffer>): Uint8Array => Bun.zstdCompressSync(bytes, { level })

/** Null when it is not exactly `length` bytes that were packed. */
export function unpack(packed: Uint8Array, length: number): Uint8Array | null {
  try {
    const bytes = zstdDecompressSync(packed, {
      maxOutputLength: length,
      params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
    })
    return bytes.length === length ? new Uint8Array(bytes.buffer, bytes.byteOffset, length) : null
  } catch {
    // It says what is wrong with the stream, and nothing else can happen to bytes in memory.
    return null
  }
}
