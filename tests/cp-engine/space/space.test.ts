/**
 * Space: floors, growth, and what is done before `disk-full` is answered. A full volume is never a dead end: what was
 * deleted comes back, every time.
 */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { hasCode } from '../../../src/lib/errors.ts'
import { makeGeometry } from '../../../src/format/geometry.ts'
import { valueHead } from '../../../src/format/pointer.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import type { BlockDevice } from '../../../src/blockdev/block-device.ts'
import { Allocator } from '../../../src/cp-engine/space/allocator.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import type { PublishedRoot, SpaceFloor } from '../../../src/cp-engine/contract.ts'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { mapBlocksWorstCase } from '../../../src/cp-engine/space/map-builder.ts'
import { EngineVolume } from '../../../src/cp-engine/primary-volume.ts'
import { Space } from '../../../src/cp-engine/space/space.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { VirtualClock, stateOf } from '../../simulated/clock.ts'
import { itemsOf, keyOf, newPrimary, open } from '../workload.ts'

setDefaultTimeout(60_000)

const uuid = '00000000-0000-4000-8000-000000000001'

async function put(engine: CpEngine, n: number, bytes: number, floor: SpaceFloor = 'write'): Promise<void> {
  const records = await engine.prepare(new Uint8Array(bytes).fill(1 + (n % 250)), floor)
  await engine.run(
    (tx) => {
      // A record may be cut into more pointers than a value holds.
      for (const [i, record] of records.entries())
        tx.put(keyOf(n * 100 + i), valueHead([tx.use(record)], 'xxh3'))
    },
    { records, floor },
  )
}

async function untilFull(work: (n: number) => Promise<unknown>): Promise<number> {
  for (let n = 0; n < 3000; n++)
    try {
      await work(n)
    } catch (error) {
      if (hasCode(error, 'disk-full')) return n
      throw error
    }
  throw new Error('it is never full')
}

const fill = (engine: CpEngine, bytes: number) => untilFull((n) => put(engine, n, bytes))

async function remove(
  engine: CpEngine,
  keys: readonly Uint8Array[],
  floor: SpaceFloor = 'delete',
): Promise<void> {
  for (let i = 0; i < keys.length; i += 20)
    await engine.run((tx) => keys.slice(i, i + 20).forEach((key) => tx.delete(key)), { floor })
}

async function keysOf(engine: CpEngine): Promise<Uint8Array[]> {
  const view = engine.openView()
  const items = await itemsOf(view)
  view.release()
  return items.map(({ key }) => key)
}

/** Both slots name the newest root: nothing is kept that it does not use. */
async function quiet(engine: CpEngine): Promise<void> {
  await engine.requestCp('requested')
  for (let i = 0; i < 2; i++) await engine.writeSuperblock()
}

async function expectNothingLost(engine: CpEngine, device: BlockDevice): Promise<void> {
  await quiet(engine)
  const { writable, used, pending } = engine.space()
  expect(pending).toBe(0)
  expect(writable + used).toBe(device.blockCount - 16 - engine.volume.geometry.logBlocks)
  expect((await checkVolume(device)).findings).toEqual([])
}

async function smallVolume(mebibytes = 6, device: BlockDevice = new MemoryDevice()) {
  const clock = new VirtualClock()
  await newPrimary(device, 1, mebibytes)
  return { device, clock, engine: await open(device, 1, { clock }) }
}

/** Keeps nothing and lets nothing go. */
const nobody = { carrier: () => 0, mayRelease: () => false, holders: () => [], failed: () => {} }

describe('floors', () => {
  test('writes stop first, then deletes, then the reaper; below is what two CPs of every map page need', () => {
    const geometry = makeGeometry(64 * 2 ** 20, 2 ** 20, 2 ** 20)
    const allocator = new Allocator(geometry)
    allocator.extend(geometry.blocksMax)
    const space = new Space(allocator, new MemoryDevice(geometry.blocksMax), geometry, new VirtualClock(), {
      ...nobody,
      reclaim: () => Promise.resolve(),
    })
    const write = space.available('write')
    expect(space.available('delete')).toBeGreaterThan(write)
    expect(space.available('reclaim')).toBeGreaterThan(space.available('delete'))
    const last = allocator.writable - space.available('reclaim')
    expect(last).toBeGreaterThanOrEqual(2 * mapBlocksWorstCase(geometry.blocksMax))
    while (space.available('write') > 0) allocator.take('record', 1)
    expect(space.available('delete')).toBeGreaterThan(0)
  })

  test('on a full volume writing is refused, deleting goes on, and after it writing', async () => {
    const { engine, device } = await smallVolume()
    const files = await fill(engine, 12_000)
    expect(files).toBeGreaterThan(100)
    await expect(put(engine, 9000, 12_000)).rejects.toMatchObject({ code: 'disk-full' })
    // Also what needs no record.
    await untilFull((n) => engine.run((tx) => tx.put(keyOf(50_000 + n), new Uint8Array(500))))
    const before = await keysOf(engine)
    await remove(engine, before.slice(0, before.length / 2))
    await put(engine, 9000, 12_000)
    await remove(engine, await keysOf(engine))
    await expectNothingLost(engine, device)
    expect(engine.isPoisoned).toBe(false)
  })

  test('when deletes are refused, the reaper still goes on, and frees them', async () => {
    const { engine, device } = await smallVolume()
    await fill(engine, 30_000)
    // Eats what deletes would need.
    await untilFull((n) => put(engine, 500 + n, 4096, 'delete'))
    const keys = await keysOf(engine)
    await untilFull((n) =>
      engine.run((tx) => tx.put(keyOf(90_000 + n), Uint8Array.of(0)), { floor: 'delete' }),
    )
    await engine.runHidden((tx) => keys.slice(0, 20).forEach((key) => tx.delete(key)), { floor: 'reclaim' })
    await remove(engine, keys.slice(20))
    await put(engine, 1, 100_000)
    await remove(engine, await keysOf(engine))
    await expectNothingLost(engine, device)
  })

  test('a refused operation leaves nothing: no record, no block, no item', async () => {
    const { engine } = await smallVolume()
    await fill(engine, 12_000)
    await quiet(engine)
    const { writable, used } = engine.space()
    const keys = await keysOf(engine)
    for (let i = 0; i < 10; i++)
      await expect(put(engine, 9000 + i, 500_000)).rejects.toMatchObject({ code: 'disk-full' })
    expect(await keysOf(engine)).toEqual(keys)
    await quiet(engine)
    expect(engine.space()).toMatchObject({ writable, used, pending: 0 })
  })
})

describe('full and empty again', () => {
  test('twenty rounds on one volume, with restarts: nothing stuck, nothing lost', async () => {
    const first = await smallVolume()
    const { device, clock } = first
    let { engine } = first
    const counts: number[] = []
    for (let round = 0; round < 20; round++) {
      // Records of another length each time fragment what the last round has left.
      const bytes = [4000, 9000, 40_000, 70_000, 20_000][round % 5]!
      const left = await keysOf(engine)
      counts.push((await fill(engine, bytes)) * bytes)
      const keys = (await keysOf(engine)).filter((_, i) => round % 4 === 3 || i % 5 !== 0)
      await remove(engine, keys)
      expect(left.length).toBeLessThan(800)
      if (round % 3 === 0) {
        await engine.close()
        engine = await open(device, round, { clock })
      }
    }
    await remove(engine, await keysOf(engine))
    await expectNothingLost(engine, device)
    // As much fits in the last round as in the first of its kind.
    const empty = await fill(engine, 40_000)
    expect(empty * 40_000).toBeGreaterThan(2.5 * 2 ** 20)
    expect(Math.min(...counts)).toBeGreaterThan(2 ** 19)
  })

  test('a record finds room between others, in pieces', async () => {
    const { engine, device } = await smallVolume()
    await fill(engine, 4000)
    const keys = await keysOf(engine)
    await remove(
      engine,
      keys.filter((_, i) => i % 2 === 0),
    )
    await quiet(engine)
    // All of what may be written, in runs of a few blocks.
    const bytes = 400 * 4096
    const records = (
      await Promise.all([0, 1].map(() => engine.prepare(new Uint8Array(bytes / 2).fill(3))))
    ).flat()
    expect(records.length).toBeGreaterThan(10)
    expect(records.reduce((sum, { length }) => sum + length, 0)).toBe(bytes)
    let end = 0
    for (const { offset, length } of records) {
      expect(offset).toBe(end % (bytes / 2))
      end += length
    }
    engine.discard(records)
    await remove(engine, await keysOf(engine))
    await expectNothingLost(engine, device)
  })
})

describe('before disk-full', () => {
  test('what CPs will release is waited for, without a clock', async () => {
    const { engine } = await smallVolume()
    await fill(engine, 12_000)
    await engine.requestCp('requested')
    await remove(engine, await keysOf(engine))
    // Not published yet, and in the older slot after that.
    await put(engine, 1, 1_000_000)
    expect(engine.current().root.cp).toBeGreaterThan(0)
  })

  test('what left early and was given up comes back, also when nothing else has changed', async () => {
    const { engine, device } = await smallVolume()
    for (let round = 0; round < 10; round++) {
      const records = (
        await Promise.all([1, 2].map(() => engine.prepare(new Uint8Array(2 ** 20).fill(1))))
      ).flat()
      engine.discard(records)
    }
    await put(engine, 1, 2 ** 20)
    await expectNothingLost(engine, device)
  })

  test('a reader that holds space is waited for, five seconds at most', async () => {
    const { engine, clock } = await smallVolume()
    await fill(engine, 12_000)
    await engine.requestCp('requested')
    const view = engine.view(engine.current())
    await remove(engine, await keysOf(engine))
    const first = put(engine, 1, 1_000_000)
    const refused = first.catch((thrown: unknown) => thrown)
    await clock.advance(4900)
    expect(await stateOf(first)).toBe('waiting')
    await clock.advance(200)
    expect(await refused).toMatchObject({ code: 'disk-full' })
    const second = put(engine, 1, 1_000_000)
    await clock.advance(3000)
    expect(await stateOf(second)).toBe('waiting')
    view.release()
    await clock.advance(100)
    await second
  })

  test('a reader that keeps a CP for long is cut, and what it held comes back', async () => {
    const { engine, clock } = await smallVolume()
    await fill(engine, 12_000)
    const old = await engine.requestCp('requested')
    const pin = engine.pin(old)
    await remove(engine, await keysOf(engine))
    const refused = put(engine, 1, 1_000_000).catch((thrown: unknown) => thrown)
    await clock.advance(5100)
    expect(await refused).toMatchObject({ code: 'disk-full' })
    expect(engine.readable()).toContain(old)
    await clock.advance(60_000)
    await put(engine, 1, 1_000_000)
    expect(() => engine.view(old)).toThrow('no longer readable')
    pin.release()
    await remove(engine, await keysOf(engine))
    await quiet(engine)
    expect(engine.space().pending).toBe(0)
  })

  test('so is a mirror that may still report, and its hold is enough', async () => {
    const { engine, clock, device } = await smallVolume()
    const volume = new EngineVolume(engine)
    await volume.addMember({ uuid, url: 'http://mirror' })
    let asked = 0
    const stop = volume.onHoldsInTheWay((carrier) => {
      asked++
      const isInTheWay = ({ root }: PublishedRoot) => root.cp < carrier
      return volume.holds.of(uuid).some(isInTheWay) ? 'with a report' : 'nothing'
    })
    await fill(engine, 12_000)
    await engine.requestCp('requested')
    volume.holds.set(uuid, [engine.current()])
    await quiet(engine)
    await remove(engine, await keysOf(engine))
    const writing = put(engine, 1, 1_000_000)
    await clock.advance(3000)
    expect(await stateOf(writing)).toBe('waiting')
    expect(asked).toBeGreaterThan(10)
    volume.holds.set(uuid, [])
    await clock.advance(200)
    await writing
    stop()
    await volume.removeMember(uuid)
    await expectNothingLost(engine, device)
  })

  test('what is held for a mirror that is away is not waited for, and named', async () => {
    const { engine } = await smallVolume()
    const volume = new EngineVolume(engine)
    await volume.addMember({ uuid, url: 'http://mirror' })
    await fill(engine, 12_000)
    const { root } = await engine.requestCp('requested')
    volume.holds.set(uuid, [engine.current()])
    await quiet(engine)
    await remove(engine, await keysOf(engine))
    const refused = await put(engine, 1, 1_000_000).catch((thrown: unknown) => thrown)
    expect(refused).toMatchObject({
      code: 'disk-full',
      help: { heldFor: [{ mirror: uuid, url: 'http://mirror', cps: [root.cp] }] },
    })
    await volume.removeMember(uuid)
    await put(engine, 1, 1_000_000)
  })

  test('when all that could come back is not enough, nobody is waited for', async () => {
    const { engine } = await smallVolume()
    await fill(engine, 12_000)
    const view = engine.openView()
    await expect(put(engine, 9000, 1_000_000)).rejects.toMatchObject({ code: 'disk-full' })
    view.release()
  })

  test('the reaper hurries while it has something', async () => {
    const { engine, clock } = await smallVolume()
    await fill(engine, 12_000)
    const keys = await keysOf(engine)
    let asked = 0
    const steps: Promise<void>[] = []
    engine.onSpaceShort(() => {
      asked++
      const some = keys.splice(0, 10)
      if (some.length > 0)
        steps.push(engine.runHidden((tx) => some.forEach((key) => tx.delete(key)), { floor: 'reclaim' }))
      return keys.length > 0
    })
    await fillWhile(clock, put(engine, 1, 1_000_000))
    await Promise.all(steps)
    expect(asked).toBeGreaterThan(3)
  })

  test('gains that are lost again are no progress: the wait has an end', async () => {
    const geometry = makeGeometry(6 * 2 ** 20, 2 ** 20, 2 ** 20)
    const allocator = new Allocator(geometry)
    allocator.extend(geometry.blocksMax)
    const clock = new VirtualClock()
    let rounds = 0
    const space: Space = new Space(allocator, new MemoryDevice(geometry.blocksMax), geometry, clock, {
      // A CP takes blocks and gives as many back, again and again.
      reclaim: async () => {
        if (++rounds > 1000) throw new Error('it never ends')
        const run = { address: 1500, blocks: 1 }
        if (allocator.isWritable(run.address)) allocator.takeAt(run.address, 1)
        else allocator.giveBack(run)
      },
      ...nobody,
      mayRelease: () => true,
    })
    const error = await fillWhile(
      clock,
      space.ensure(5000, 'write').catch((thrown: unknown) => thrown),
    )
    expect(error).toMatchObject({ code: 'disk-full' })
    expect(clock.monotonic()).toBeLessThan(6000)
  })
})

/** Time goes on until the work is done. */
async function fillWhile<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  while ((await stateOf(work)) === 'waiting') await clock.advance(50)
  return work
}

describe('growth', () => {
  test('the file grows in steps while it is written, up to its limit', async () => {
    const { engine, device } = await smallVolume(12)
    const sizes = new Set([device.blockCount])
    for (let n = 0; n < 110; n++) {
      await put(engine, n, 40_000)
      sizes.add(device.blockCount)
    }
    expect(sizes.size).toBeGreaterThan(2)
    for (const size of sizes) expect((device.blockCount - size) % 256).toBe(0)
    await fill(engine, 40_000)
    expect(device.blockCount).toBe((12 * 2 ** 20) / 4096)
    await remove(engine, await keysOf(engine))
    await expectNothingLost(engine, device)
  })

  test('a disk without room is a full volume, and is asked again after a while', async () => {
    const limit = { isFull: true, asked: 0 }
    const device = new SimulatedDevice({
      faults: ({ kind, address }) => {
        if (kind !== 'grow' || address === 0) return undefined
        limit.asked++
        return limit.isFull ? { kind: 'disk-full' } : undefined
      },
    })
    const { engine, clock } = await smallVolume(12, device)
    const extent = device.blockCount
    const files = await fill(engine, 12_000)
    expect([device.blockCount, limit.asked]).toEqual([extent, 1])
    expect(engine.isPoisoned).toBe(false)
    await expect(put(engine, files, 12_000)).rejects.toMatchObject({ code: 'disk-full' })
    expect(limit.asked).toBe(1)
    limit.isFull = false
    await clock.advance(5000)
    await put(engine, files, 12_000)
    expect(device.blockCount).toBeGreaterThan(extent)
    await quiet(engine)
    expect((await checkVolume(device)).findings).toEqual([])
  })

  test('many who wait for space grow the file once', async () => {
    let grown = 0
    const device = new SimulatedDevice({
      onMutation: ({ kind }) => {
        if (kind === 'grow') grown++
      },
    })
    const { engine } = await smallVolume(12, device)
    await fill(engine, 12_000)
    expect(grown).toBeLessThanOrEqual(1 + (device.blockCount - 1536) / 256)
    const before = grown
    await Promise.allSettled(Array.from({ length: 20 }, (_, i) => put(engine, 9000 + i, 12_000)))
    expect(grown).toBe(before)
  })

  test('the file grows before anybody has to wait for it', async () => {
    const { engine, device } = await smallVolume(12)
    const extent = device.blockCount
    for (let n = 0; device.blockCount === extent; n++) {
      await put(engine, n, 4000)
      // Some writes still fit when it begins.
      expect(engine.space().writable).toBeGreaterThan(412)
    }
  })

  test('a growth that fails otherwise poisons: the device is not to be used again', async () => {
    let failing = false
    const device = new SimulatedDevice({
      refusesAfterFailure: false,
      faults: ({ kind }) => (failing && kind === 'grow' ? { kind: 'error' } : undefined),
    })
    const { engine } = await smallVolume(12, device)
    failing = true
    const error: unknown = await fill(engine, 12_000).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'poisoned' })
    expect(engine.isPoisoned).toBe(true)
  })
})
