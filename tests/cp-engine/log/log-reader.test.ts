/** What is appended to the log is read back, wherever in the ring it lies; and what stands behind damage is named. */
import { VirtualClock, settled } from '../../simulated/clock.ts'
import { expect, test } from 'bun:test'
import type { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import type { LogRecord } from '../../../src/format/disk/log-record.ts'
import type { LogStart } from '../../../src/format/disk/superblock.ts'
import { logGroupLayout, logGroupHeadBytes } from '../../../src/format/disk/log-group.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { sha256 } from '../../../src/lib/checksum.ts'
import * as written from './written-log.ts'

const { ringBytes } = written

interface Written {
  readonly device: MemoryDevice
  readonly start: LogStart
  readonly records: readonly LogRecord[]
  /** Where each group begins. */
  readonly positions: readonly number[]
}

/** Groups from a place in the ring on, until so many bytes of it are in use. */
async function write(position: number, bytes: number): Promise<Written> {
  const device = written.newDevice()
  const start = written.startAt(position)
  const log = written.newLog(start, { device })
  const records: LogRecord[] = []
  const positions: number[] = []
  let sequence = 0
  while (log.mark().position - position < bytes) {
    positions.push(log.mark().position)
    // The first goes alone, the others share the next group.
    for (let i = written.random.below(4); i >= 0; i--) {
      const count = 1 + written.random.below(3)
      const next = written.record(sequence + count, count)
      if (!written.append(log, next)) break
      sequence += count
      records.push(next)
    }
    await log.reach(sequence)
  }
  return { device, start, records, positions }
}

test('every record comes back, from wherever the log began in the ring', async () => {
  for (const position of [0, ringBytes - blockBytes, 7 * ringBytes + 1_130_496, ringBytes / 2]) {
    const { device, start, records } = await write(position, ringBytes * 0.6)
    const read = await written.readLog(device, start)
    expect(read.records).toEqual([...records])
    expect([position, read.behind]).toEqual([position, []])
    expect(read.atEnd).toEqual({ isWhole: true })
  }
})

test('nothing behind damage is believed, and all of it is named', async () => {
  for (const position of [0, ringBytes - 40 * blockBytes]) {
    const { device, start, records, positions } = await write(position, ringBytes * 0.5)
    const damaged = positions.findIndex((at) => at > position + ringBytes / 6)
    const at = positions[damaged]!
    await written.damage(device, at, 3000)
    const read = await written.readLog(device, start)
    expect(read.end.position).toBe(at)
    expect(read.records).toEqual(records.slice(0, read.records.length))
    const { sequence } = read.records.at(-1)!
    // The head is whole, and says which operations are lost.
    expect(read.atEnd).toMatchObject({ isWhole: false, head: { firstSequence: sequence + 1 } })
    expect(read.behind.length).toBeGreaterThanOrEqual(positions.length - damaged - 1)
    for (const group of read.behind) {
      expect(group.position).toBeGreaterThan(at)
      expect(group.firstSequence).toBeGreaterThan(sequence)
    }
  }
})

/** Two groups of one block with an operation each, the first sealed: three blocks. */
async function sealed(): Promise<Written> {
  const device = written.newDevice()
  const start = written.startAt(5 * blockBytes)
  const clock = new VirtualClock()
  const log = written.newLog(start, { device, clock })
  const records = [written.small(1), written.small(2)]
  for (const [i, record] of records.entries()) {
    written.append(log, record)
    await log.reach(record.sequence)
    if (i === 0) await clock.advance(20)
  }
  const positions = [5, 6, 7].map((n) => n * blockBytes)
  return { device, start, records, positions }
}

test('an empty group that is damaged, wherever, is made again from what is before it', async () => {
  const { device, start, records, positions } = await sealed()
  expect((await written.readLog(device, start)).groups.map(({ damage }) => damage)).toEqual([
    null,
    null,
    null,
  ])
  for (let at = 0; at < logGroupHeadBytes; at++) {
    await written.damage(device, positions[1]!, at)
    const read = await written.readLog(device, start)
    expect(read.records).toEqual([...records])
    expect(read.groups.map(({ damage }) => damage)).toEqual([null, 'empty group', null])
    expect([at, read.behind, read.atEnd]).toEqual([at, [], { isWhole: true }])
    await written.damage(device, positions[1]!, at)
  }
})

test('a group of records is never taken for an empty one', async () => {
  const { device, start, positions } = await sealed()
  await written.damage(device, positions[0]!, 20)
  const read = await written.readLog(device, start)
  expect(read.groups).toEqual([])
  expect(read.behind.map(({ position }) => position)).toEqual(positions.slice(1))
})

test('damaged padding costs nothing, and is told', async () => {
  const { device, start, records, positions } = await sealed()
  for (const [i, position] of positions.entries()) {
    await written.damage(device, position, 4000)
    const read = await written.readLog(device, start)
    expect(read.records).toEqual([...records])
    expect(read.groups.map(({ damage }) => damage)).toEqual(
      [0, 1, 2].map((n) => (n === i ? 'padding' : null)),
    )
    await written.damage(device, position, 4000)
  }
})

test('a group of a newer format is refused as that, and a flag that may be ignored is ignored', async () => {
  const { at } = logGroupLayout
  const change = async (byte: number, value: number) => {
    const { device, start, positions } = await sealed()
    const address = written.geometry.logAddress + positions[2]! / blockBytes
    const block = new Uint8Array(blockBytes)
    await device.read(address, block)
    block[byte]! ^= value
    block.set(sha256(block.subarray(0, at.sum)), at.sum)
    await device.write([{ address, bytes: block }])
    await settled()
    return written.readLog(device, start)
  }
  for (const [byte, value] of [
    [at.version, 3],
    [at.flags, 1],
    [at.flags + 1, 128],
  ] as const)
    await expect(change(byte, value)).rejects.toMatchObject({ code: 'newer-format' })
  for (const byte of [at.flags + 2, at.flags + 3]) expect((await change(byte, 1)).records).toHaveLength(2)
  // Of another volume, with the same nonce.
  expect((await change(at.volumeUuid, 1)).records).toHaveLength(1)
})
