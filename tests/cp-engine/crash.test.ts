/**
 * A crash at every device operation of random workloads, with any subset of the un-synced writes surviving and any of
 * them torn. After each: open, check, compare. Invariants checked: I1 (check of both slots), I2, I3, I4, I5, I8, I9.
 */
import { expect, test } from 'bun:test'
import { seededRandom } from '../../src/lib/random.ts'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { crashImage, randomChoice } from '../simulated/crash-image.ts'
import type { CrashState } from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { Workload, expectModel, newPrimary, open } from './workload.ts'

const imagesWanted = Number(process.env['STILLPOINT_CRASH_IMAGES'] ?? 20_000)
const firstSeed = Number(process.env['STILLPOINT_SEED'] ?? 1)

interface Moment {
  readonly state: CrashState
  /** The CP that was published when the operation began. */
  readonly published: number
  /** The last operation that had been acknowledged as durable by then. */
  readonly acknowledged: number
}

/**
 * How operations of a run are acknowledged: by their CPs alone, or by the log in between. `full`: as logged, on a small
 * volume with no room left, so that CPs are taken for space and records cut into pieces.
 */
type Style = 'committed' | 'logged' | 'full'

async function recordMoments(seed: number, style: Style): Promise<{ moments: Moment[]; workload: Workload }> {
  const workload = new Workload(seed, style === 'full' ? 700 : 60)
  const moments: Moment[] = []
  let published = 0
  const device = new SimulatedDevice({
    onMutation: () => {
      const { acknowledged } = workload
      if (published > 0) moments.push({ state: device.crashState(), published, acknowledged })
    },
  })
  await newPrimary(device, seed, style === 'full' ? 6 : 8)
  const engine = await open(device, seed)
  if (style === 'full') while (await workload.step(engine));
  await engine.requestCp('requested')
  engine.onPublished(({ published: { root } }) => {
    published = root.cp
    workload.acknowledged = Math.max(workload.acknowledged, root.sequence)
  })
  workload.watch(engine)
  published = engine.current().root.cp
  const step = () =>
    workload.step(engine, style !== 'committed' && workload.below(3) > 0 ? 'logged' : 'buffered')
  for (let round = 0; round < 12; round++) {
    const steps = 1 + workload.below(12)
    for (let i = 0; i < steps; i++) await step()
    const cp = engine.requestCp('requested')
    // These run while the CP is written, two at a time.
    for (let i = workload.below(4); i > 0; i--) await step()
    await cp
    if (workload.below(4) === 0) await engine.writeSuperblock()
  }
  await engine.close()
  return { moments, workload }
}

async function verifyImage(moment: Moment, workload: Workload, style: Style, seed: number): Promise<void> {
  const random = seededRandom(seed)
  const image = crashImage(moment.state, randomChoice(random))
  // Recovery may crash as well: one more crash somewhere in the open that follows.
  let device = new SimulatedDevice({ image })
  if (random.below(4) === 0) {
    const states: CrashState[] = []
    const first = new SimulatedDevice({ image, onMutation: () => void states.push(first.crashState()) })
    await open(first, seed)
    const state = states[random.below(states.length)]
    if (state) device = new SimulatedDevice({ image: crashImage(state, randomChoice(random)) })
  }
  const before = await checkVolume(device.reopened({}))
  expect(before.findings.filter(({ severity }) => severity === 'error')).toEqual([])
  const engine = await open(device, seed + 1)
  const { replayed, log } = engine.recovery
  const { cp, sequence } = engine.current().root
  // The check had said what this open does.
  expect(before.open).toEqual({ outcome: 'opens', cp, sequence, replayed, fenced: null })
  expect(before.log).toMatchObject({ operations: replayed, end: log })
  expect(cp).toBeGreaterThanOrEqual(moment.published)
  // I9: everything acknowledged is there, and what is there is a prefix of the one order.
  expect(sequence).toBeGreaterThanOrEqual(moment.acknowledged)
  const there = workload.history.get(sequence)
  expect(there).toBeDefined()
  if (style === 'committed') expect(workload.sealed.get(cp)).toEqual(there)
  const view = engine.openView()
  await expectModel(view, there!)
  view.release()
  const report = await checkVolume(device)
  expect(report.findings).toEqual([])
  // I5: once both slots name the same root, everything that it does not use is writable.
  for (let i = 0; i < 2; i++) await engine.writeSuperblock()
  const { writable, used, pending } = engine.space()
  expect(pending).toBe(0)
  expect(writable + used).toBe(device.blockCount - 16 - engine.volume.geometry.logBlocks)
}

const share: Record<Style, number> = { committed: 0.47, logged: 0.48, full: 0.05 }
for (const style of ['committed', 'logged', 'full'] as const) {
  const wanted = Math.ceil(imagesWanted * share[style])
  test(
    `${wanted} crash images, ${style}`,
    async () => {
      let images = 0
      for (let seed = firstSeed; images < wanted; seed++) {
        const { moments, workload } = await recordMoments(seed, style)
        const each = Math.max(1, Math.min(40, Math.ceil(wanted / 8 / moments.length)))
        for (const [i, moment] of moments.entries())
          for (let j = 0; j < each && images < wanted; j++, images++)
            try {
              await verifyImage(moment, workload, style, seed * 1_000_003 + i * 101 + j)
            } catch (error) {
              throw new Error(`seed ${seed}, moment ${i}, image ${j}`, { cause: error })
            }
      }
      expect(images).toBe(wanted)
    },
    { timeout: 60_000 + 20 * wanted },
  )
}
