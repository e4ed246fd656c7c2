import { assert } from './assert.ts'

export const sha256Bytes = 32
export const xxh3Bytes = 8

/** Synchronous on purpose: for a block of 4 KiB it costs 2.8 µs, and every asynchronous hash costs more. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return Bun.SHA256.hash(bytes) as Uint8Array
}

const word = new BigUint64Array(1)
const wordBytes = new Uint8Array(word.buffer)
assert(new Uint8Array(new Uint16Array([1]).buffer)[0] === 1, 'a little-endian machine')
/** A process has few seeds, one after the other: making a big integer of one costs as much as a small sum. */
let lastSeed = 0
let lastSeedBig = 0n

/** XXH3-64 under a secret seed (a safe integer), as eight little-endian bytes. */
export function xxh3(bytes: Uint8Array, seed: number): Uint8Array {
  if (seed !== lastSeed) {
    lastSeedBig = BigInt(seed)
    lastSeed = seed
  }
  word[0] = Bun.hash.xxHash3(bytes, lastSeedBig)
  return wordBytes.slice()
}
