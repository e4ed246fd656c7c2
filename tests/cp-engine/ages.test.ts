/**
 * A volume of every age: each number that only grows stands short of a place where numbers break. Each volume is opened
 * again and again after a loss of power, while its log goes round, and everything that was acknowledged is there.
 */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { checkVolume } from '../../src/cp-engine/check.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { blockBytes, cpsPerEpoch, epochMax, epochsMax } from '../../src/format/geometry.ts'
import { openingMax, sequenceMax } from '../../src/format/position.ts'
import { type Age, age, newborn } from '../laboratory/aged-volume.ts'
import { Chance } from '../laboratory/chance.ts'
import { nothingSurvives } from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { Workload, expectModel, newPrimary, open, smallGeometry } from './workload.ts'

setDefaultTimeout(60_000)

const ringBytes = smallGeometry().logBlocks * blockBytes
const restarts = 4
/** Laps of the log between two restarts. */
const laps = 1.3

/** So many operations and CPs are not reached in a run: the last numbers are for it. */
const room = 100_000
const ages: readonly (readonly [what: string, age: Partial<Age>])[] = [
  ['a new one', {}],
  ['one block before the end of a lap', { logBytes: ringBytes - blockBytes }],
  ['a log of 2 GiB', { logBytes: 2 ** 31 - blockBytes }],
  ['a log of 4 GiB', { logBytes: 2 ** 32 - blockBytes }],
  ['a log of 16 TiB', { logBytes: 2 ** 44 - blockBytes }],
  ['2³¹ operations', { sequence: 2 ** 31 - 5 }],
  ['2³² operations', { sequence: 2 ** 32 - 5 }],
  ['nearly all operations', { sequence: sequenceMax - room }],
  ['2³¹ consistency points', { cps: 2 ** 31 - 5 }],
  ['2³² consistency points', { cps: 2 ** 32 - 5 }],
  ['nearly all consistency points', { cps: cpsPerEpoch - room }],
  ['2¹⁶ openings', { openings: 2 ** 16 - 2 }],
  ['2³¹ openings', { openings: 2 ** 31 - 2 }],
  ['the last openings', { openings: openingMax - 2 * restarts }],
  ['2³¹ superblocks', { generation: 2 ** 31 - 2 }],
  ['2³² superblocks', { generation: 2 ** 32 - 2 }],
  ['one epoch less than a root lists', { epochs: epochsMax - 2 }],
  ['as many epochs as a root lists', { epochs: epochsMax - 1 }],
  ['one epoch more than a root lists', { epochs: epochsMax }],
  ['the last epochs', { epochs: epochMax - restarts - 1 }],
]

test.each(ages)('%s: restarts, laps of the log and accepted losses', async (_what, old) => {
  const to = { ...newborn, ...old }
  let device = new SimulatedDevice()
  await newPrimary(device, 1)
  await age(device, to, new Chance('ages'))
  const workload = new Workload(3, 40)
  workload.history.set(to.sequence, new Map())
  let promised = 0
  for (let restart = 1; restart <= restarts; restart++) {
    const image = device.image(nothingSurvives)
    device = new SimulatedDevice({ image })
    expect((await checkVolume(new SimulatedDevice({ image }))).findings).toEqual([])
    const engine: CpEngine = await open(device, restart, { acceptHistoryLoss: to.epochs > 0 })
    const { root } = engine.current()
    expect(engine.volume.superblock.opening).toBe(to.openings + restart)
    expect(engine.volume.superblock.epoch.number).toBe(to.epochs + (to.epochs > 0 ? restart : 0))
    expect(engine.recovery.replayed > 0).toBe(restart > 1)
    expect(root.sequence).toBeGreaterThanOrEqual(Math.max(workload.acknowledged, to.sequence))
    expect(root.sequence).toBeLessThan(to.sequence + room)
    const view = engine.openView()
    await expectModel(view, workload.history.get(root.sequence)!)
    view.release()
    // I3: above every number that anybody may have been told.
    expect(engine.volume.superblock.firstCp).toBeGreaterThan(promised)
    await goRound(engine, workload)
    promised = engine['state'].cp
    // Not closed: what is not in a CP is in the log alone.
  }
})

/** The log goes round, CPs make room, and at the end there is something in the log alone. */
async function goRound(engine: CpEngine, workload: Workload): Promise<void> {
  const from = engine['log'].mark().position
  while (engine['log'].mark().position < from + laps * ringBytes) await workload.step(engine, 'logged')
  await engine.requestCp('requested')
  for (let i = 0; i < 3;) if (await workload.step(engine, 'logged')) i++
}
