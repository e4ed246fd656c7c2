import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { sha256, xxh3, xxh3SeedEnd } from '../../src/lib/checksum.ts'
import { assertKnownAnswers, knownInput } from '../../src/lib/known-answers.ts'
import { xxh3Reference } from './xxh3-reference.ts'

const little = (sum: bigint): Uint8Array => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, sum, true)
  return bytes
}
const seeds = [0, 1, 2, 0x7fffffff, 0x80000000, 0xdeadbeef, 0xffffffff]
/** Each way that the specification has for a length, both of its ends, and several whole blocks of a long input. */
const lengths = [
  0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 96, 97, 127, 128, 129, 144, 239, 240, 241, 255,
  256, 257, 511, 1023, 1024, 1025, 1087, 1088, 1089, 2047, 2048, 2049, 4095, 4096, 4097, 5000, 8192, 65_536,
]

describe('XXH3-64 is that of the specification', () => {
  for (const seed of seeds)
    test(`under seed ${seed}`, () => {
      for (const length of lengths) {
        const input = knownInput(length)
        expect([length, xxh3(input, seed).toHex()]).toEqual([
          length,
          little(xxh3Reference(input, BigInt(seed))).toHex(),
        ])
      }
    })

  test('whatever the seed before was, and at an odd place of its buffer', () => {
    const bytes = knownInput(5003)
    for (const [i, seed] of [5, 5, 0, 0xffffffff, 5, 0].entries())
      expect(xxh3(bytes.subarray(i), seed)).toEqual(little(xxh3Reference(bytes.subarray(i), BigInt(seed))))
  })

  test('takes a seed of 32 bits and no other', () => {
    for (const seed of [xxh3SeedEnd, 2 ** 48 - 1, -1, 0.5, Number.NaN])
      expect(() => xxh3(new Uint8Array(3), seed)).toThrow('32 bits')
    expect(xxh3(new Uint8Array(3), xxh3SeedEnd - 1).length).toBe(8)
  })
})

test('SHA-256 is that of another implementation', () => {
  for (const length of lengths) {
    const input = knownInput(length)
    expect(sha256(input).toHex()).toBe(createHash('sha256').update(input).digest('hex'))
  }
})

describe('the known answers', () => {
  test('are those of the reference', () => {
    assertKnownAnswers({ sha256, xxh3: (bytes, seed) => little(xxh3Reference(bytes, BigInt(seed))) })
  })

  const wrong: Record<string, Parameters<typeof assertKnownAnswers>[0]> = {
    'a seed of 31 bits': { sha256, xxh3: (bytes, seed) => xxh3(bytes, seed % 2 ** 31) },
    'a seed of 16 bits': { sha256, xxh3: (bytes, seed) => xxh3(bytes, seed % 2 ** 16) },
    'a seed in both halves': {
      sha256,
      xxh3: (bytes, seed) => little(xxh3Reference(bytes, BigInt(seed) * (2n ** 32n + 1n))),
    },
    'no seed': { sha256, xxh3: (bytes) => xxh3(bytes, 0) },
    'big-endian sums': { sha256, xxh3: (bytes, seed) => xxh3(bytes, seed).toReversed() },
    'sums of 240 bytes at most': { sha256, xxh3: (bytes, seed) => xxh3(bytes.subarray(0, 240), seed) },
    'another SHA-256': { sha256: (bytes) => sha256(bytes).toReversed(), xxh3 },
  }
  for (const [name, sums] of Object.entries(wrong))
    test(`find out ${name}`, () => {
      expect(() => assertKnownAnswers(sums)).toThrow('is another here')
    })
})
