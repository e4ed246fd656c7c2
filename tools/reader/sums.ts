import { createHash } from 'node:crypto'

/** SHA-256 of the pieces, one behind the other. */
export function sha256(...pieces: Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return new Uint8Array(hash.digest())
}

/** XXH3-64 as it stands on disk: eight bytes, little-endian. */
export function xxh3(bytes: Uint8Array, seed: number): Uint8Array {
  const sum = new Uint8Array(8)
  new DataView(sum.buffer).setBigUint64(0, Bun.hash.xxHash3(bytes, BigInt(seed)), true)
  return sum
}
