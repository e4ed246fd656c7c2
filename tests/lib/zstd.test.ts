/** What is unpacked is what was packed, whole; anything else is nothing, also what the library would take. */
import { constants, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'bun:test'
import { seededRandom } from '../../src/lib/random.ts'
import { pack, packNow, unpack, unpackUpTo } from '../../src/lib/zstd.ts'

const random = seededRandom(12)
const magic = [0x28, 0xb5, 0x2f, 0xfd]
/** The last block of a frame, with these bytes as they are. */
const rawBlock = (bytes: Uint8Array): number[] => {
  const head = 1 | (bytes.length << 3)
  return [head & 255, (head >> 8) & 255, head >> 16, ...bytes]
}
const frame = (descriptor: number, fields: readonly number[], bytes: Uint8Array): Uint8Array =>
  Uint8Array.from([...magic, descriptor, ...fields, ...rawBlock(bytes)])

describe('bytes come back', () => {
  /** On both sides of each form of the length in the head. */
  test.each([1, 2, 254, 255, 256, 257, 65_791, 65_792, 65_793, 2 ** 20 - 1, 2 ** 20])(
    '%p of them',
    async (length) => {
      for (const bytes of [new Uint8Array(length).fill(7), random.bytes(length)]) {
        for (const packed of [packNow(bytes), await pack(bytes)]) {
          expect(unpack(packed, length)).toEqual(bytes)
          expect(unpackUpTo(packed, length)).toEqual(bytes)
          expect(unpackUpTo(packed, length + 1)).toEqual(bytes)
          expect(unpack(packed, length + 1)).toBeNull()
          expect(unpack(packed, length - 1)).toBeNull()
          expect(unpackUpTo(packed, length - 1)).toBeNull()
        }
      }
    },
  )

  test('what has a pattern becomes short', () => {
    expect(packNow(new Uint8Array(100_000)).length).toBeLessThan(100)
  })
})

describe('nothing comes of', () => {
  test('what was cut off, at each byte', () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(300), random.bytes(70)]) {
      const packed = packNow(bytes)
      for (let end = 0; end < packed.length; end++)
        expect([end, unpackUpTo(packed.subarray(0, end), 1000)]).toEqual([end, null])
    }
  })

  test('what another frame goes before, that the library passes over', () => {
    const bytes = random.bytes(256)
    const skipped = Uint8Array.from([0x50, 0x2a, 0x4d, 0x18, 0x60, 0, 0, 0, ...new Uint8Array(0x60)])
    const both = Buffer.concat([skipped, packNow(bytes)])
    expect(unpack(both, 256)).toEqual(bytes)
    expect(unpackUpTo(both, 1000)).toBeNull()
  })

  test('a head without a length, also when a byte behind it could be one', () => {
    // The first byte of the block is 73, too.
    const bytes = random.bytes(73)
    const packed = frame(0x00, [0x50], bytes)
    expect(packed[6]).toBe(73)
    expect(unpack(packed, 73)).toEqual(bytes)
    expect(unpackUpTo(packed, 1000)).toBeNull()
    expect(unpackUpTo(frame(0x20, [73], bytes), 1000)).toEqual(bytes)
  })

  test('a head with a length of eight bytes', () => {
    const bytes = random.bytes(9)
    const packed = frame(0xe0, [9, 0, 0, 0, 0, 0, 0, 0], bytes)
    expect(unpack(packed, 9)).toEqual(bytes)
    expect(unpackUpTo(packed, 1000)).toBeNull()
  })

  test('a head with a dictionary, of each length of its number', () => {
    for (const [descriptor, numberBytes] of [
      [0x21, 1],
      [0x22, 2],
      [0x23, 4],
    ] as const) {
      const packed = frame(descriptor, [...Array<number>(numberBytes).fill(0), 0], new Uint8Array(0))
      expect(unpackUpTo(packed, 1000)).toBeNull()
    }
  })

  test.each([
    [20, true],
    [21, false],
  ])('a window of more than a megabyte: 2 to the power of %p is taken: %p', (log, isTaken) => {
    const bytes = random.bytes(3 * 2 ** 20)
    const packed = zstdCompressSync(bytes, { params: { [constants.ZSTD_c_windowLog]: log } })
    expect(unpack(packed, bytes.length) !== null).toBe(isTaken)
  })

  test('noise', () => {
    for (let i = 0; i < 300; i++) {
      const noise = random.bytes(random.below(60))
      noise.set(magic.slice(0, noise.length))
      expect(() => unpackUpTo(noise, 1000)).not.toThrow()
    }
  })
})
