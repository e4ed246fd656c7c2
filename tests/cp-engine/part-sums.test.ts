/** Reading a part of a record that has been verified whole: only that part is read, and nothing wrong is ever given. */
import { describe, expect, test } from 'bun:test'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { PartSums } from '../../src/cp-engine/part-sums.ts'
import { encodeRecord, readRecordPart } from '../../src/cp-engine/records.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import type { BlockPointer, RecordSums } from '../../src/format/pointer.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { seededRandom } from '../../src/lib/random.ts'

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

describe.each([65_537, 200_000, 262_144, 300_000, 1_000_000, 2 ** 20])('a record of %i bytes', (bytes) => {
  test('is the same in parts, and less of it is read', async () => {
    const { device, raw, pointer } = await stored(bytes)
    const partSums = new PartSums()
    const random = seededRandom(bytes)
    for (let i = 0; i < 200; i++) {
      const start = random.below(bytes)
      const end = Math.min(bytes, start + 1 + random.below(Math.floor(bytes / 2)))
      device.bytesRead = 0
      const part = await readRecordPart(device, pointer, xxh3, start, end, partSums)
      expect(Buffer.compare(part, raw.subarray(start, end))).toBe(0)
      const size = Math.max(32_768, 2 ** Math.ceil(Math.log2(bytes / 8)))
      const extent = (Math.ceil(end / size) - Math.floor(start / size)) * size
      if (i > 0 && extent <= 262_144) expect(device.bytesRead).toBeLessThanOrEqual(extent)
    }
  })

  test('a flipped bit is an error where it is wanted, and nowhere else', async () => {
    const { device, raw, pointer } = await stored(bytes)
    const partSums = new PartSums()
    await readRecordPart(device, pointer, xxh3, 0, 10, partSums)
    for (const at of [0, 32_767, 32_768, 65_535, 65_536, bytes - 1]) {
      await flip(device, pointer, at)
      const from = Math.max(0, at - 5)
      expect(await codeOf(readRecordPart(device, pointer, xxh3, from, at + 1, partSums))).toBe('corrupt')
      await flip(device, pointer, at)
      const part = await readRecordPart(device, pointer, xxh3, from, at + 1, partSums)
      expect(Buffer.compare(part, raw.subarray(from, at + 1))).toBe(0)
    }
  })
})

test('another record at the same address is not mistaken for it', async () => {
  const { device, pointer } = await stored(262_144)
  const partSums = new PartSums()
  await readRecordPart(device, pointer, xxh3, 0, 10, partSums)
  const raw = seededRandom(2).bytes(262_144)
  const next = encodeRecord({ bytes: raw, encoding: 'raw' }, pointer.address, xxh3)
  await device.write([next.command])
  expect(await codeOf(readRecordPart(device, pointer, xxh3, 70_000, 70_010, partSums))).toBe('corrupt')
  const part = await readRecordPart(device, next.pointer, xxh3, 70_000, 70_010, partSums)
  expect(Buffer.compare(part, raw.subarray(70_000, 70_010))).toBe(0)
  expect(await codeOf(readRecordPart(device, pointer, xxh3, 70_000, 70_010, partSums))).toBe('corrupt')
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
      const [first] = await readRecordPart(device, pointer, xxh3, 0, 1, partSums)
      const [last] = await readRecordPart(device, pointer, xxh3, 65_999, 66_000, partSums)
      expect([first, last]).toEqual([pointer.address & 255, (pointer.address >> 8) & 255])
    }
  }
})

test('where sums hold against malice every record is read whole', async () => {
  const { device, raw, pointer } = await stored(262_144, 5, sha256)
  const partSums = new PartSums()
  for (let i = 0; i < 2; i++) {
    device.bytesRead = 0
    const part = await readRecordPart(device, pointer, sha256, 100, 200, partSums)
    expect(Buffer.compare(part, raw.subarray(100, 200))).toBe(0)
    expect(device.bytesRead).toBe(262_144)
  }
})
