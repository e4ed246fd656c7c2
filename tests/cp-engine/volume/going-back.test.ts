/**
 * A published superblock that cannot be read any more is refused by name; the CP before is whole when the operator goes
 * back, and what comes after belongs to another epoch. And I3: no cp number is ever given twice.
 */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { equalBytes, toHex } from '../../../src/lib/bytes.ts'
import { hasCode } from '../../../src/lib/errors.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { cpsPerEpoch, superblockAddress } from '../../../src/format/geometry.ts'
import { valueHead } from '../../../src/format/pointer.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import type { PublishedRoot } from '../../../src/cp-engine/contract.ts'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { crashImage, everythingSurvives, randomChoice } from '../../simulated/crash-image.ts'
import type { CrashState, Image } from '../../simulated/crash-image.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { paddedValue } from '../padded-value.ts'
import { Workload, expectModel, keyOf, newPrimary, open } from '../workload.ts'

setDefaultTimeout(60_000)

const accept = { acceptSuperblockLoss: true }

interface Lost {
  readonly image: Image
  readonly workload: Workload
  /** Of the slot that is left. */
  readonly before: PublishedRoot
  readonly lost: PublishedRoot
}

/** Some CPs, then rot takes both copies of the newest slot. */
async function loseNewestSlot(seed: number): Promise<Lost> {
  const workload = new Workload(seed)
  const device = new SimulatedDevice()
  await newPrimary(device, seed)
  const engine = await open(device, seed)
  workload.watch(engine)
  let before = engine.current()
  for (let round = 0; round < 6; round++) {
    const last = engine.current()
    for (let i = 0; i < 10; i++) await workload.step(engine)
    await engine.requestCp('requested')
    if (engine.current() !== last) before = last
  }
  const lost = engine.current()
  const slot = engine.volume.superblocks.newestSlot()
  for (const copy of [0, 1]) device.flipBit(superblockAddress(slot, copy) + copy, 4711)
  return { image: device.crashState().durable, workload, before, lost }
}

async function expectContent(engine: CpEngine, { workload, before }: Lost): Promise<void> {
  const view = engine.openView()
  await expectModel(view, workload.history.get(before.root.sequence)!)
  view.release()
}

describe('going back', () => {
  test('refused by name without the flag, and nothing is written', async () => {
    const { image, before } = await loseNewestSlot(1)
    const device = new SimulatedDevice({ image })
    const error: unknown = await open(device, 1).catch((thrown: unknown) => thrown)
    expect(hasCode(error, 'corrupt')).toBe(true)
    expect(error).toMatchObject({
      help: { remaining: before.root.cp, waysOut: ['restore from a mirror', '--accept-loss=superblock'] },
    })
    expect(device.mutations).toBe(0)
    const { findings, cps } = await checkVolume(device)
    expect(findings).toHaveLength(1)
    expect(findings[0]!.message).toContain('superblock slot')
    expect(cps).toEqual([before.root.cp])
  })

  test('with it: the CP before is whole, in a new epoch that says what it continues', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const lost = await loseNewestSlot(seed)
      const { workload, before } = lost
      const device = new SimulatedDevice({ image: lost.image })
      let engine = await open(device, seed, accept)
      expect(engine.current().root.cp).toBe(before.root.cp)
      await expectContent(engine, lost)
      expect((await checkVolume(device)).findings).toEqual([])

      workload.model.clear()
      for (const [key, value] of workload.history.get(before.root.sequence)!) workload.model.set(key, value)
      while (engine.current().root.cp === before.root.cp) {
        await workload.step(engine)
        await engine.requestCp('requested')
      }
      const { root } = engine.current()
      expect(Math.floor(root.cp / cpsPerEpoch)).toBe(1)
      // n counts on across epochs.
      expect(root.cp % cpsPerEpoch).toBeGreaterThan(before.root.cp)
      expect(root.epochs).toHaveLength(2)
      expect(root.epochs[1]).toMatchObject({ number: 1, firstCp: root.cp })
      expect(equalBytes(root.epochs[1]!.rootHashBefore, before.hash)).toBe(true)
      expect(equalBytes(root.epochs[1]!.id, root.epochs[0]!.id)).toBe(false)
      expect(equalBytes(root.previousHash, before.hash)).toBe(true)
      await engine.close()

      // From now on it is a volume like any other.
      engine = await open(device, seed + 100)
      const view = engine.openView()
      await expectModel(view, workload.model)
      view.release()
      expect(engine.current().root.epochs).toHaveLength(2)
      await engine.close()
      expect((await checkVolume(device)).findings).toEqual([])
    }
  })

  test('a crash anywhere on the way back: the next open finishes it', async () => {
    const random = seededRandom(5)
    const lost = await loseNewestSlot(3)
    const states: CrashState[] = []
    const device: SimulatedDevice = new SimulatedDevice({
      image: lost.image,
      onMutation: () => void states.push(device.crashState()),
    })
    const engine = await open(device, 3, accept)
    states.push(device.crashState())
    expect(states.length).toBeGreaterThan(10)
    for (const state of states)
      for (let i = 0; i < 12; i++) {
        const image = crashImage(state, randomChoice(random))
        let next = new SimulatedDevice({ image })
        let opened = await open(next, i).catch(() => null)
        if (!opened) {
          // The mark had not reached the disk: still the loss of before.
          next = new SimulatedDevice({ image })
          opened = await open(next, i, accept)
        }
        expect(opened.current().hash).toEqual(lost.before.hash)
        expect(opened.volume.superblock).toMatchObject({ goingBack: false, epoch: { number: 1 } })
        await expectContent(opened, lost)
        expect((await checkVolume(next)).findings).toEqual([])
        // Neither slot names what was lost.
        expect(opened.readable().map(({ root }) => root.cp)).toEqual([lost.before.root.cp])
      }
    await engine.close()
  })

  test('accepting a loss when nothing is lost changes nothing', async () => {
    const device = new SimulatedDevice()
    await newPrimary(device, 1)
    const engine = await open(device, 1, accept)
    expect(engine.volume.superblock.epoch.number).toBe(0)
    expect(engine.current().root.cp).toBeLessThan(cpsPerEpoch)
  })
})

describe('cp numbers', () => {
  test('never given twice, and above whatever was promised, over crashes and restarts', async () => {
    let crashes = 0
    for (let seed = 1; seed <= 30; seed++) {
      const random = seededRandom(seed * 7)
      const workload = new Workload(seed)
      let hashes = new Map<number, string>()
      const seen = ({ root, hash }: PublishedRoot) => {
        const before = hashes.get(root.cp)
        if (before !== undefined && before !== toHex(hash)) throw new Error(`cp ${root.cp} is two roots`)
        hashes.set(root.cp, toHex(hash))
      }
      const first = new SimulatedDevice()
      await newPrimary(first, seed)
      let image = first.crashState().durable
      let promised = 0
      let firstCp = 0
      for (let opening = 0; opening < 8; opening++) {
        const states: { state: CrashState; promised: number; hashes: Map<number, string> }[] = []
        const moment = () => states.push({ state: device.crashState(), promised, hashes: new Map(hashes) })
        const device: SimulatedDevice = new SimulatedDevice({
          image,
          onMutation: () => void moment(),
        })
        const engine = await open(device, seed * 100 + opening)
        const { cp } = engine.current().root
        seen(engine.current())
        workload.watch(engine)
        const given = engine.volume.superblock.firstCp
        expect(given).toBeGreaterThanOrEqual(firstCp + 4)
        expect(given).toBeGreaterThan(promised)
        firstCp = given
        engine.onPublished(({ published }) => seen(published))
        const openAt = states.length
        for (let i = random.below(25); i > 0; i--) {
          await workload.step(engine, random.below(3) === 0 ? 'logged' : 'buffered')
          const applied = await engine.run((tx) => tx.put(keyOf(999), Uint8Array.of(0, i)))
          expect(applied.cp).toBeGreaterThanOrEqual(Math.max(promised, firstCp))
          promised = applied.cp
          if (random.below(4) === 0) await engine.requestCp('requested')
        }
        expect(engine.current().root.cp).toBeGreaterThanOrEqual(cp)
        // The power goes out at any of the moments since the open, or not at all.
        const at = openAt + random.below(states.length + 1 - openAt)
        moment()
        const then = states[at]!
        promised = then.promised
        hashes = then.hashes
        image = crashImage(then.state, randomChoice(random))
        crashes++
      }
    }
    expect(crashes).toBe(240)
  })
})

/** A stream adds what the lost CP has published, then an operation names it: by nothing, or by a record of its own. */
async function loseWhatWasNamed(hasOwnRecord: boolean) {
  const device = new SimulatedDevice()
  await newPrimary(device, 1)
  const engine = await open(device, 1, { cpIntervalMs: 1e9 })
  await engine.run((tx) => tx.put(keyOf(1), paddedValue(10, 1)))
  await engine.requestCp('requested')
  await engine.reach(await engine.run((tx) => tx.put(keyOf(2), paddedValue(10, 2))), 'logged')
  const stream = engine.openStream()
  const record = async () => (await engine.prepare(new Uint8Array(70_000).fill(7)))[0]!
  const added = await record()
  await stream.add((tx) => tx.put(keyOf(3), valueHead([tx.use(added)], 'xxh3')), [added])
  await engine.requestCp('requested')
  const records = hasOwnRecord ? [await record()] : []
  const naming = await engine.run(
    (tx) => tx.put(keyOf(4), records[0] ? valueHead([tx.use(records[0])], 'xxh3') : paddedValue(10, 4)),
    { stream, records },
  )
  await engine.reach(naming, 'logged')
  const slot = engine.volume.superblocks.newestSlot()
  const damaged = new SimulatedDevice({ image: crashImage(device.crashState(), everythingSurvives) })
  for (const copy of [0, 1]) damaged.flipBit(superblockAddress(slot, copy) + copy, 4711)
  return { naming, image: damaged.crashState().durable }
}

for (const hasOwnRecord of [false, true])
  test(`what counts on a lost CP is lost by name, ${hasOwnRecord ? 'with' : 'without'} records of its own`, async () => {
    const { naming, image } = await loseWhatWasNamed(hasOwnRecord)
    const engine = await open(new SimulatedDevice({ image }), 2, accept)
    const view = engine.openView()
    expect(await view.read((tree) => tree.get(keyOf(2)))).toEqual(paddedValue(10, 2))
    expect(await view.read((tree) => tree.get(keyOf(4)))).toBeNull()
    view.release()
    const { replayed, log, lost } = engine.recovery
    expect({ replayed, log }).toEqual({ replayed: 1, log: 'damaged' })
    expect(lost).toMatchObject([{ firstSequence: naming.sequence, operations: 1 }])
    await engine.close()
  })
