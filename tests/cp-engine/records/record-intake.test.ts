/** What becomes of a record's blocks, by when it is given up: before it left, after, in its CP or in a later one. */
import { describe, expect, test } from 'bun:test'
import { makeGeometry } from '../../../src/format/geometry.ts'
import { Allocator } from '../../../src/cp-engine/space/allocator.ts'
import { OpenCp } from '../../../src/cp-engine/space/open-cp.ts'
import { Readers } from '../../../src/cp-engine/space/readers.ts'
import { asTheyCame, packedNow, zstd } from '../../../src/cp-engine/records/payloads.ts'
import { RecordIntake } from '../../../src/cp-engine/records/record-intake.ts'
import { WriteQueue } from '../../../src/cp-engine/records/write-queue.ts'
import type { PreparedRecord } from '../../../src/cp-engine/contract.ts'
import type { FaultPlan } from '../../simulated/faults.ts'
import { HeldOperations } from '../../simulated/scheduler.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { settled, stateOf } from '../../simulated/clock.ts'

const blockCount = 1536

function harness(faults: FaultPlan = () => undefined) {
  const held = new HeldOperations()
  const device = new SimulatedDevice({ blockCount, scheduler: held, faults })
  const allocator = new Allocator(makeGeometry(blockCount * 4096, 2 ** 20, 2 ** 20))
  allocator.extend(blockCount)
  const readers = new Readers()
  const queue = new WriteQueue(2 ** 26, readers)
  const state = { open: new OpenCp(1), isKept: false }
  const failures: unknown[] = []
  const left: number[] = []
  const intake = new RecordIntake({
    device,
    allocator,
    queue,
    sums: { kind: 'xxh3', seed: 1 },
    openCp: () => state.open,
    forget: () => {},
    leaving: (_cp, commands) => {
      left.push(...commands.map(({ address }) => address))
      return state.isKept
    },
    failed: (error) => void failures.push(error),
  })
  const releaseAll = async () => {
    while (held.release({ below: () => 0 })) await settled()
    await settled()
  }
  return { held, device, allocator, readers, queue, state, failures, left, intake, releaseAll }
}

const bytes = (length: number) => new Uint8Array(length).fill(5)

describe('record intake', () => {
  test('discarded before it left: its blocks are writable at once', () => {
    const { intake, allocator, queue, left } = harness()
    const free = allocator.writable
    const [record] = intake.prepare(bytes(20_000), { leavesEarly: false })
    expect(allocator.writable).toBe(free - 5)
    intake.discard(record!)
    expect([allocator.writable, queue.bytes, left.length]).toEqual([free, 0, 0])
  })

  test('discarded after it left: its blocks rest until the open CP has been published', async () => {
    const { intake, allocator, state, left, releaseAll } = harness()
    const free = allocator.writable
    const [record] = intake.prepare(bytes(100_000), { leavesEarly: true })
    expect(left).toEqual([record!.pointer.address])
    intake.discard(record!)
    expect(allocator.writable).toBe(free - 25)
    await releaseAll()
    expect(allocator.writable).toBe(free - 25)
    expect(state.open.spent).toMatchObject([{ address: record!.pointer.address, blocks: 25 }])
    expect(state.open.growth).toBe(0)
  })

  test('replaced in its own CP: coalesced when it had not left, resting when it had', () => {
    const { intake, allocator, queue, state } = harness()
    const free = allocator.writable
    const [queued] = intake.prepare(bytes(9000), { leavesEarly: false })
    const [early] = intake.prepare(bytes(9000), { leavesEarly: true })
    for (const record of [queued!, early!]) intake.use(record)
    expect(state.open.growth).toBe(6)
    for (const record of [queued!, early!]) intake.free(record.pointer)
    expect(allocator.writable).toBe(free - 3)
    expect(state.open.spent).toMatchObject([{ address: early!.pointer.address }])
    expect([...state.open.bornBlocks(), ...state.open.freedBlocks()]).toEqual([])
    expect(queue.seal()).toMatchObject({ commands: [], coalesced: 1 })
  })

  test('replaced in a later CP, published or being written: freed by that CP, and not writable', () => {
    const { intake, allocator, queue, state } = harness()
    const free = allocator.writable
    const [record] = intake.prepare(bytes(9000), { leavesEarly: false })
    intake.use(record!)
    queue.seal()
    state.open = new OpenCp(2)
    intake.free(record!.pointer)
    expect([...state.open.freedBlocks()]).toEqual([{ address: record!.pointer.address, blocks: 3 }])
    expect(allocator.writable).toBe(free - 3)
    expect(queue.find(record!.pointer)).not.toBeNull()
  })

  test('a seal waits for the writes that have begun, also of what was discarded; a failed one is heard of', async () => {
    const good = harness()
    const [record] = good.intake.prepare(bytes(100_000), { leavesEarly: true })
    good.intake.discard(record!)
    const writes = good.intake.inFlight()
    expect(await stateOf(writes)).toBe('waiting')
    await good.releaseAll()
    expect(await stateOf(writes)).toHaveProperty('value')
    expect(good.failures).toEqual([])

    const bad = harness(({ kind }) => (kind === 'write' ? { kind: 'error' } : undefined))
    bad.intake.prepare(bytes(100_000), { leavesEarly: true })
    const failing = bad.intake.inFlight()
    const outcome = failing.catch((error: unknown) => error)
    await bad.releaseAll()
    expect(String(await outcome)).toContain('the write failed')
    expect(bad.failures).toHaveLength(1)
  })

  test('records of one buffer lie in one run, and the buffer is free when nobody else has it', async () => {
    const outcome = async (
      use: (h: ReturnType<typeof harness>, addresses: readonly PreparedRecord[]) => void,
      faults?: FaultPlan,
    ) => {
      const h = harness(faults)
      const told: boolean[] = []
      const content = Uint8Array.from({ length: 150_000 }, (_, i) => i % 251)
      const onWritten = (isFree: boolean) => void told.push(isFree)
      const records = h.intake.prepare(content, { leavesEarly: true, recordBytes: 65_536, onWritten })
      const [first] = records
      expect(records.map(({ offset, length }) => [offset, length])).toEqual([
        [0, 65_536],
        [65_536, 65_536],
        [131_072, 18_928],
      ])
      expect(records.map(({ pointer }) => pointer.address - first!.pointer.address)).toEqual([0, 16, 32])
      expect(h.left).toEqual(records.map(({ pointer }) => pointer.address))
      use(h, records)
      expect(told).toEqual([])
      await h.releaseAll()
      return { ...h, told }
    }
    expect((await outcome(() => {})).told).toEqual([true])
    const discarded = await outcome(({ intake }, records) => {
      for (const record of records) intake.discard(record)
    })
    expect(discarded.told).toEqual([true])
    const seen = await outcome(({ queue }, records) => void queue.find(records[1]!.pointer))
    expect(seen.told).toEqual([false])
    const failing: FaultPlan = ({ kind }) => (kind === 'write' ? { kind: 'error' } : undefined)
    const failed = await outcome(() => {}, failing)
    expect([failed.told, failed.failures.length]).toEqual([[false], 1])

    const kept = harness()
    kept.state.isKept = true
    const told: boolean[] = []
    kept.intake.prepare(bytes(9000), { leavesEarly: true, onWritten: (isFree) => void told.push(isFree) })
    await kept.releaseAll()
    expect(told).toEqual([false])
  })

  test('payloads that are shorter than their bytes lie in one run, and take no more than they need', () => {
    const { intake, allocator } = harness()
    const free = allocator.writable
    const [compact] = packedNow(zstd, asTheyCame(bytes(65_536), 65_536))
    const payloads = [0, 65_536].map((offset) => ({ ...compact!, offset }))
    const records = intake.prepare(bytes(131_072), { leavesEarly: false }, payloads)
    expect(free - allocator.writable).toBe(2)
    const [first, second] = records
    expect(second).toMatchObject({ offset: 65_536, length: 65_536 })
    expect(second!.pointer).toEqual({ ...first!.pointer, address: first!.pointer.address + 1 })
    expect(first!.pointer).toMatchObject({ encoding: 'zstd', blocks: 1, payloadBytes: compact!.bytes.length })
    for (const record of records) intake.discard(record)
    expect(allocator.writable).toBe(free)
  })

  test('zeros become no record, and are written nowhere: nobody waits for them', async () => {
    const { intake, allocator, queue, left, device, releaseAll } = harness()
    const free = allocator.writable
    const told: boolean[] = []
    const onWritten = (isFree: boolean) => void told.push(isFree)
    expect(intake.prepare(new Uint8Array(2 ** 20), { leavesEarly: true, onWritten })).toEqual([])
    expect(intake.prepare(new Uint8Array(100), { leavesEarly: false })).toEqual([])
    expect([told, allocator.writable, queue.bytes, left]).toEqual([[true], free, 0, []])

    const content = new Uint8Array(5 * 65_536)
    content[65_535] = 1
    content[3 * 65_536] = 1
    const records = intake.prepare(content, { leavesEarly: true, recordBytes: 65_536 })
    expect(records.map(({ offset, length }) => [offset, length])).toEqual([
      [0, 65_536],
      [3 * 65_536, 65_536],
    ])
    expect(records[1]!.pointer.address).toBe(records[0]!.pointer.address + 16)
    await releaseAll()
    expect(free - allocator.writable).toBe(32)
    const back = new Uint8Array(65_536)
    device.readSync(records[0]!.pointer.address, back)
    expect(back).toEqual(content.slice(0, 65_536))
  })

  test('a half of zeros, of bytes that have to be cut, is no record either', () => {
    const { intake, allocator } = harness()
    const taken: number[] = []
    for (let address = allocator.take('record', 1); address !== null; address = allocator.take('record', 1))
      taken.push(address)
    for (const address of taken.toSorted((a, b) => a - b))
      if (address % 3 !== 0) allocator.giveBack({ address, blocks: 1 })
    const free = allocator.writable
    for (const at of [0, 20_000, 65_535]) {
      const content = new Uint8Array(65_536)
      content[at] = 9
      const records = intake.prepare(content, { leavesEarly: false })
      expect(records).toHaveLength(1)
      const [{ offset, length }] = records as [PreparedRecord]
      expect(length).toBeLessThanOrEqual(8192)
      expect([offset % length, at >= offset && at < offset + length]).toEqual([0, true])
      intake.discard(records[0]!)
      expect(allocator.writable).toBe(free)
    }
  })

  test('free space without a long run: halves, each a record of its own, in order, nothing lost', () => {
    const { intake, allocator } = harness()
    const taken: number[] = []
    for (;;) {
      const address = allocator.take('record', 1)
      if (address === null) break
      taken.push(address)
    }
    // Runs of four with a block between them.
    for (const address of taken.toSorted((a, b) => a - b))
      if (address % 5 !== 0) allocator.giveBack({ address, blocks: 1 })
    const free = allocator.writable
    const content = Uint8Array.from({ length: 100_001 }, (_, i) => i % 251)
    // One that is packed and has no run either.
    const tooLong = asTheyCame(content.subarray(0, 40_000), 40_000)
    const whole = { ...tooLong[0]!, length: content.length }
    expect(allocator.take('record', 10)).toBeNull()
    const records = intake.prepare(content, { leavesEarly: false }, [whole])
    expect(records.length).toBeGreaterThan(6)
    let end = 0
    for (const { offset, length, pointer } of records) {
      expect([offset, pointer.payloadBytes]).toEqual([end, length])
      expect(pointer.blocks).toBeLessThanOrEqual(4)
      end += length
      // Every cut but the last is a power of two: a record covers such a span.
      if (end < content.length) expect(Math.log2(length) % 1).toBe(0)
      expect(intake.payloadOf({ pointer, offset, length })).toEqual(content.subarray(offset, offset + length))
    }
    expect(end).toBe(content.length)
    for (const record of records) intake.discard(record)
    expect(allocator.writable).toBe(free)
  })
})
