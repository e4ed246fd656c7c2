/**
 * A mirror whose disk has little room: it needs what its image needs, says what is lacking, gives back what nobody uses,
 * goes on by itself, and loses no image, whatever happens at any step.
 */
import { expect, test } from 'bun:test'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import type { PublishedRoot, TreeView } from '../../../src/cp-engine/contract.ts'
import { valueHead, valuePointers } from '../../../src/format/pointer.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { superblockRuns } from '../../../src/format/geometry.ts'
import { BlockSet } from '../../../src/replica/link/block-set.ts'
import { MirrorSpace } from '../../../src/replica/mirror/mirror-space.ts'
import { Presence } from '../../../src/replica/mirror/presence.ts'
import { itemsOf, keyOf } from '../../cp-engine/workload.ts'
import { randomChoice } from '../../simulated/crash-image.ts'
import type { FaultPlan, Operation } from '../../simulated/faults.ts'
import { CrashError, SimulatedDevice } from '../../simulated/simulated-device.ts'
import { SimulatedSpace } from '../../simulated/simulated-space.ts'
import { Pair } from '../pair.ts'

const recordBytes = 40_000
const recordBlocks = 10
const containing = (text: string): unknown => expect.stringContaining(text)

async function put(pair: Pair, from: number, count: number, fill: number): Promise<void> {
  for (let n = from; n < from + count; n++) {
    const [record] = await pair.engine.prepare(new Uint8Array(recordBytes).fill(1 + ((fill + n) % 250)))
    await pair.engine.run((tx) => tx.put(keyOf(n), valueHead([tx.use(record!)], 'xxh3')), {
      records: [record!],
    })
  }
}

async function remove(pair: Pair, from: number, count: number): Promise<void> {
  await pair.engine.run((tx) => {
    for (let n = from; n < from + count; n++) tx.delete(keyOf(n))
  })
}

const cp = (pair: Pair): Promise<PublishedRoot> => pair.engine.requestCp('requested')
const becomesEqual = (pair: Pair): Promise<boolean> => pair.clock.until(() => pair.isEqual, 5000)
const stateOf = async (pair: Pair) => (await pair.mirrors.list())[0]!
const isStalled = (pair: Pair): Promise<boolean> =>
  pair.clock.until(() => pair.applier.status().needs === 'space', 5000)

/** Everything that an image shows, as one sum. */
async function sumOf(view: TreeView): Promise<string> {
  const hash = new Bun.CryptoHasher('sha256')
  for (const { key, value } of await itemsOf(view)) {
    hash.update(key)
    for (const pointer of valuePointers(value, 'xxh3')!) hash.update(await view.record(pointer))
  }
  return hash.digest('hex')
}

async function shown(pair: Pair): Promise<string> {
  const view = pair.mirrorVolume.view(pair.mirrorVolume.current())
  try {
    return await sumOf(view)
  } finally {
    view.release()
  }
}

/** A pair that is equal, and the mirror on a disk with room for so many blocks beside its image. */
async function shortPair(
  seed: number,
  spare: number,
  options: { isPlain?: boolean; faults?: FaultPlan } = {},
): Promise<{ pair: Pair; space: SimulatedSpace }> {
  const pair = await Pair.create({ seed, mebibytes: 64 })
  await put(pair, 0, 20, seed)
  await cp(pair)
  await pair.join()
  expect(await becomesEqual(pair)).toBeTrue()
  const image = pair.mirrorDevice.image(() => true)
  const space = new SimulatedSpace(Infinity, options)
  pair.network.attach(null)
  await pair.openMirror(pair.device('mirror', { image, space, ...options }))
  space.blocksMax = space.used + spare
  return { pair, space }
}

async function expectSound(pair: Pair): Promise<void> {
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
  expect(pair.failures).toEqual([])
}

test('full, emptied and filled again', async () => {
  const { pair, space } = await shortPair(1, 300)
  for (let round = 0; round < 4; round++) {
    await put(pair, 100, 50, round)
    await cp(pair)
    expect(await isStalled(pair)).toBeTrue()
    const before = await shown(pair)
    const { cp: shownCp } = pair.mirrorVolume.current().root
    await pair.clock.advance(600)
    expect(await stateOf(pair)).toMatchObject({ state: 'stalled', needs: containing('bytes of space') })
    expect(pair.mirrorVolume.current().root.cp).toBe(shownCp)
    expect(await shown(pair)).toBe(before)
    expect(space.used).toBeLessThanOrEqual(space.blocksMax)

    await remove(pair, 100, 50)
    await cp(pair)
    expect(await becomesEqual(pair)).toBeTrue()
    // As much as there is room for, twice over: what was deleted makes room for what comes.
    for (const fill of [60, 90]) {
      await put(pair, 200, 20, round + fill)
      await cp(pair)
      expect(await becomesEqual(pair)).toBeTrue()
      await remove(pair, 200, 20)
      await cp(pair)
      expect(await becomesEqual(pair)).toBeTrue()
    }
    expect(await pair.clock.until(() => pair.applier.status().needs === 'nothing', 1000)).toBeTrue()
    await expectSound(pair)
  }
  expect(await stateOf(pair)).toMatchObject({ state: 'live', needs: null })
}, 30_000)

test('where no space can be promised or given back a write shows that there is none, and later that there is', async () => {
  const { pair, space } = await shortPair(1, 300, { isPlain: true })
  await put(pair, 100, 50, 1)
  await cp(pair)
  expect(await isStalled(pair)).toBeTrue()
  const before = await shown(pair)
  await pair.clock.advance(3000)
  expect(pair.isEqual).toBeFalse()
  expect(await stateOf(pair)).toMatchObject({ state: 'stalled', needs: containing('bytes of space') })
  expect(await shown(pair)).toBe(before)
  space.blocksMax += 300
  expect(await becomesEqual(pair)).toBeTrue()
  await expectSound(pair)
})

test('says exactly what is lacking, takes nothing before there is room, and goes on by itself', async () => {
  const { pair, space } = await shortPair(2, 100)
  await put(pair, 100, 60, 7)
  const target = await cp(pair)
  expect(await isStalled(pair)).toBeTrue()
  const before = pair.mirrorVolume.current()
  // The second time it is asked beforehand.
  await pair.clock.advance(600)
  expect(await isStalled(pair)).toBeTrue()
  const need = pair.engine.volume.retention
    .usedMap(target)
    .countNotIn(pair.mirrorVolume.retention.usedMap(before))
  const { needsBytes } = pair.applier.status()
  expect(needsBytes / 4096).toBeGreaterThan(60 * recordBlocks - 100)
  expect(needsBytes / 4096).toBeLessThanOrEqual(need)
  // And nothing is sent that has no place.
  const { receivedBytes } = pair.applier.status()
  const received = (bytes: ReadonlyMap<string, number>) => [...bytes.values()].reduce((a, b) => a + b, 0)
  const before2 = received(receivedBytes)
  await pair.clock.advance(3000)
  expect(received(pair.applier.status().receivedBytes)).toBe(before2)
  expect(await stateOf(pair)).toMatchObject({ state: 'stalled' })

  space.blocksMax += needsBytes / 4096 - 1
  await pair.clock.advance(2000)
  expect(pair.isEqual).toBeFalse()
  space.blocksMax += 1
  expect(await becomesEqual(pair)).toBeTrue()
  expect(space.free).toBeLessThan(recordBlocks)
  await expectSound(pair)
})

test('a new mirror takes what the image has, however large the primary once was', async () => {
  const pair = await Pair.create({ seed: 3, mebibytes: 64 })
  await put(pair, 0, 700, 1)
  await cp(pair)
  await remove(pair, 0, 690)
  await cp(pair)
  await cp(pair)
  expect(pair.engine.current().root.blockCount).toBeGreaterThan(7000)
  const space = new SimulatedSpace(10 * recordBlocks + 120)
  pair.network.attach(null)
  await pair.openMirror(pair.device('mirror', { image: pair.mirrorDevice.image(() => true), space }))
  await pair.join()
  expect(await becomesEqual(pair)).toBeTrue()
  await expectSound(pair)
})

test('on a disk as large as the primary takes, both are filled and emptied again and again', async () => {
  const pair = await Pair.create({ seed: 4, mebibytes: 16 })
  const space = new SimulatedSpace(Infinity)
  pair.network.attach(null)
  await pair.openMirror(pair.device('mirror', { image: pair.mirrorDevice.image(() => true), space }))
  await pair.join()
  expect(await becomesEqual(pair)).toBeTrue()
  space.blocksMax = 4096 - 256
  for (let round = 0; round < 6; round++) {
    let count = 0
    const state = { isFull: false }
    while (!state.isFull) {
      let isDone = false
      put(pair, count, 5, round).then(
        () => (isDone = true),
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'disk-full' })
          isDone = true
          state.isFull = true
        },
      )
      expect(await pair.clock.until(() => isDone, 60_000)).toBeTrue()
      count += 5
      if (count % 40 === 0) await cp(pair)
    }
    expect(count).toBeGreaterThan(150)
    await cp(pair)
    expect(await becomesEqual(pair)).toBeTrue()
    for (let from = 0; from < count; from += 50)
      await pair.engine.run(
        (tx) => {
          for (let n = from; n < from + 50; n++) tx.delete(keyOf(n))
        },
        { floor: 'delete' },
      )
    await cp(pair)
    expect(await becomesEqual(pair)).toBeTrue()
    expect(pair.applier.status().needs).toBe('nothing')
  }
  await expectSound(pair)
}, 60_000)

test('what a reader keeps is not given back, and what it kept is when it has ended', async () => {
  const { pair, space } = await shortPair(5, 260)
  await put(pair, 100, 20, 1)
  const kept = await cp(pair)
  expect(await becomesEqual(pair)).toBeTrue()
  const pin = pair.mirrorVolume.pin(pair.mirrorVolume.current(), pair.clock.monotonic())
  const old = pair.mirrorVolume.view(pair.mirrorVolume.current())
  const sum = await sumOf(old)
  old.release()
  await remove(pair, 100, 20)
  await cp(pair)
  expect(await becomesEqual(pair)).toBeTrue()
  await put(pair, 200, 20, 9)
  await cp(pair)
  expect(await isStalled(pair)).toBeTrue()
  await pair.clock.advance(500)
  const pinned = pair.mirrorVolume.readable().find(({ root }) => root.cp === kept.root.cp)!
  const view = pair.mirrorVolume.view(pinned)
  expect(await sumOf(view)).toBe(sum)
  pin.release()
  // A reader that began before still drains: its blocks stay.
  await pair.clock.advance(1000)
  expect(pair.isEqual).toBeFalse()
  expect(await sumOf(view)).toBe(sum)
  view.release()
  expect(await becomesEqual(pair)).toBeTrue()
  expect(space.used).toBeLessThanOrEqual(space.blocksMax)
  await expectSound(pair)
})

test('a reader that keeps an image for long is cut where the mirror has no room', async () => {
  const { pair } = await shortPair(6, 260)
  await put(pair, 100, 20, 1)
  await cp(pair)
  expect(await becomesEqual(pair)).toBeTrue()
  pair.mirrorVolume.pin(pair.mirrorVolume.current(), pair.clock.monotonic())
  await remove(pair, 100, 20)
  await cp(pair)
  expect(await becomesEqual(pair)).toBeTrue()
  await put(pair, 200, 20, 9)
  await cp(pair)
  expect(await isStalled(pair)).toBeTrue()
  await pair.clock.advance(50_000)
  expect(pair.isEqual).toBeFalse()
  await pair.clock.advance(15_000)
  expect(await becomesEqual(pair)).toBeTrue()
})

test('given back is what nobody needs, and nothing else: one by one', async () => {
  const { pair, space } = await shortPair(9, 5000)
  const { mirrorVolume: volume, mirrorDevice: device } = pair
  const presence = new Presence()
  const claimed = new BlockSet()
  const pending = new Set<number>()
  const own = new MirrorSpace({
    volume,
    presence,
    clock: pair.clock,
    claimed: () => claimed,
    isPending: (address, blocks) => [...pending].some((each) => each >= address && each < address + blocks),
  })
  await device.extend(40_000)
  const { logAddress, logBlocks } = volume.geometry
  const fixed = [...superblockRuns.map(({ address }) => address), logAddress, logAddress + logBlocks - 1]
  // Beside each other, at the ends of a map page, of a chunk, of the device.
  const addresses = [5000, 5001, 5002, 5003, 32_639, 32_640, 32_767, 32_768, 39_999]
  const block = new Uint8Array(4096).fill(1)
  const fill = async () => {
    await own.provide(addresses.map((address) => ({ address, blocks: 1 })))
    await device.write([...addresses, ...fixed.slice(-2)].map((address) => ({ address, bytes: block })))
    for (const address of addresses) presence.wrote(address, 1, 9, new Uint8Array(8))
  }
  const kept = () => addresses.filter((address) => space.has(address))
  const isKnown = (address: number) => presence.has(address, 1, new Uint8Array(8))
  const giveBack = async () => {
    space.blocksMax = space.used
    return (await own.lackingFor(9, 1_000_000)) > 0
  }
  await fill()
  own.receives(9, { address: 5000, blocks: 1 })
  own.receives(10, { address: 32_640, blocks: 1 })
  claimed.add(5002, 1)
  pending.add(39_999)
  const image = await shown(pair)
  expect(await giveBack()).toBeTrue()
  expect(kept()).toEqual([5000, 5002, 32_640, 39_999])
  expect(addresses.filter(isKnown)).toEqual(kept())
  expect(fixed.every((address) => space.has(address))).toBeTrue()
  expect(await shown(pair)).toBe(image)
  own.forgetBefore(10)
  pending.clear()
  expect(await giveBack()).toBeTrue()
  expect(kept()).toEqual([5002, 32_640])
  // There again, and given back again: what was a hole is none any more.
  space.blocksMax += 100
  await fill()
  expect(kept()).toEqual(addresses)
  own.forgetBefore(11)
  expect(await giveBack()).toBeTrue()
  expect(kept()).toEqual([5002])
  await expectSound(pair)
})

/** Short of space, so that it punches, lets go of the older slot, and publishes what comes next. */
async function squeeze(pair: Pair): Promise<void> {
  await put(pair, 100, 25, 1)
  await cp(pair)
  await becomesEqual(pair)
  await remove(pair, 100, 25)
  await cp(pair)
  await becomesEqual(pair)
  await put(pair, 300, 21, 3)
  await cp(pair)
  await pair.clock.until(() => pair.isEqual || pair.mirrorDevice.crashed, 3000)
}

test('the power may go out at any step: no image is lost, and the next one comes', async () => {
  const kinds = new Set<string>()
  const run = async (at: number): Promise<number> => {
    let mutations = 0
    let isArmed = false
    const faults = ({ kind }: Operation) => {
      if (!isArmed || kind === 'read') return undefined
      kinds.add(kind)
      return mutations++ === at ? { kind: 'crash' as const } : undefined
    }
    const { pair, space } = await shortPair(7, 270, { faults })
    isArmed = true
    await squeeze(pair)
    if (at === Infinity) {
      expect(pair.isEqual).toBeTrue()
      expect(space.free).toBeLessThan(60)
      return mutations
    }
    const published = pair.mirrorVolume.current().root.cp
    const random = seededRandom(at)
    for (const choice of [() => true, () => false, randomChoice(random), randomChoice(random)] as const) {
      const device = new SimulatedDevice({ image: pair.mirrorDevice.image(choice) })
      expect((await checkVolume(device)).findings.filter(({ message }) => !message.includes('copy'))).toEqual(
        [],
      )
    }
    pair.network.attach(null)
    pair.failures.splice(0)
    const image = pair.mirrorDevice.image(randomChoice(random))
    await pair.openMirror(pair.device('mirror', { image, space }))
    expect(pair.mirrorVolume.current().root.cp).toBeGreaterThanOrEqual(published)
    await shown(pair)
    await pair.clock.advance(1000)
    await shown(pair)
    // Whoever comes back late needs room for what it has and for what there is now.
    space.blocksMax += 400
    expect(await becomesEqual(pair)).toBeTrue()
    await expectSound(pair)
    return mutations
  }
  const steps = await run(Infinity)
  expect([...kinds].sort()).toEqual(['allocate', 'extend', 'punch', 'sync', 'write'])
  expect(steps).toBeGreaterThan(30)
  const stride = Math.max(1, Math.floor(steps / 60))
  for (let at = 0; at < steps; at += stride) await run(at)
}, 60_000)

test('a failed sync after giving back ends the mirror, as any other', async () => {
  let isBroken = false
  const faults = ({ kind }: Operation) =>
    isBroken && kind === 'sync' ? { kind: 'error' as const } : undefined
  const { pair } = await shortPair(8, 100, { faults })
  const before = pair.mirrorVolume.current()
  isBroken = true
  await put(pair, 100, 60, 1)
  await cp(pair)
  await pair.clock.advance(3000)
  expect(pair.mirrorVolume.current()).toBe(before)
  expect(pair.failures).toHaveLength(1)
  expect(pair.failures[0]).not.toBeInstanceOf(CrashError)
})
