/**
 * Readers keep what they saw (C7): the open tree at one instant, a published CP for ever, while CPs go on, records are
 * replaced, and their blocks would be needed by others. What they held comes back when they end.
 */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { systemClock } from '../../../src/lib/clock.ts'
import { hasCode } from '../../../src/lib/errors.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { valueHead, valuePointers } from '../../../src/format/pointer.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import type { Item, PreparedRecord, PublishedRoot, TreeView } from '../../../src/cp-engine/contract.ts'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { HeldOperations } from '../../simulated/scheduler.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { settled, stateOf } from '../../simulated/clock.ts'
import { Workload, expectModel, itemsOf, keyOf, newPrimary, open } from '../workload.ts'

setDefaultTimeout(60_000)

async function put(engine: CpEngine, n: number, fill: number, bytes: number): Promise<void> {
  const records = await engine.prepare(new Uint8Array(bytes).fill(fill))
  await engine.run(
    (tx) => {
      const pointers = records.map((record) => tx.use(record))
      tx.put(keyOf(n), valueHead(pointers, 'xxh3'))
    },
    { records },
  )
}

/** The records of these items, read now, are those bytes. */
async function expectBytes(
  view: TreeView,
  items: readonly Item[],
  fill: number,
  bytes: number,
): Promise<void> {
  for (const { value } of items) {
    let length = 0
    for (const pointer of valuePointers(value, 'xxh3')!) {
      const record = await view.record(pointer)
      length += record.length
      expect(record.every((byte) => byte === fill)).toBe(true)
    }
    expect(length).toBe(bytes)
  }
}

async function newEngine(mebibytes = 6) {
  const device = new MemoryDevice()
  await newPrimary(device, 1, mebibytes)
  return { device, engine: await open(device, 1) }
}

/** Rewrites everything often enough to go through all free space. */
async function churn(engine: CpEngine, rounds: number, take = true): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let n = 100; n < 110; n++) await put(engine, n, 200 + round, 16_000)
    if (take) await engine.requestCp('requested')
  }
}

async function expectNothingPending(engine: CpEngine): Promise<void> {
  await engine.requestCp('requested')
  for (let i = 0; i < 2; i++) await engine.writeSuperblock()
  expect(engine.space().pending).toBe(0)
}

describe('a reader of the open tree', () => {
  test.each([
    ['replaced before they left', false],
    ['replaced after they were published', true],
  ])('keeps records that are %s', async (_what, published) => {
    const { device, engine } = await newEngine()
    for (let n = 0; n < 10; n++) await put(engine, n, 7, 16_000)
    if (published) await engine.requestCp('requested')
    const view = engine.openView()
    const items = await itemsOf(view)
    for (let n = 0; n < 10; n++) await put(engine, n, 8, 16_000)
    await churn(engine, 12)
    await expectBytes(view, items, 7, 16_000)
    expect(engine.space().pending).toBeGreaterThanOrEqual(40)
    // The tree itself moves on.
    expect(await itemsOf(view)).toHaveLength(20)
    view.release()
    view.release()
    await expectNothingPending(engine)
    expect((await checkVolume(device)).findings).toEqual([])
  })

  test('keeps nobody from writing one key again and again, and all that it saw', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1, 32)
    const engine = await open(device, 1, { clock: systemClock, queueBytesMax: 2 ** 18 })
    await put(engine, 0, 7, 16_000)
    const view = engine.openView()
    const items = await itemsOf(view)
    let cps = 0
    const stop = engine.onPublished(() => cps++)
    // Far more than the queue holds; what the reader keeps must not take all of its room.
    for (let round = 0; round < 200; round++) await put(engine, 0, 1 + (round % 6), 16_000)
    stop()
    expect(cps).toBeLessThan(60)
    await expectBytes(view, items, 7, 16_000)
    view.release()
    await expectNothingPending(engine)
    expect((await checkVolume(device)).findings).toEqual([])
    await engine.close()
  }, 20_000)

  test('keeps no operation from its end that has prepared what fills the queue', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1, 32)
    const engine = await open(device, 1, { clock: systemClock, queueBytesMax: 2 ** 18 })
    await put(engine, 0, 7, 16_000)
    const view = engine.openView()
    // It is dropped, and the reader keeps its bytes.
    await put(engine, 0, 8, 16_000)
    const records: PreparedRecord[] = []
    for (let i = 0; i < 20; i++) records.push(...(await engine.prepare(new Uint8Array(16_000).fill(i + 1))))
    expect(records.length).toBe(20)
    engine.discard(records)
    view.release()
    await expectNothingPending(engine)
    await engine.close()
  }, 10_000)

  test('keeps large records that left before their CP, deleted in the CP in which they came', async () => {
    const { device, engine } = await newEngine()
    await put(engine, 0, 7, 200_000)
    const view = engine.openView()
    const items = await itemsOf(view)
    await engine.run((tx) => tx.delete(keyOf(0)))
    await churn(engine, 12)
    await expectBytes(view, items, 7, 200_000)
    view.release()
    await expectNothingPending(engine)
    expect((await checkVolume(device)).findings).toEqual([])
  })

  test('names the CP that carries what it has seen', async () => {
    const { engine } = await newEngine()
    const view = engine.openView()
    expect(view.cp).toBe(engine.current().root.cp)
    await put(engine, 0, 1, 100)
    await itemsOf(view)
    const carrier = view.cp
    expect(carrier).toBeGreaterThan(engine.current().root.cp)
    await engine.requestCp('requested')
    expect(engine.current().root.cp).toBe(carrier)
    expect(view.cp).toBe(carrier)
    view.release()
  })

  test('sees one instant, also while nodes are loaded, and with a CP under way', async () => {
    const { device, engine } = await newEngine(8)
    // Pairs of keys always change together.
    const pair = (n: number, value: number) =>
      engine.run((tx) => {
        tx.put(keyOf(n), Uint8Array.of(0, value))
        tx.put(keyOf(2000 + n), Uint8Array.of(0, value))
      })
    for (let n = 0; n < 300; n++) await pair(n, 0)
    await engine.close()
    const again = await open(device, 2, { nodeCacheBytesMax: 2 ** 20 })
    const random = seededRandom(1)
    const writer = async () => {
      for (let i = 1; i < 200; i++) {
        await again.run((tx) => {
          const n = random.below(300)
          tx.put(keyOf(n), Uint8Array.of(0, i))
          tx.put(keyOf(2000 + n), Uint8Array.of(0, i))
        })
        if (i % 20 === 0) await again.requestCp('requested')
      }
    }
    const reader = async () => {
      for (let i = 0; i < 60; i++) {
        const view = again.openView()
        const items = await itemsOf(view)
        expect(items).toHaveLength(600)
        for (let n = 0; n < 300; n++) expect(items[n]!.value).toEqual(items[n + 300]!.value)
        view.release()
      }
    }
    await Promise.all([writer(), reader(), reader()])
  })
})

describe('a reader of a published CP', () => {
  test('sees exactly that CP while many others are taken', async () => {
    const { device, engine } = await newEngine()
    const workload = new Workload(3, 40)
    workload.watch(engine)
    const views: { view: TreeView; sequence: number }[] = []
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 6; i++) await workload.step(engine)
      await engine.requestCp('requested')
      const current = engine.current()
      views.push({ view: engine.view(current), sequence: current.root.sequence })
      if (views.length > 3) {
        const [{ view, sequence }] = views.splice(workload.below(views.length), 1) as [(typeof views)[0]]
        await expectModel(view, workload.history.get(sequence)!)
        view.release()
      }
    }
    for (const { view, sequence } of views) {
      await expectModel(view, workload.history.get(sequence)!)
      view.release()
    }
    await expectNothingPending(engine)
    expect((await checkVolume(device)).findings).toEqual([])
  })

  test('the switch is one step: whoever looks sees the CP before or this one, and no CP that is not durable', async () => {
    const first = new SimulatedDevice()
    await newPrimary(first, 1, 6)
    const held = new HeldOperations()
    const device = new SimulatedDevice({ image: first.crashState().durable, scheduler: held })
    const random = seededRandom(2)
    const opening = open(device, 1)
    while ((await stateOf(opening)) === 'waiting') held.release(random)
    const engine = await opening
    const before = engine.current()
    await engine.run((tx) => tx.put(keyOf(1), Uint8Array.of(0, 1)))
    const taking = engine.requestCp('requested')
    let steps = 0
    while ((await stateOf(taking)) === 'waiting') {
      expect(engine.current()).toBe(before)
      const view = engine.view(engine.current())
      expect(await itemsOf(view)).toEqual([])
      view.release()
      held.release(random)
      await settled()
      steps++
    }
    // Tree and maps, their sync, and four for the superblock.
    expect(steps).toBeGreaterThanOrEqual(6)
    expect(device.pendingCount).toBe(0)
    const view = engine.view(engine.current())
    expect(await itemsOf(view)).toHaveLength(1)
    view.release()
  })

  test('a CP that nothing retains any more is gone, and the error names those that are readable', async () => {
    const { engine } = await newEngine()
    await put(engine, 0, 1, 100)
    const old = await engine.requestCp('requested')
    await churn(engine, 3)
    let thrown: unknown
    try {
      engine.view(old)
    } catch (error) {
      thrown = error
    }
    expect(hasCode(thrown, 'cp-gone')).toBe(true)
    expect(thrown).toMatchObject({ help: { readable: engine.readable().map(({ root }) => root.cp) } })
    expect(() => engine.pin(old)).toThrow('no longer readable')
  })
})

describe('a pin', () => {
  test('keeps its CP readable for as long as it is there, then gives all of it back', async () => {
    const { device, engine } = await newEngine()
    for (let n = 0; n < 10; n++) await put(engine, n, 7, 16_000)
    const pinned = await engine.requestCp('requested')
    const [pin, second] = [engine.pin(pinned), engine.pin(pinned)]
    await engine.run((tx) => {
      for (let n = 0; n < 10; n++) tx.delete(keyOf(n))
    })
    await churn(engine, 20)
    expect(engine.readable().map(({ root }) => root.cp)).toContain(pinned.root.cp)
    pin.release()
    pin.release()
    await churn(engine, 3)
    const view = engine.view(pinned)
    second.release()
    // A reader that began before goes on.
    await churn(engine, 5)
    await expectBytes(view, await itemsOf(view), 7, 16_000)
    expect(() => engine.view(pinned)).toThrow('no longer readable')
    view.release()
    expect(engine.readable().map(({ root }) => root.cp)).not.toContain(pinned.root.cp)
    await expectNothingPending(engine)
    expect((await checkVolume(device)).findings).toEqual([])
  })

  test('that alone retains the oldest root can be cut, one root after the other', async () => {
    const { device, engine } = await newEngine()
    const roots: PublishedRoot[] = []
    const pins: { release(): void }[] = []
    for (let n = 0; n < 3; n++) {
      await put(engine, n, 7, 16_000)
      const root = await engine.requestCp('requested')
      roots.push(root)
      pins.push(engine.pin(root), engine.pin(root))
    }
    await churn(engine, 3)
    for (const root of roots) {
      expect(engine.volume.cutOldestPins()).toBe(true)
      expect(() => engine.view(root)).toThrow('no longer readable')
    }
    expect(engine.volume.cutOldestPins()).toBe(false)
    for (const pin of pins) pin.release()
    await expectNothingPending(engine)
    expect((await checkVolume(device)).findings).toEqual([])
  })
})
