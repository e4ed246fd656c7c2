/** Gates and lists that are full: what comes beyond is refused, waits, or is only counted, and room that comes is used. */
import { expect, test } from 'bun:test'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import type { BlockDevice, WriteRun } from '../../src/blockdev/block-device.ts'
import { Failures } from '../../src/cli/trees/tree-report.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { nowhere } from '../../src/format/wire/messages.ts'
import { UserError } from '../../src/lib/user-error.ts'
import { WritePipeline } from '../../src/replica/link/write-pipeline.ts'
import { MirrorApplier } from '../../src/replica/mirror/mirror-applier.ts'
import { Outbox } from '../../src/replica/primary/outbox.ts'
import { settled } from '../simulated/clock.ts'
import { newPrimary, open } from '../cp-engine/workload.ts'
import { heldBy } from './held.ts'

const mebibyte = 2 ** 20

test('records that leave early: no more are on their way than the device is to be kept busy with', async () => {
  const ends: (() => void)[] = []
  let isSlow = false
  class SlowDevice extends MemoryDevice {
    override async write(runs: readonly WriteRun[]): Promise<void> {
      if (isSlow) await new Promise<void>((resolve) => ends.push(resolve))
      await super.write(runs)
    }
  }
  const device = new SlowDevice()
  await newPrimary(device, 1, 96)
  const engine = await open(device, 2, { cpIntervalMs: 1e9 })
  isSlow = true
  const state = { made: 0 }
  const upload = async () => {
    const records = await engine.prepare(new Uint8Array(mebibyte).fill(1), 'write', { leavesEarly: true })
    state.made++
    return records
  }
  const uploads = Array.from({ length: 60 }, upload)
  const { queue } = engine as unknown as { queue: { leaving: object } }
  for (let waits = 0; waits < 20; waits++) await settled()
  expect(state.made).toBeGreaterThan(20)
  expect(state.made).toBeLessThanOrEqual(24)
  expect(heldBy(queue.leaving).bytes).toBeLessThanOrEqual(24 * mebibyte + 64 * 1024)
  // Each that ends lets another one in.
  while (state.made < 60 || ends.length > 0) {
    for (const end of ends.splice(0)) end()
    await settled()
    expect(heldBy(queue.leaving).bytes).toBeLessThanOrEqual(24 * mebibyte + 64 * 1024)
  }
  isSlow = false
  for (const records of await Promise.all(uploads)) engine.discard(records)
  await engine.close()
})

test('live commands for a slow mirror: what finds no room is refused, and costs nothing', () => {
  const outbox = new Outbox(mebibyte, () => undefined)
  const command = (address: number) => ({
    address,
    bytes: new Uint8Array(16 * blockBytes),
    sum: new Uint8Array(8),
    payloadBytes: 16 * blockBytes,
  })
  let taken = 0
  for (let i = 0; i < 100; i++) if (outbox.live(2, nowhere, [command(1000 + 16 * i)])) taken++
  expect([taken, outbox.bytes]).toEqual([16, mebibyte])
  expect(heldBy(outbox).bytes).toBeLessThanOrEqual(mebibyte + 64 * 1024)
  outbox.dropLive(2)
  expect(outbox.bytes).toBe(0)
  expect(outbox.live(3, nowhere, [command(1000)])).toBe(true)
})

test('blocks that come faster than a mirror writes: the one who brings them waits', async () => {
  const ends: (() => void)[] = []
  const device = { write: () => new Promise<void>((resolve) => ends.push(resolve)) }
  const pipeline = new WritePipeline(device as unknown as BlockDevice, mebibyte, {
    provide: () => Promise.resolve(0),
    onNoSpace: () => undefined,
    onFailed: (error) => {
      throw error
    },
  })
  let put = 0
  const bring = async () => {
    for (; put < 4000; put++) {
      pipeline.put([{ address: 10 + put, bytes: new Uint8Array(blockBytes) }])
      await pipeline.room()
    }
  }
  const state = { isOver: false }
  const all = bring()
    .then(() => pipeline.drained())
    .then(() => (state.isOver = true))
  let largest = 0
  for (let waits = 0; !state.isOver; waits++) {
    for (let i = 0; i < 10; i++) await settled()
    largest = Math.max(largest, heldBy(pipeline, [device]).bytes)
    for (const end of ends.splice(0)) end()
    expect(waits).toBeLessThan(4000)
  }
  await all
  // What is being written, what waits, and the one that waits for room.
  expect(largest).toBeGreaterThan(mebibyte / 2)
  expect(largest).toBeLessThan(2.5 * mebibyte)
  expect(heldBy(pipeline, [device]).bytes).toBe(0)
})

test('answers that no primary takes: the newest are kept', () => {
  const applier = { answers: [] as Uint8Array[], listeners: new Set<() => void>() }
  const { answer } = MirrorApplier.prototype as unknown as {
    answer(this: typeof applier, frame: Uint8Array): void
  }
  for (let i = 0; i < 1000; i++) answer.call(applier, new Uint8Array([i & 255, i >> 8]))
  expect(applier.answers.length).toBe(256)
  expect([...applier.answers.at(-1)!]).toEqual([999 & 255, 999 >> 8])
})

test('entries that fail: the first are listed, all are counted', async () => {
  const failures = new Failures()
  for (let i = 0; i < 1000; i++)
    await failures.gather(`f${i}`, () => Promise.reject(new UserError('it is odd')))
  expect([failures.total, failures.list.length, failures.list[0]!.path]).toEqual([1000, 100, 'f0'])
})
