/** When the log is idle an empty group says that the last one is synced; a seal is never in anybody's way. */
import { VirtualClock, settled, stateOf, stillClock } from '../../simulated/clock.ts'
import { expect, test } from 'bun:test'
import { DeviceError } from '../../../src/blockdev/block-device.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import type { IntentLog } from '../../../src/cp-engine/log/intent-log.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { keyOf, newPrimary, open } from '../workload.ts'
import * as written from './written-log.ts'

/** Its durable writes end when the test says so, once it holds them. */
class HeldDevice extends MemoryDevice {
  isHeld = false
  fails = false
  begun = 0
  private readonly held: (() => void)[] = []

  override async writeDurable(address: number, buffers: readonly Uint8Array[]): Promise<void> {
    this.begun++
    if (this.fails) throw new DeviceError('the write failed')
    if (this.isHeld) await new Promise<void>((resolve) => this.held.push(resolve))
    await super.writeDurable(address, buffers)
  }

  async letGo(): Promise<void> {
    for (const resolve of this.held.splice(0)) resolve()
    await settled()
  }
}

class Bench {
  readonly device = new HeldDevice(written.geometry.logAddress + written.geometry.logBlocks)
  readonly clock = new VirtualClock()
  readonly start = written.startAt(0)
  readonly log: IntentLog
  readonly failures: unknown[] = []
  isFenced = false
  private sequence = 0

  constructor() {
    const { device, clock } = this
    const failed = (error: unknown) => {
      this.failures.push(error)
      this.log.stop()
    }
    this.log = written.newLog(this.start, { device, clock, failed, isFenced: () => this.isFenced })
  }

  write(): Promise<void> {
    written.append(this.log, written.small(++this.sequence))
    return this.log.reach(this.sequence)
  }

  publish(sequence: number): void {
    this.log.published(sequence, this.log.mark())
  }

  async groups(): Promise<number[]> {
    const { groups, behind, atEnd } = await written.readLog(this.device, this.start)
    expect([behind, atEnd]).toEqual([[], { isWhole: true }])
    return groups.map(({ records }) => records.length)
  }
}

test('an idle log seals its last group, once', async () => {
  const bench = new Bench()
  await bench.clock.advance(1000)
  expect(await bench.groups()).toEqual([])
  await bench.write()
  await bench.clock.advance(19)
  expect(await bench.groups()).toEqual([1])
  await bench.clock.advance(1)
  expect(await bench.groups()).toEqual([1, 0])
  await bench.clock.advance(10_000)
  expect(await bench.groups()).toEqual([1, 0])
  await bench.write()
  await bench.write()
  await bench.clock.advance(20)
  expect(await bench.groups()).toEqual([1, 0, 1, 1, 0])
  expect(bench.clock.timers).toBe(0)
})

test('a busy log is never sealed, and has one timer', async () => {
  const bench = new Bench()
  for (let i = 0; i < 100; i++) {
    await bench.write()
    expect(bench.clock.timers).toBe(1)
    await bench.clock.advance(7)
  }
  expect(await bench.groups()).toEqual(Array.from({ length: 100 }, () => 1))
  await bench.clock.advance(13)
  expect((await bench.groups()).length).toBe(101)
})

test('nothing is said of a group that is still being written, however long that takes', async () => {
  const bench = new Bench()
  await bench.write()
  bench.device.isHeld = true
  await bench.clock.advance(10)
  const second = bench.write()
  await settled()
  expect(bench.device.begun).toBe(2)
  await bench.clock.advance(500)
  expect([bench.device.begun, await stateOf(second)]).toEqual([2, 'waiting'])
  await bench.device.letGo()
  await second
  bench.device.isHeld = false
  await bench.clock.advance(20)
  expect(await bench.groups()).toEqual([1, 1, 0])
})

test('an operation that comes while a seal is being written goes behind it', async () => {
  const bench = new Bench()
  await bench.write()
  bench.device.isHeld = true
  await bench.clock.advance(20)
  const second = bench.write()
  expect([bench.device.begun, await stateOf(second)]).toEqual([2, 'waiting'])
  bench.device.isHeld = false
  await bench.device.letGo()
  await second
  expect(await bench.groups()).toEqual([1, 0, 1])
})

test('a group whose operations a CP has is not sealed; one that has more is', async () => {
  const bench = new Bench()
  await bench.write()
  bench.publish(1)
  await bench.clock.advance(1000)
  expect(bench.device.begun).toBe(1)
  await bench.write()
  await bench.write()
  bench.publish(2)
  await bench.clock.advance(1000)
  expect(bench.device.begun).toBe(4)
})

test('a ring without room besides what is reserved is not sealed', async () => {
  const bench = new Bench()
  const blocks = written.ringBytes / blockBytes
  for (let i = 1; i < blocks; i++) await bench.write()
  // The last block is for an operation that nobody has flushed yet.
  expect(written.append(bench.log, written.small(blocks))).toBe(true)
  await bench.clock.advance(1000)
  expect(bench.device.begun).toBe(blocks - 1)
  await bench.log.reach(blocks)
  expect(await bench.groups()).toEqual(Array.from({ length: blocks }, () => 1))
})

test('a failed seal poisons, and a poisoned, fenced or closed log seals nothing', async () => {
  const failing = new Bench()
  await failing.write()
  failing.device.fails = true
  await failing.clock.advance(20)
  expect(failing.failures).toHaveLength(1)
  await failing.write()
  await failing.clock.advance(1000)
  expect(failing.device.begun).toBe(2)

  for (const end of [
    (bench: Bench) => bench.log.stop(),
    (bench: Bench) => void (bench.isFenced = true),
    (bench: Bench) => bench.log.close(),
  ]) {
    const bench = new Bench()
    await bench.write()
    await end(bench)
    await bench.clock.advance(1000)
    expect([bench.device.begun, bench.clock.timers]).toEqual([1, 0])
  }
})

test('closing waits for a seal that is on its way, and for no timer', async () => {
  const bench = new Bench()
  await bench.write()
  expect(await stateOf(bench.log.close())).toEqual({ value: undefined })
  const other = new Bench()
  await other.write()
  other.device.isHeld = true
  await other.clock.advance(20)
  const closing = other.log.close()
  expect(await stateOf(closing)).toBe('waiting')
  await other.device.letGo()
  await closing
})

test('an engine seals what it has acknowledged, and stops with nothing on its way', async () => {
  const device = new HeldDevice()
  await newPrimary(device, 1)
  const clock = new VirtualClock()
  const engine = await open(device, 2, { clock, cpIntervalMs: 1e9 })
  const put = async (n: number) =>
    engine.reach(await engine.run((tx) => tx.put(keyOf(n), Uint8Array.of(0, n))), 'logged')
  await put(1)
  await clock.advance(19)
  expect(device.begun).toBe(1)
  await clock.advance(1)
  expect(device.begun).toBe(2)
  // A fence writes a superblock, and no seal comes behind it.
  await put(2)
  await engine.fence()
  await clock.advance(1000)
  expect(device.begun).toBe(3)
  await engine.close()
  expect(clock.timers).toBe(0)

  const next = await open(device.reopened(), 3, { clock: stillClock })
  expect(next.recovery).toMatchObject({ replayed: 0, log: 'clean', lost: [] })
  await next.close()
})
