/** Reading a part of a record that has been verified whole: only that part is read, and nothing wrong is ever given. */
import { describe, expect, test } from 'bun:test'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { PartSums } from '../../../src/cp-engine/records/part-sums.ts'
import { RecordReader, newScratch } from '../../../src/cp-engine/records/record-reader.ts'
import { encodeRecord } from '../../../src/cp-engine/records/records.ts'
import { blockBytes, recordBytesMax } from '../../../src/format/geometry.ts'
import type { BlockPointer, RecordSums } from '../../../src/format/pointer.ts'
import { StillpointError } from '../../../src/lib/errors.ts'
import { seededRandom } from '../../../src/lib/random.ts'

const xxh3: RecordSums = { kind: 'xxh3', seed: 77 }
const sha256: RecordSums = { kind: 'sha256', seed: 0 }

/** Counts what is read. */
class Counted extends MemoryDevice {
  bytesRead = 0
  override readSync(address: number, target: Uint8Array): void {
    this.bytesRead += target.length
    super.readSync(address, target)
  }
}

async function stored(bytes: number, address = 5, sums = xxh3, seed = 1) {
  const device = new Counted(2048)
  const raw = seededRandom(seed).bytes(bytes)
  const { pointer, command } = encodeRecord({ bytes: raw, encoding: 'raw' }, address, sums)
  await device.write([command])
  return { device, raw, pointer }
}

async function flip(device: MemoryDevice, pointer: BlockPointer, at: number): Promise<void> {
  const address = pointer.address + Math.floor(at / blockBytes)
  const block = new Uint8Array(blockBytes)
  device.readSync(address, block)
  block[at % blockBytes]! ^= 4
  await device.write([{ address, bytes: block }])
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: unknown) => (error instanceof StillpointError ? error.code : String(error)),
  )

/** Filled by every read, as everybody's is. */
const shared = new Uint8Array(recordBytesMax)
const scratch = newScratch()
const reader = (device: MemoryDevice, partSums: PartSums, sums = xxh3) =>
  new RecordReader({ device, partSums, scratch }, sums)
const inItsTime: typeof atOnce = (device, pointer, sums, start, end, partSums) =>
  reader(device, partSums, sums).part(pointer, start, end)
const atOnce = async (
  device: MemoryDevice,
  pointer: BlockPointer,
  sums: RecordSums,
  start: number,
  end: number,
  partSums: PartSums,
): Promise<Uint8Array> => reader(device, partSums, sums).partNow(pointer, start, end, shared)!.slice()

const sizes = [65_537, 200_000, 262_144, 300_000, 1_000_000, 2 ** 20]
const ways = [
  ['in its time', inItsTime],
  ['at once', atOnce],
] as const
const cases = sizes.flatMap((bytes) => ways.map(([way, readPart]) => [bytes, way, readPart] as const))

describe.each(cases)('a record of %i bytes, %s', (bytes, _, readPart) => {
  test('is the same in parts, and less of it is read', async () => {
    const { device, raw, pointer } = await stored(bytes)
    const partSums = new PartSums()
    const random = seededRandom(bytes)
    for (let i = 0; i < 200; i++) {
      const start = random.below(bytes)
      const end = Math.min(bytes, start + 1 + random.below(Math.floor(bytes / 2)))
      device.bytesRead = 0
      const part = await readPart(device, pointer, xxh3, start, end, partSums)
      expect(Buffer.compare(part, raw.subarray(start, end))).toBe(0)
      const size = Math.max(16_384, 2 ** Math.ceil(Math.log2(bytes / 16)))
      const extent = (Math.ceil(end / size) - Math.floor(start / size)) * size
      if (i > 0 && extent <= 262_144) expect(device.bytesRead).toBeLessThanOrEqual(extent)
    }
  })

  test('a flipped bit is an error where it is wanted, and nowhere else', async () => {
    const { device, raw, pointer } = await stored(bytes)
    const partSums = new PartSums()
    await readPart(device, pointer, xxh3, 0, 10, partSums)
    for (const at of [0, 16_383, 16_384, 32_767, 32_768, 65_535, 65_536, bytes - 1]) {
      await flip(device, pointer, at)
      const from = Math.max(0, at - 5)
      expect(await codeOf(readPart(device, pointer, xxh3, from, at + 1, partSums))).toBe('corrupt')
      await flip(device, pointer, at)
      const part = await readPart(device, pointer, xxh3, from, at + 1, partSums)
      expect(Buffer.compare(part, raw.subarray(from, at + 1))).toBe(0)
    }
  })
})

test('another record at the same address is not mistaken for it', async () => {
  const { device, pointer } = await stored(262_144)
  const partSums = new PartSums()
  await inItsTime(device, pointer, xxh3, 0, 10, partSums)
  const raw = seededRandom(2).bytes(262_144)
  const next = encodeRecord({ bytes: raw, encoding: 'raw' }, pointer.address, xxh3)
  await device.write([next.command])
  expect(await codeOf(inItsTime(device, pointer, xxh3, 70_000, 70_010, partSums))).toBe('corrupt')
  const part = await inItsTime(device, next.pointer, xxh3, 70_000, 70_010, partSums)
  expect(Buffer.compare(part, raw.subarray(70_000, 70_010))).toBe(0)
  expect(await codeOf(inItsTime(device, pointer, xxh3, 70_000, 70_010, partSums))).toBe('corrupt')
})

test('many records share the places, and stay themselves', async () => {
  const device = new MemoryDevice(70_000)
  const partSums = new PartSums()
  const raw = seededRandom(3).bytes(66_000)
  const pointers: BlockPointer[] = []
  for (let address = 0; address + 17 < 70_000; address += 17) {
    raw[0] = address
    raw[65_999] = address >> 8
    const { pointer, command } = encodeRecord({ bytes: raw, encoding: 'raw' }, address, xxh3)
    await device.write([command])
    pointers.push(pointer)
  }
  for (let round = 0; round < 3; round++) {
    for (const pointer of pointers) {
      const [first] = await inItsTime(device, pointer, xxh3, 0, 1, partSums)
      const [last] = await inItsTime(device, pointer, xxh3, 65_999, 66_000, partSums)
      expect([first, last]).toEqual([pointer.address & 255, (pointer.address >> 8) & 255])
    }
  }
})

test('at once, nothing is read that has no room, or that the device would have to wait for', async () => {
  const { device, raw, pointer } = await stored(262_144)
  const partSums = new PartSums()
  const read = (target: Uint8Array) => reader(device, partSums).partNow(pointer, 20_000, 20_010, target)
  expect(read(new Uint8Array(262_144 - blockBytes))).toBeNull()
  expect(device.bytesRead).toBe(0)
  expect(read(new Uint8Array(262_144))).toEqual(raw.slice(20_000, 20_010))
  device.bytesRead = 0
  expect(read(new Uint8Array(16_384))).toEqual(raw.slice(20_000, 20_010))
  expect(device.bytesRead).toBe(16_384)
  expect(read(new Uint8Array(blockBytes))).toBeNull()
  device.readNow = () => false
  expect(read(new Uint8Array(262_144))).toBeNull()
})

test('where sums hold against malice every record is read whole', async () => {
  const { device, raw, pointer } = await stored(262_144, 5, sha256)
  const partSums = new PartSums()
  for (let i = 0; i < 2; i++) {
    device.bytesRead = 0
    const part = await inItsTime(device, pointer, sha256, 100, 200, partSums)
    expect(Buffer.compare(part, raw.subarray(100, 200))).toBe(0)
    expect(device.bytesRead).toBe(262_144)
  }
})
