/** What the engine promises to the one who changes it, CP by CP: numbers, levels, limits of the queue. */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { systemClock } from '../../src/lib/clock.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { valueHead } from '../../src/format/pointer.ts'
import { equalBytes } from '../../src/lib/bytes.ts'
import { sha256 } from '../../src/lib/checksum.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { EngineVolume } from '../../src/cp-engine/primary-volume.ts'
import { formatUuid, seededRandom, newUuid } from '../../src/lib/random.ts'
import type { PreparedRecord } from '../../src/cp-engine/contract.ts'
import { HeldOperations } from '../simulated/scheduler.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { VirtualClock, settled, stateOf } from '../simulated/clock.ts'
import { itemsOf, keyOf, newPrimary, open } from './workload.ts'

setDefaultTimeout(60_000)

async function put(engine: CpEngine, n: number, bytes: number) {
  const records = await engine.prepare(new Uint8Array(bytes).fill(n + 1))
  return engine.run(
    (tx) =>
      tx.put(
        keyOf(n),
        valueHead(
          records.map((record) => tx.use(record)),
          'xxh3',
        ),
      ),
    { records },
  )
}

describe('engine', () => {
  test('an operation that starts the CP by high water is carried by that CP', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1)
    const engine = await open(device, 1, { queueBytesMax: 64 * 1024 })
    const carriers = new Map<number, number>()
    engine.onPublished(({ published: { root } }) => void carriers.set(root.sequence, root.cp))
    for (let n = 0; n < 40; n++) {
      const applied = await put(engine, n, 20_000)
      expect(await engine.reach(applied, 'committed')).toBe('committed')
      // The first root whose sequence covers the operation is the CP that it was told.
      const first = [...carriers].find(([sequence]) => sequence >= applied.sequence)!
      expect(applied.cp).toBe(first[1])
    }
    await engine.close()
  })

  test('whoever waits for room to leave hears of a failed write', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1, 128)
    const engine = await open(device, 1)
    const fail: ((error: Error) => void)[] = []
    device.write = () => new Promise((_resolve, reject) => fail.push(reject))
    const outcomes: string[] = []
    const prepare = async (): Promise<void> => {
      try {
        await engine.prepare(new Uint8Array(2 ** 20).fill(1), 'write', { leavesEarly: true })
        outcomes.push('left')
      } catch (error) {
        outcomes.push(error instanceof StillpointError ? error.code : String(error))
      }
    }
    const all = Promise.all(Array.from({ length: 40 }, prepare))
    await settled()
    const left = outcomes.length
    expect(left).toBeGreaterThan(10)
    expect(left).toBeLessThan(30)
    expect(fail).toHaveLength(left)
    fail[0]!(new Error('broken'))
    for (let turns = 0; turns < 100 && outcomes.length < 40; turns++) await settled()
    expect(outcomes.slice(left)).toEqual(Array.from({ length: 40 - left }, () => 'poisoned'))
    await all
  })

  test('bytes that an observer has kept never change, and others are used again', async () => {
    for (const isKept of [true, false]) {
      const device = new MemoryDevice()
      await newPrimary(device, 1)
      const engine = await open(device, 1)
      const seen: { readonly bytes: Uint8Array; readonly sum: Uint8Array }[] = []
      const buffers = new Set<ArrayBufferLike>()
      let nodes = 0
      engine.observe({
        sealed: () => undefined,
        leaving(_cp, commands) {
          for (const { bytes, isRoot } of commands) {
            if (bytes.length !== blockBytes || isRoot === true) continue
            seen.push({ bytes, sum: sha256(bytes) })
            if (bytes.buffer.byteLength > blockBytes) {
              nodes++
              buffers.add(bytes.buffer)
            }
          }
          return isKept
        },
        published: () => undefined,
      })
      for (let round = 0; round < 10; round++) {
        for (let n = 0; n < 100; n++) await put(engine, n * 7 + round, 10)
        await engine.requestCp('requested')
      }
      const changed = seen.filter(({ bytes, sum }) => !equalBytes(sha256(bytes), sum))
      expect(nodes).toBeGreaterThan(64)
      expect([isKept, changed.length > 0, buffers.size > 1]).toEqual([isKept, !isKept, isKept])
      await engine.close()
      const again = await open(device, 1)
      expect(await itemsOf(again.openView())).toHaveLength(703)
      await again.close()
    }
  })

  test('nodes are encoded while the commands are sent, and leave after them, or never', async () => {
    for (const fails of [false, true]) {
      const gate = Promise.withResolvers<void>()
      const writes: number[] = []
      class Slow extends MemoryDevice {
        isSlow = false
        override async write(runs: Parameters<MemoryDevice['write']>[0]): Promise<void> {
          writes.push(runs.length)
          if (this.isSlow && writes.length === 1) await gate.promise
          await super.write(runs)
        }
      }
      const device = new Slow()
      await newPrimary(device, 1)
      const engine = await open(device, 1)
      for (let n = 0; n < 100; n++) await put(engine, n, 10)
      writes.length = 0
      device.isSlow = true
      const cp = engine.requestCp('requested')
      cp.catch(() => {})
      for (let turn = 0; turn < 50; turn++) await systemClock.yield()
      // All records in one write, which is held.
      expect(writes).toEqual([100])
      if (fails) gate.reject(new Error('the disk is gone'))
      else gate.resolve()
      if (!fails) {
        expect((await cp).root.cp).toBe(engine.current().root.cp)
        expect(writes.length).toBeGreaterThan(2)
        await engine.close()
        continue
      }
      await expect(cp).rejects.toMatchObject({ code: 'poisoned' })
      for (let turn = 0; turn < 50; turn++) await systemClock.yield()
      expect(writes).toEqual([100])
    }
  })

  test('a ninth mirror, or a URL that is too long, is refused and harms nothing', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1)
    const engine = await open(device, 1)
    const volume = new EngineVolume(engine)
    const random = seededRandom(5)
    const member = (url: string) => ({ uuid: formatUuid(newUuid(random)), url })
    await expect(volume.addMember(member(`http://${'a'.repeat(240)}`))).rejects.toMatchObject({
      code: 'bad-parameter',
    })
    const results = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) => volume.addMember(member(`http://mirror${i}`))),
    )
    expect(results.map<string>(({ status }) => status)).toEqual([
      ...new Array<string>(8).fill('fulfilled'),
      'rejected',
    ])
    expect(engine.isPoisoned).toBe(false)
    expect(volume.members()).toHaveLength(8)
    await put(engine, 1, 10)
    await engine.close()
  })

  test('several that prepare much before they run do not wait for each other for ever', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1)
    const engine = await open(device, 1, { queueBytesMax: 64 * 1024, clock: systemClock })
    const batch = async (from: number) => {
      const records: PreparedRecord[] = []
      for (let i = 0; i < 6; i++)
        records.push(...(await engine.prepare(new Uint8Array(8000).fill(1 + from + i))))
      return engine.run(
        (tx) => records.forEach((record, i) => tx.put(keyOf(from + i), valueHead([tx.use(record)], 'xxh3'))),
        { records },
      )
    }
    const done = Promise.all([0, 10, 20, 30, 40].map(batch))
    const outcome = await Promise.race([done, Bun.sleep(2000).then(() => 'stuck')])
    expect(outcome).not.toBe('stuck')
    await engine.close()
  })

  test('back-pressure: what is queued stays within its limit while CPs are slow', async () => {
    const held = new HeldOperations()
    const random = seededRandom(1)
    const device = new SimulatedDevice()
    await newPrimary(device, 1)
    const slow = new SimulatedDevice({ image: device.crashState().durable, scheduler: held })
    const clock = new VirtualClock()
    const opening = open(slow, 1, { queueBytesMax: 64 * 1024, clock })
    while ((await stateOf(opening)) === 'waiting') held.release(random)
    const done = new Set<number>()
    const writers = Array.from({ length: 40 }, async (_, n) => {
      await put(await opening, n, 16_000)
      done.add(n)
    })
    for (let idle = 0; idle < 20; idle++) await settled()
    // The open CP is full, the one before it is on its way, and the rest waits.
    expect(done.size).toBeLessThan(20)
    while (done.size < 40) {
      held.release(random)
      await settled()
    }
    await Promise.all(writers)
  })

  test('an operation that throws half-way leaves nothing, also in a batch, also when nodes had to be loaded', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1)
    let engine = await open(device, 1)
    for (let n = 0; n < 2000; n += 50)
      await engine.run((tx) => {
        for (let i = 0; i < 50; i++) tx.put(keyOf(n + i), new Uint8Array(300))
      })
    await put(engine, 3000, 20_000)
    const whole = engine.openView()
    const before = await itemsOf(whole)
    whole.release()
    await engine.close()
    // Nothing of the tree is in memory.
    engine = await open(device, 2)
    const view = engine.openView()
    const space = engine.space()
    for (let i = 0; i < 20; i++) {
      const records = await engine.prepare(new Uint8Array(9000).fill(i + 1))
      const runs: number[] = []
      const failing = engine.run(
        (tx) => {
          runs.push(tx.cp)
          tx.put(keyOf(i * 100), valueHead([tx.use(records[0]!)], 'xxh3'))
          tx.delete(keyOf(i * 100 + 1))
          tx.delete(keyOf(3000))
          tx.setCounter(0, 99)
          tx.nextVersion()
          // More nodes than one look loads by itself.
          for (let k = 1999; k > 0; k -= 10) tx.get(keyOf(k))
          throw new StillpointError('precondition-failed', 'no')
        },
        { records },
      )
      expect(await failing.catch((error: unknown) => error)).toMatchObject({ code: 'precondition-failed' })
      if (i === 0) expect(runs.length).toBeGreaterThan(1)
    }
    expect(await itemsOf(view)).toEqual(before)
    expect(engine.space()).toEqual(space)
    const { cp, sequence, counters } = engine.current().root
    expect((await engine.requestCp('requested')).root.cp).toBe(cp)
    const applied = await engine.run((tx) => tx.put(keyOf(1), Uint8Array.of(0, 2)))
    expect(applied.sequence).toBe(sequence + 1)
    expect((await engine.requestCp('requested')).root.counters).toEqual(counters)
    view.release()
    await engine.close()
  })

  test('a batch lies in one CP, whatever asks for CPs meanwhile (I12)', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1)
    const engine = await open(device, 1)
    const checks: Promise<void>[] = []
    engine.onPublished(({ published }) => {
      const view = engine.view(published)
      const check = async () => {
        const items = await itemsOf(view)
        view.release()
        expect(new Set(items.map(({ value }) => value[1])).size).toBeLessThanOrEqual(1)
        expect([0, 40]).toContain(items.length)
      }
      checks.push(check())
    })
    for (let round = 0; round < 30; round++) {
      const cp = engine.requestCp('requested')
      const applied = await engine.run((tx) => {
        for (let n = 0; n < 40; n++) tx.put(keyOf(n * 7), Uint8Array.of(0, round))
      })
      await Promise.all([cp, round % 3 === 0 ? engine.reach(applied, 'committed') : null])
    }
    await engine.close()
    await Promise.all(checks)
    expect(checks.length).toBeGreaterThan(10)
  })
})
