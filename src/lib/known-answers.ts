/**
 * Known answers of XXH3-64 and SHA-256, from implementations that share nothing with those of the runtime. The inputs
 * have every length at which XXH3 changes its method, and seeds of few and of many bits. A runtime with other
 * checksums would take all stored bytes for damage, and every other runtime would take the bytes that it writes for
 * damage.
 */
import { assert } from './assert.ts'
import { toHex } from './bytes.ts'

type KnownSum = readonly [length: number, seed: number, sum: bigint]

export const knownXxh3: readonly KnownSum[] = [
  [0, 0x0, 0x2d06800538d394c2n],
  [0, 0xffffffff, 0xa4f199794ccfa477n],
  [1, 0x0, 0xdd02fbe6d2c66464n],
  [1, 0xc0ffee11, 0xfabf007ca98ef036n],
  [3, 0x1, 0xd18aa08b06a1711cn],
  [4, 0xffffffff, 0x74ef885e4140a29en],
  [8, 0x80000000, 0x790065ffe2d97866n],
  [9, 0x0, 0x554e53130559708bn],
  [16, 0x9e3779b1, 0x6dee79fe2c8cbdb9n],
  [17, 0x0, 0x48c881938b08bf45n],
  [17, 0xffffffff, 0x24ed07c328057edan],
  [128, 0xc0ffee11, 0x2d1b63045307398en],
  [129, 0x0, 0x3eb30581b3d9c562n],
  [129, 0xfffffffe, 0x4de867b8f99b8c06n],
  [240, 0x10000, 0x6af9eb09d0cabb78n],
  [241, 0x0, 0x6deb1ae71a8a8becn],
  [241, 0xffffffff, 0xaef18f8e893494acn],
  [1024, 0x80000001, 0x0788d475101b1eb3n],
  [1025, 0x0, 0x2e7bc851fc4a1332n],
  [4096, 0x0, 0x1ad884a03e1d5930n],
  [4096, 0xdeadbeef, 0x7b4527c6884b263cn],
  [4097, 0xffffffff, 0xcb20ae1fdf2e3759n],
]

export const knownSha256: readonly (readonly [length: number, sum: string])[] = [
  [0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  [3, '64e7dbd1c9287ef40bcbeb3a385983e6ef31bb60e1214e9a896125bc1b7a1d4a'],
  [55, 'f245201d69e38fb02ff18675e4c67b4a53e192a78b9486cf879035218f97e7d2'],
  [56, 'c3423b136f6fd2d5ee1fc4687726ec31d90ab31c16ba6d52339e011fb2c7ea31'],
  [64, 'e137d8441ef33a2a95b75f3a7257fc675f3bfbd866a60b666c7f0701603cb60f'],
  [4096, '0f4c072ef0bbc3d878a7daba352c62d25b13d752cfe85ddd692f25647a48d212'],
]

/** Byte i of an input is the high byte of (i + 1) × 0x9e3779b1, in 32 bits. */
export function knownInput(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = Math.imul(i + 1, 0x9e3779b1) >>> 24
  return bytes
}

interface Sums {
  readonly sha256: (bytes: Uint8Array) => Uint8Array
  /** Returns eight little-endian bytes. */
  readonly xxh3: (bytes: Uint8Array, seed: number) => Uint8Array
}

/** Throws when a function gives a checksum that differs from its specification. */
export function assertKnownAnswers({ sha256, xxh3 }: Sums): void {
  for (const [length, seed, sum] of knownXxh3)
    assert(
      toHex(xxh3(knownInput(length), seed).toReversed()) === sum.toString(16).padStart(16, '0'),
      `XXH3-64 of ${length} bytes under seed ${seed} is another here: nothing that is stored can be read or written`,
    )
  for (const [length, sum] of knownSha256)
    assert(
      toHex(sha256(knownInput(length))) === sum,
      `SHA-256 of ${length} bytes is another here: nothing that is stored can be read or written`,
    )
}
