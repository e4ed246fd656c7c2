/** Every way of reading a record gives the same bytes, from the queue and from the device, and nothing that is wrong. */
import { describe, expect, test } from 'bun:test'
import { DeviceError } from '../../../src/blockdev/block-device.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { PartSums } from '../../../src/cp-engine/records/part-sums.ts'
import { RecordReader, newScratch } from '../../../src/cp-engine/records/record-reader.ts'
import { encodeRecord } from '../../../src/cp-engine/records/records.ts'
import { blockBytes, recordBytesMax } from '../../../src/format/geometry.ts'
import type { BlockPointer, RecordSums } from '../../../src/format/pointer.ts'
import { seededRandom } from '../../../src/lib/random.ts'

const sums: RecordSums = { kind: 'xxh3', seed: 3 }

/** Reads at once are refused, and a read in its time fails when told to. */
class SlowDevice extends MemoryDevice {
  isBroken = false
  override readNow(): boolean {
    return false
  }
  override async read(address: number, target: Uint8Array): Promise<void> {
    if (this.isBroken) throw new DeviceError('it is broken')
    this.readSync(address, target)
  }
}

/** Gives all at once, and counts who waits. */
class QuickDevice extends MemoryDevice {
  waits = 0
  override read(address: number, bytes: Uint8Array): Promise<void> {
    this.waits++
    return super.read(address, bytes)
  }
}

async function setUp(device: MemoryDevice, bytes: number) {
  const raw = seededRandom(1).bytes(bytes)
  const { pointer, command } = encodeRecord({ bytes: raw, encoding: 'raw' }, 5, sums)
  const place = { device, partSums: new PartSums(), scratch: newScratch() }
  return { raw, pointer, command, place }
}

const target = new Uint8Array(2 ** 21)
const ways: readonly (readonly [
  name: string,
  read: (reader: RecordReader, pointer: BlockPointer) => Promise<Uint8Array | null> | Uint8Array | null,
])[] = [
  ['whole', (reader, pointer) => reader.whole(pointer)],
  ['whole, at once', (reader, pointer) => reader.wholeNow(pointer, target)?.slice() ?? null],
  ['a part', (reader, pointer) => reader.part(pointer, 0, pointer.payloadBytes)],
  [
    'a part, at once',
    (reader, pointer) => reader.partNow(pointer, 0, pointer.payloadBytes, target)?.slice() ?? null,
  ],
  [
    'as a run',
    async (reader, pointer) =>
      (await reader.run([pointer], target.subarray(0, pointer.blocks * blockBytes)))[0]!,
  ],
]

describe.each(ways)('%s', (_name, read) => {
  test('from the device', async () => {
    const device = new MemoryDevice(64)
    const { raw, pointer, command, place } = await setUp(device, 20_000)
    await device.write([command])
    expect(await read(new RecordReader(place, sums), pointer)).toEqual(raw)
  })

  test('from the queue, where the device has something else', async () => {
    const device = new MemoryDevice(64)
    const { raw, pointer, command, place } = await setUp(device, 20_000)
    await device.write([
      { address: pointer.address, bytes: new Uint8Array(pointer.blocks * blockBytes).fill(9) },
    ])
    const queued = ({ address }: BlockPointer) => (address === pointer.address ? command.bytes : null)
    expect(await read(new RecordReader(place, sums, queued), pointer)).toEqual(raw)
  })

  test('wrong bytes are an error', async () => {
    const device = new MemoryDevice(64)
    const { pointer, command, place } = await setUp(device, 20_000)
    const wrong = command.bytes.slice()
    wrong[100]! ^= 1
    await device.write([{ address: pointer.address, bytes: wrong }])
    const reading = (async () => read(new RecordReader(place, sums), pointer))()
    await expect(reading).rejects.toMatchObject({ code: 'corrupt' })
  })

  test('behind the end of the device nothing is read', async () => {
    const device = new MemoryDevice(64)
    const { pointer, place } = await setUp(device, 20_000)
    const beyond = { ...pointer, address: 62 }
    const reading = (async () => read(new RecordReader(place, sums), beyond))()
    await expect(reading).rejects.toMatchObject({ code: 'corrupt' })
  })
})

test('a part that the device gives at once is not waited for', async () => {
  const device = new QuickDevice(64)
  const { raw, pointer, command, place } = await setUp(device, 20_000)
  await device.write([command])
  const reader = new RecordReader(place, sums)
  // The second time round, sums of the parts are known.
  for (let round = 0; round < 2; round++)
    for (const [start, end] of [
      [0, 100],
      [5000, 9000],
    ] as const)
      expect(await reader.part(pointer, start, end)).toEqual(raw.slice(start, end))
  expect(device.waits).toBe(0)
})

test('nor is a part whose sums are known, of a record that is large', async () => {
  const device = new QuickDevice(64)
  const { raw, pointer, command, place } = await setUp(device, 100_000)
  await device.write([command])
  const reader = new RecordReader(place, sums)
  const part = async () => expect(await reader.part(pointer, 5000, 9000)).toEqual(raw.slice(5000, 9000))
  await part()
  const { waits } = device
  await part()
  expect(device.waits).toBe(waits)
})

test('what would have to wait is not read at once', async () => {
  const device = new SlowDevice(64)
  const { pointer, command, place, raw } = await setUp(device, 20_000)
  await device.write([command])
  const reader = new RecordReader(place, sums)
  expect(reader.wholeNow(pointer, target)).toBeNull()
  expect(reader.partNow(pointer, 0, 10, target)).toBeNull()
  const part = await reader.part(pointer, 0, 10)
  // What was read into is somebody else's by now.
  place.scratch.take(recordBytesMax).fill(9)
  expect(part).toEqual(raw.slice(0, 10))
})

test('a buffer that a failed read may still fill is not used again', async () => {
  const device = new SlowDevice(64)
  const { pointer, command, place } = await setUp(device, 100_000)
  await device.write([command])
  const reader = new RecordReader(place, sums)
  await reader.part(pointer, 0, 10)
  expect(place.scratch.restingBytes).toBeGreaterThan(0)
  device.isBroken = true
  await expect(reader.part({ ...pointer, address: 6 }, 0, 10)).rejects.toThrow('it is broken')
  expect([place.scratch.restingBytes, place.scratch.lent]).toEqual([0, 0])
})

test.each([
  ['at once', MemoryDevice],
  ['in its time', SlowDevice],
] as const)(
  'a part that the device gives %s is its own: what is read later does not change it',
  async (_, Device) => {
    const device = new Device(128)
    const { place } = await setUp(device, 0)
    const reader = new RecordReader(place, sums)
    const records = []
    for (const [seed, address, bytes] of [
      [1, 5, 100_000],
      [2, 40, 100_000],
      [3, 70, 5_000],
    ] as const) {
      const raw = seededRandom(seed).bytes(bytes)
      const { pointer, command } = encodeRecord({ bytes: raw, encoding: 'raw' }, address, sums)
      await device.write([command])
      records.push({ raw, pointer })
    }
    const parts = []
    // The second time round, sums of their parts are known.
    for (const start of [0, 4000, 0])
      for (const { raw, pointer } of records)
        parts.push({
          part: await reader.part(pointer, start, start + 900),
          right: raw.subarray(start, start + 900),
        })
    for (const { part, right } of parts) expect(Buffer.compare(part, right)).toBe(0)
  },
)
