/** Records in zstd: shorter where it pays, the same bytes afterwards, and nothing else can come out. */
import { describe, expect, test } from 'bun:test'
import { recordSum } from '../../../src/format/pointer.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { type Payload, asTheyCame, packed, packedNow, zstd } from '../../../src/cp-engine/records/payloads.ts'
import { decodeRecord, encodeRecord } from '../../../src/cp-engine/records/records.ts'
import { bytesOf } from '../../fs/volume.ts'

const sums = { kind: 'xxh3', seed: 1 } as const
/** A fourth of the length in zstd, and nothing shorter. */
const compact = (length: number): Uint8Array => bytesOf(length, 2)
const random = (length: number): Uint8Array => seededRandom(length).bytes(length)
const oneOf = (raw: Uint8Array) => asTheyCame(raw, raw.length)
const shape = (payloads: readonly Payload[]) =>
  payloads.map(({ offset, length, encoding, bytes }) => [
    offset,
    length,
    encoding,
    Math.ceil(bytes.length / 4096),
  ])

describe('payloads', () => {
  test('are packed where that saves a block, each by itself', async () => {
    expect(shape(packedNow(zstd, oneOf(compact(4096))))).toEqual([[0, 4096, 'raw', 1]])
    expect(shape(packedNow(zstd, oneOf(compact(65_536))))).toMatchObject([
      [0, 65_536, 'zstd', expect.any(Number)],
    ])
    expect(shape(packedNow(zstd, oneOf(random(65_536))))).toEqual([[0, 65_536, 'raw', 16]])
    // Some bytes less, and as many blocks.
    const nearly = random(8192)
    nearly.fill(0, 0, 100)
    expect(shape(packedNow(zstd, oneOf(nearly)))).toEqual([[0, 8192, 'raw', 2]])

    const mixed = new Uint8Array(200_000).fill(3)
    mixed.set(random(65_536), 65_536)
    expect(shape(await packed(zstd, asTheyCame(mixed, 65_536)))).toEqual([
      [0, 65_536, 'zstd', 1],
      [65_536, 65_536, 'raw', 16],
      [131_072, 65_536, 'zstd', 1],
      [196_608, 3392, 'raw', 1],
    ])
    expect(shape(asTheyCame(mixed, 65_536))).toMatchObject([
      { 2: 'raw' },
      { 2: 'raw' },
      { 2: 'raw' },
      [196_608, 3392, 'raw', 1],
    ])
  })

  test('of zeros alone are none, and one byte anywhere is enough', async () => {
    for (const length of [1, 4095, 65_536, 65_537, 2 ** 20]) {
      expect(oneOf(new Uint8Array(length))).toEqual([])
      for (const at of [0, 1, length >>> 2, length >>> 1, length - 2, length - 1]) {
        const raw = new Uint8Array(length)
        raw[Math.min(length - 1, Math.max(0, at))] = 1
        expect(shape(oneOf(raw))).toEqual([[0, length, 'raw', Math.ceil(length / 4096)]])
      }
      // Not the memory around it.
      const between = new Uint8Array(length + 2).fill(1)
      between.fill(0, 1, length + 1)
      expect(oneOf(between.subarray(1, length + 1))).toEqual([])
    }
    const gaps = new Uint8Array(5 * 65_536)
    gaps[65_536] = 1
    gaps[4 * 65_536 - 1] = 1
    expect(shape(await packed(zstd, asTheyCame(gaps, 65_536)))).toEqual([
      [65_536, 65_536, 'zstd', 1],
      [3 * 65_536, 65_536, 'zstd', 1],
    ])
  })

  test('come back as they were', () => {
    for (const length of [4097, 8192, 65_535, 65_536 + 255, 65_536 + 256, 65_536, 262_144, 1_048_576])
      for (const raw of [new Uint8Array(length).fill(1), compact(length), random(length)]) {
        const [payload] = packedNow(zstd, oneOf(raw))
        const { pointer, command } = encodeRecord(payload!, 7, sums)
        expect(pointer.encoding).toBe(payload!.encoding)
        expect(command.bytes.length).toBe(pointer.blocks * 4096)
        expect(Buffer.compare(decodeRecord(command.bytes, pointer, sums), raw)).toBe(0)
      }
  })

  test('that have their checksum and are no zstd, or of more than a record, are corrupt', () => {
    const corrupt = (bytes: Uint8Array) => {
      const blocks = Math.ceil(bytes.length / 4096)
      const sum = recordSum(bytes, sums)
      const pointer = { address: 7, blocks, payloadBytes: bytes.length, encoding: 'zstd', sum } as const
      const { command } = encodeRecord({ bytes, encoding: 'zstd' }, 7, sums)
      expect(() => decodeRecord(command.bytes, pointer, sums)).toThrow(
        expect.objectContaining({ code: 'corrupt' }),
      )
    }
    corrupt(compact(5000))
    for (const length of [5000, 100_000, 1_000_000]) {
      const whole = zstd.now(compact(length))
      for (const part of [0.03, 0.3, 0.6, 0.999]) corrupt(whole.slice(0, Math.ceil(part * whole.length)))
    }
    corrupt(zstd.now(new Uint8Array(1_048_577)))
    corrupt(zstd.now(new Uint8Array(64 * 2 ** 20)))
  })
})
