/**
 * How far a volume may grow can be raised when it is opened. Invariants checked, also when the maps gain a level by it:
 * nothing is lost, a crash at every operation of the open leaves the one size or the other, the maps are exactly what
 * the root reaches, and what a larger volume was given is there without the flag.
 */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { hasCode } from '../../../src/lib/errors.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { SpaceMap } from '../../../src/cp-engine/space/space-map.ts'
import { mapBlocksWorstCase } from '../../../src/cp-engine/space/map-builder.ts'
import { blockBytes, volumeBytesLimit } from '../../../src/format/geometry.ts'
import { blocksPerMapPage, mapIndexFanout, mapLevels } from '../../../src/format/disk/map-page.ts'
import { type CrashState, crashImage, randomChoice, tornAfter } from '../../simulated/crash-image.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { Workload, expectModel, newPrimary, open, putRecord, smallGeometry } from '../workload.ts'
import { MapStore, blocksOf, build, sameMap } from './maps.ts'

setDefaultTimeout(60_000)

const smallMax = smallGeometry().blocksMax
const oneLevel = 100 * mapIndexFanout * blocksPerMapPage
const sizes = [
  ['one page more', 2 * blocksPerMapPage],
  ['a level more', mapIndexFanout * blocksPerMapPage + 1],
  ['two levels more', mapIndexFanout ** 2 * blocksPerMapPage + 1],
  ['the largest', volumeBytesLimit / blockBytes],
] as const

async function volume(seed: number, steps = 30) {
  const device = new SimulatedDevice()
  const workload = new Workload(seed)
  await newPrimary(device, seed)
  const engine = await open(device, seed)
  for (let i = 0; i < steps; i++) {
    await workload.step(engine, i % 3 === 0 ? 'logged' : 'buffered')
    if (i % 7 === 0) await engine.requestCp('requested')
  }
  return { device, workload, engine }
}

async function expectSound(device: SimulatedDevice, workload: Workload, seed: number, max: number) {
  expect((await checkVolume(device)).findings).toEqual([])
  const engine = await open(device, seed)
  expect(engine.current().root.blocksMax).toBe(max)
  expect(engine.space().max).toBe(max)
  const view = engine.openView()
  await expectModel(view, workload.model)
  view.release()
  await engine.close()
  expect((await checkVolume(device)).findings).toEqual([])
}

describe('an open with a larger maximum', () => {
  for (const [name, blocks] of sizes)
    test(`${name}: it is in the root before anything else happens, and stays there`, async () => {
      const { device, workload, engine } = await volume(1)
      await engine.close()
      const before = engine.current().root
      const raised = await open(device, 2, { raiseVolumeTo: blocks * blockBytes + 17 })
      expect(raised.current().root).toMatchObject({ blocksMax: blocks, sequence: before.sequence })
      expect(raised.current().root.cp).toBeGreaterThan(before.cp)
      for (let i = 0; i < 10; i++) await workload.step(raised, 'logged')
      await raised.close()
      await expectSound(device, workload, 3, blocks)
    })

  test('what the log has comes with the root that says it', async () => {
    const { device, workload, engine } = await volume(2)
    await workload.step(engine, 'logged')
    await engine.reach(await putRecord(engine, 9999, 5), 'logged')
    workload.model.set(9999, 5)
    const crashed = new SimulatedDevice({ image: device.crashState().durable })
    const raised = await open(crashed, 3, { raiseVolumeTo: 2 ** 44 })
    expect(raised.recovery.replayed).toBeGreaterThan(0)
    expect(raised.current().root.blocksMax).toBe(2 ** 32)
    await raised.close()
    await expectSound(crashed, workload, 4, 2 ** 32)
  })

  test('a smaller one, or the same, changes nothing: not even a CP', async () => {
    const { device, engine } = await volume(3)
    await engine.close()
    for (const raiseVolumeTo of [1, smallMax * blockBytes, smallMax * blockBytes + 1, null]) {
      const again = await open(device, 4, { raiseVolumeTo })
      expect(again.current().hash).toEqual(engine.current().hash)
      await again.close()
    }
  })

  test('more than the format knows is the most that it knows', async () => {
    const { device, engine } = await volume(4)
    await engine.close()
    const raised = await open(device, 5, { raiseVolumeTo: 2 ** 50 })
    expect(raised.current().root.blocksMax).toBe(volumeBytesLimit / blockBytes)
    await raised.close()
  })

  test('a volume that takes no write stays as it is', async () => {
    const { device, engine } = await volume(5)
    await engine.fence('an older copy')
    await engine.close()
    const again = await open(device, 6, { raiseVolumeTo: 2 ** 40 })
    expect(again.space().max).toBe(smallMax)
    await again.close()
    const taken = await open(device, 7, { raiseVolumeTo: 2 ** 40, acceptHistoryLoss: true })
    expect(taken.space().max).toBe(2 ** 28)
    await taken.close()
  })

  test('a volume that was full takes writes again, in the blocks beyond', async () => {
    const { device, workload, engine } = await volume(6)
    let n = 10_000
    for (; ; n++)
      try {
        await engine.reach(await putRecord(engine, n, n), 'logged')
        workload.model.set(n, n)
      } catch (error) {
        if (!hasCode(error, 'disk-full')) throw error
        break
      }
    expect(device.blockCount).toBe(smallMax)
    // As it is after a kill: the log, too, has been waiting.
    const crashed = new SimulatedDevice({ image: device.crashState().durable })
    const raised = await open(crashed, 7, { raiseVolumeTo: oneLevel * blockBytes })
    for (let i = 1; i <= 500; i++) {
      await putRecord(raised, n + i, i)
      workload.model.set(n + i, i)
    }
    await raised.requestCp('requested')
    expect(raised.space().used).toBeGreaterThan(smallMax)
    expect(crashed.blockCount).toBeGreaterThan(smallMax)
    await raised.close()
    await expectSound(crashed, workload, 8, oneLevel)
  })
})

describe('a crash while it is raised', () => {
  for (const [name, blocks] of sizes.slice(1, 3))
    test(`${name}: the one size or the other, and everything that was acknowledged`, async () => {
      const random = seededRandom(9)
      const { device, workload, engine } = await volume(7)
      await engine.reach(await putRecord(engine, 9999, 5), 'logged')
      workload.model.set(9999, 5)
      const states: CrashState[] = []
      const raising: SimulatedDevice = new SimulatedDevice({
        image: device.crashState().durable,
        onMutation: () => void states.push(raising.crashState()),
      })
      const raised = await open(raising, 8, { raiseVolumeTo: blocks * blockBytes })
      for (let i = 0; i < 4; i++) await putRecord(raised, 9999, 5)
      await raised.requestCp('requested')
      states.push(raising.crashState())
      expect(states.length).toBeGreaterThan(10)
      const seen = new Set<number>()
      for (const state of states) {
        const last = state.pending.length - 1
        const choices = [
          randomChoice(random),
          randomChoice(random),
          ...(last >= 0 ? [tornAfter(last, 1), tornAfter(last, 9)] : []),
        ]
        for (const choice of choices)
          for (const raiseVolumeTo of [null, blocks * blockBytes]) {
            const crashed = new SimulatedDevice({ image: crashImage(state, choice) })
            const again = await open(crashed, 10, { raiseVolumeTo })
            const { blocksMax } = again.current().root
            expect(raiseVolumeTo === null ? [smallMax, blocks] : [blocks]).toContain(blocksMax)
            seen.add(blocksMax)
            const view = again.openView()
            await expectModel(view, workload.model)
            view.release()
            await again.close()
            expect((await checkVolume(crashed)).findings).toEqual([])
          }
      }
      expect(seen).toEqual(new Set([smallMax, blocks]))
    })
})

describe('maps that gain a level', () => {
  const grown = (map: SpaceMap, blocks: number) => {
    const larger = map.grownTo(blocks)
    expect(larger.indexes).toHaveLength(mapLevels(blocks))
    return larger
  }

  test('have a new top over the old one, which stays where it is when nothing below it changes', async () => {
    const store = new MapStore()
    let next = 100
    const allocate = () => next++
    const far = (mapIndexFanout + 7) * blocksPerMapPage
    const first = build(
      SpaceMap.empty('live', blocksPerMapPage),
      SpaceMap.empty('used', blocksPerMapPage),
      { born: [{ address: 900, blocks: 3 }] },
      allocate,
    )
    store.keep(first)
    const [live, used] = [first.live, first.used].map((map) =>
      grown(map, 2 * mapIndexFanout * blocksPerMapPage),
    )
    // All that is new lies under another node than the old top, and so do its maps.
    let beyond = far + 500
    const second = build(live!, used!, { born: [{ address: far, blocks: 9 }] }, () => beyond++)
    store.keep(second)
    expect(second.live.indexes[0]![0]).toBe(first.live.indexes[0]![0])
    for (const map of [second.live, second.used]) {
      expect(map.has(far)).toBe(true)
      expect(map.has(900)).toBe(true)
      sameMap(await store.load(map), map)
      // Known pages of a map with fewer levels are taken from there.
      sameMap(await store.load(map, [first.live, first.used]), map)
    }
    expect(blocksOf(second.live)).toContain(far + 8)
    // Back into the old region.
    const third = build(second.live, second.used, { freed: [{ address: 900, blocks: 3 }] }, allocate)
    store.keep(third)
    sameMap(await store.load(third.used, [second.used, first.used]), third.used)
    expect(third.live.has(901)).toBe(false)
  })

  test('need no more blocks than the last floor of space has', () => {
    for (const blocks of [blocksPerMapPage, oneLevel, 2 ** 32]) {
      const maps = [SpaceMap.empty('live', blocksPerMapPage), SpaceMap.empty('used', blocksPerMapPage)]
      const [live, used] = maps.map((map) => grown(map, blocks))
      let next = 100
      const built = build(live!, used!, { born: [{ address: 900, blocks: 1 }] }, () => next++)
      expect(built.commands.length).toBeLessThanOrEqual(mapBlocksWorstCase(blocksPerMapPage, blocks))
    }
  })

  test('never lose one', () => {
    const map = SpaceMap.empty('live', oneLevel)
    expect(map.grownTo(oneLevel)).toBe(map)
    expect(() => map.grownTo(oneLevel - 1)).toThrow('never falls')
  })
})
