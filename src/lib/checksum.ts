/**
 * Checksums of all bytes that are stored or sent. The known answers are asserted when this module is loaded (about
 * 0.1 ms), so no process can read or write a volume with checksums that differ from the specifications.
 */
import { assert } from './assert.ts'
import { assertKnownAnswers } from './known-answers.ts'

export const sha256Bytes = 32
export const xxh3Bytes = 8
/**
 * Seeds of XXH3 lie below 2³²: this runtime uses only the lower 32 bits of a seed, and a runtime that uses 64 bits
 * gives the same checksums.
 */
export const xxh3SeedEnd = 2 ** 32

/** Synchronous on purpose: a block of 4 KiB costs 2.8 µs, and every asynchronous hash costs more. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return Bun.SHA256.hash(bytes) as Uint8Array
}

const word = new BigUint64Array(1)
const wordBytes = new Uint8Array(word.buffer)
assert(new Uint8Array(new Uint16Array([1]).buffer)[0] === 1, 'a little-endian machine')
/**
 * The last seed is kept as a big integer: a process uses few seeds, and the conversion costs as much as a small sum.
 */
let lastSeed = 0
let lastSeedBig = 0n

/** XXH3-64 under a secret seed of 32 bits, as eight little-endian bytes. */
export function xxh3(bytes: Uint8Array, seed: number): Uint8Array {
  if (seed !== lastSeed) {
    assert(Number.isInteger(seed) && seed >= 0 && seed < xxh3SeedEnd, 'a seed of XXH3 has 32 bits')
    lastSeedBig = BigInt(seed)
    lastSeed = seed
  }
  word[0] = Bun.hash.xxHash3(bytes, lastSeedBig)
  return wordBytes.slice()
}

assertKnownAnswers({ sha256, xxh3 })
