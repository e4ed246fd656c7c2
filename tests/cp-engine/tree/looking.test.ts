/** Looks at a tree that is hardly in memory: each one ends, whatever the others push out, and nobody waits for long. */
import { expect, test } from 'bun:test'
import { hasCode } from '../../../src/lib/errors.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import type { Tx } from '../../../src/cp-engine/contract.ts'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { Operations } from '../../../src/cp-engine/open/operations.ts'
import { Looking, lookWith } from '../../../src/cp-engine/tree/looking.ts'
import { NotLoaded } from '../../../src/cp-engine/tree/node-cache.ts'
import { paddedValue } from '../padded-value.ts'
import { keyOf, newPrimary, open } from '../workload.ts'
import { stillClock } from '../../simulated/clock.ts'

const items = 12_000
/** Ten items or so lie in a leaf. */
const stride = 8
const cacheBytes = 2 ** 20

/** More leaves than the cache has room for. */
async function wideTree(clock = stillClock): Promise<CpEngine> {
  const device = new MemoryDevice()
  await newPrimary(device, 1, 64)
  const engine = await open(device, 2, { nodeCacheBytesMax: 64 * 2 ** 20 })
  for (let i = 0; i < items; i += 500)
    await engine.run((tx) => {
      for (let k = i; k < i + 500; k++) tx.put(keyOf(k), paddedValue(330, 1))
    })
  await engine.close()
  return open(device, 3, { nodeCacheBytesMax: cacheBytes, clock, cpIntervalMs: 1e9 })
}

const changeMany = (from: number, seed: number) => (tx: Tx) => {
  for (let k = from; k < items; k += stride) tx.put(keyOf(k), paddedValue(330, seed))
}

test('operations that each need more nodes than the cache has end, also beside each other', async () => {
  const engine = await wideTree()
  let looks = 0
  await Promise.all(
    [0, 1, 2, 3].map((from) =>
      engine.run((tx) => {
        if (++looks > 1000) throw new Error('they push out each other’s nodes')
        changeMany(from, 2 + from)(tx)
      }),
    ),
  )
  const view = engine.openView()
  for (let from = 0; from < 5; from++)
    expect(await view.read((tree) => tree.get(keyOf(from + stride)))).toEqual(
      paddedValue(330, from < 4 ? 2 + from : 1),
    )
  view.release()
  await engine.close()
})

test('what needs many nodes is begun again now and then, not for each of them, and lets others in', async () => {
  let nowMs = 0
  let yields = 0
  const clock = {
    ...stillClock,
    monotonic: () => (nowMs += 0.05),
    yield: () => Promise.resolve(void yields++),
  }
  const engine = await wideTree(clock)
  let looks = 0
  const view = engine.openView()
  const seen = await view.read((tree) => {
    looks++
    let found = 0
    for (let k = 0; k < items; k += stride) if (tree.get(keyOf(k))) found++
    return found
  })
  expect(seen).toBe(items / stride)
  expect(looks).toBeLessThan(100)
  expect(yields).toBeGreaterThan(2)
  view.release()
  await engine.close()
})

test('one that can never have all that it needs is refused', async () => {
  const engine = await wideTree()
  const { pointer, level } = engine.current().root.fileTree
  const looking = new Looking(engine.volume.loader, stillClock)
  const error = await lookWith(looking, () => {
    throw new NotLoaded(pointer, level, null, null)
  }).catch((thrown: unknown) => thrown)
  expect(hasCode(error, 'too-large')).toBeTrue()
  await engine.close()
})

test('after a kill it opens with a smaller cache than it was written with', async () => {
  const device = new MemoryDevice()
  await newPrimary(device, 1, 64)
  const engine = await open(device, 2, { nodeCacheBytesMax: 64 * 2 ** 20, cpIntervalMs: 1e9 })
  for (let i = 0; i < items; i += 500)
    await engine.run((tx) => {
      for (let k = i; k < i + 500; k++) tx.put(keyOf(k), paddedValue(330, 1))
    })
  await engine.requestCp('requested')
  await engine.reach(await engine.run(changeMany(0, 2)), 'logged')
  // Nobody closes it.
  const after = await open(device, 3, { nodeCacheBytesMax: cacheBytes })
  expect(after.recovery.replayed).toBe(1)
  const view = after.openView()
  expect(await view.read((tree) => tree.get(keyOf(stride)))).toEqual(paddedValue(330, 2))
  expect(await view.read((tree) => tree.get(keyOf(stride + 1)))).toEqual(paddedValue(330, 1))
  view.release()
  await after.close()
})

test('nodes that a look loads by itself count as those that are loaded for it', async () => {
  const counts = { own: 0, given: 0 }
  const loader = {
    during: <T>(_allowance: unknown, look: () => T) => look(),
    keep: () => Promise.resolve(() => {}),
    load: () => void counts.given++,
  }
  for (const own of [0, 1, 64]) {
    Object.assign(counts, { own: 0, given: 0 })
    const looking = new Looking(loader as unknown as ConstructorParameters<typeof Looking>[0], stillClock)
    const error = await lookWith(looking, () => {
      for (let n = 0; n < own && looking.mayLoad(); n++) counts.own++
      throw new NotLoaded({ address: 1, sum: new Uint8Array(32) }, 0, null, null)
    }).catch((thrown: unknown) => thrown)
    expect(hasCode(error, 'too-large')).toBeTrue()
    const all = counts.own + counts.given
    expect(all).toBeGreaterThan(2 ** 16 - 100)
    expect(all).toBeLessThan(2 ** 16 + 1000)
  }
})

test('an operation that keeps its nodes lets others have the turn while it waits for anything', async () => {
  for (const wait of ['space', 'log room', 'smaller tree']) {
    const state = { isKept: true, isThrottled: wait === 'smaller tree' }
    const seen: boolean[] = []
    const waited = () => {
      seen.push(state.isKept)
      state.isThrottled = false
      return Promise.resolve()
    }
    const looking = { once: <T>(at: () => T) => at(), end: () => void (state.isKept = false) }
    const parts = {
      volume: { looking: () => looking },
      space: { ensure: waited },
      state: {},
      isThrottled: () => state.isThrottled,
      untilSmaller: waited,
      makeLogRoom: waited,
    }
    const operations = new Operations(parts as unknown as ConstructorParameters<typeof Operations>[0])
    const needs = { space: { blocks: 1, floor: 'write' }, 'log room': 'log room' }[wait]
    const attempts: unknown[] = needs ? [{ applied: null, needs }] : []
    Object.assign(operations, {
      attempt: () => attempts.shift() ?? { applied: { result: 1 }, change: { used: [] } },
    })
    await operations.run(() => 1)
    expect([wait, seen]).toEqual([wait, [false]])
  }
})
