import { writeU64 } from './bytes.ts'
import { assert } from './assert.ts'

export const sha256Bytes = 32
export const xxh3Bytes = 8

/** Synchronous on purpose: for a block of 4 KiB it costs 2.8 µs, and every asynchronous hash costs more. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return Bun.SHA256.hash(bytes) as Uint8Array
}

/** XXH3-64 under a secret seed (a safe integer), as eight little-endian bytes. */
export function xxh3(bytes: Uint8Array, seed: number): Uint8Array {
  const out = new Uint8Array(xxh3Bytes)
  const value = Bun.hash.xxHash3(bytes, BigInt(seed))
  writeBig(out, value)
  return out
}

function writeBig(out: Uint8Array, value: bigint): void {
  assert(value >= 0n, 'a hash is unsigned')
  const low = Number(value & 0xffff_ffffn)
  const high = Number(value >> 32n)
  writeU64(out, 0, low)
  out[4] = high
  out[5] = high >>> 8
  out[6] = high >>> 16
  out[7] = high >>> 24
}
