/**
 * A number in a head says how much comes, and anybody may write anything there: whatever is announced, no decoder makes
 * room for more than the limit of what it decodes.
 */
import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { bodyBytesMax, dataBytesMax, nowhere } from '../../src/format/wire/messages.ts'
import { encodeFrame, frameHeadBytes, frameLayout, frameLengths } from '../../src/format/wire/frames.ts'
import { packNow } from '../../src/lib/zstd.ts'
import { FrameStream } from '../../src/replica/link/frame-stream.ts'
import { largestAllocation } from '../noticing/allocations.ts'
import { assertRefusal } from './refusal.ts'
import { structures } from './structures.ts'
import { wireStructures } from './wire/wire-structures.ts'

/** Values that a field of any width takes for huge, for negative, and for what some check lets pass. */
const announcements = [
  [0xff],
  [0xff, 0xff],
  [0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0x7f],
  [0x00, 0xf0, 0xff, 0xff],
  [0x00, 0x00, 0x00, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x00],
]
/** The heads, and lists behind them. */
const placesMax = 300

async function quietly(work: () => unknown): Promise<number> {
  return largestAllocation(() => {
    try {
      work()
    } catch (error) {
      assertRefusal(error)
    }
  })
}

describe('whatever is announced in', () => {
  for (const { name, values, encode, decode, reseal, bytesMax } of [...structures, ...wireStructures])
    test(
      name,
      async () => {
        for (const value of fc.sample(values, { numRuns: 2, seed: 7 })) {
          const sound = encode(value)
          const allowed = Math.max(bytesMax ?? 0, sound.length, bodyBytesMax) + frameHeadBytes
          for (let at = 0; at < Math.min(sound.length, placesMax); at++)
            for (const bytes of announcements)
              for (const isSealed of reseal ? [false, true] : [false]) {
                const announced = sound.slice()
                announced.set(bytes.slice(0, sound.length - at), at)
                if (isSealed) reseal!(announced)
                const largest = await quietly(() => decode(announced))
                if (largest > allowed)
                  expect([at, bytes, isSealed, largest]).toEqual([at, bytes, isSealed, allowed])
              }
        }
      },
      20_000,
    )
})

const uuid = '11111111-1111-4111-8111-111111111111'
const frame = encodeFrame({
  number: 0,
  cp: 1,
  volume: uuid,
  session: uuid,
  base: nowhere,
  epoch: { number: 1, id: new Uint8Array(8) },
  kind: 'error',
  code: 'older-epoch',
  detail: 'x'.repeat(300),
})

describe('the stream of frames', () => {
  test('makes room for no more than a body may have, before the checksum of the frame is known', async () => {
    for (let at = 0; at < frameHeadBytes; at++)
      for (const bytes of announcements) {
        const announced = frame.slice()
        announced.set(bytes.slice(0, frameHeadBytes - at), at)
        for (const chunk of [frameHeadBytes, frameHeadBytes + 1, announced.length]) {
          const largest = await quietly(() => [...new FrameStream().push(announced.subarray(0, chunk))])
          expect([at, bytes, largest <= frameHeadBytes + bodyBytesMax]).toEqual([at, bytes, true])
        }
      }
  })
  test('takes the largest lengths, and not one byte more', () => {
    const set = (field: 'bodyBytes' | 'packedBytes' | 'dataBytes', value: number, on = frame): Uint8Array => {
      const bytes = on.slice()
      new DataView(bytes.buffer).setUint32(frameLayout.at[field], value, true)
      return bytes
    }
    const largest = set('bodyBytes', bodyBytesMax, set('dataBytes', dataBytesMax))
    expect(frameLengths(largest)).toEqual({ body: bodyBytesMax, data: dataBytesMax })
    expect(frameLengths(set('packedBytes', bodyBytesMax - 1, largest)).body).toBe(bodyBytesMax - 1)
    for (const wrong of [
      set('bodyBytes', bodyBytesMax + 1),
      set('dataBytes', dataBytesMax + 4096),
      set('packedBytes', bodyBytesMax, largest),
      set('packedBytes', 300 + 1, frame),
      set('packedBytes', 2 ** 32 - 1),
    ])
      expect(() => frameLengths(wrong)).toThrow()
  })
  test('unpacks no more than a body may have', async () => {
    const { unpack, unpackUpTo } = await import('../../src/lib/zstd.ts')
    const bomb = packNow(new Uint8Array(64 * 2 ** 20))
    for (const length of [0, 1, bodyBytesMax]) expect(unpack(bomb, length)).toBeNull()
    expect(unpackUpTo(bomb, bodyBytesMax)).toBeNull()
    // The head of a stream may say less than what comes.
    const lying = packNow(new Uint8Array(70_000))
    new DataView(lying.buffer, lying.byteOffset).setUint32(5, 10, true)
    expect(unpackUpTo(lying, bodyBytesMax)).toBeNull()
  })
})
