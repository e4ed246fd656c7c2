/** One side is put back to an older copy of its volume: nothing is given twice for long, and both sides say what helps. */
import { expect, test } from 'bun:test'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { cpsPerEpoch } from '../../src/format/geometry.ts'
import { everythingSurvives } from '../simulated/crash-image.ts'
import type { SimulatedDevice } from '../simulated/simulated-device.ts'
import { Workload, open } from '../cp-engine/workload.ts'
import { Pair, type Side } from './pair.ts'
import { containing } from './primary/shipper-stage.ts'

interface Scene {
  readonly pair: Pair
  readonly workload: Workload
  /** As it was in between. */
  readonly older: SimulatedDevice
}

async function step({ pair, workload }: Pick<Scene, 'pair' | 'workload'>): Promise<void> {
  await workload.step(pair.engine)
  await pair.engine.requestCp('requested')
}

/** Both go on for some CPs after the copy of the side was made. */
async function scene(seed: number, side: Side): Promise<Scene> {
  const pair = await Pair.create({ seed })
  const workload = new Workload(seed)
  const run = async (steps: number) => {
    for (let i = 0; i < steps; i++) {
      await step({ pair, workload })
      expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
    }
  }
  await pair.join()
  await run(3)
  const device = side === 'primary' ? pair.primaryDevice : pair.mirrorDevice
  const older = pair.device(side, { image: device.image(everythingSurvives) })
  await run(8)
  return { pair, workload, older }
}

const stateOf = async ({ mirrors }: Pair) => (await mirrors.list())[0]!

test.each([0, 3, 20])(
  'an older copy of the primary, %i CPs later: it takes no write any more, until its loss is accepted',
  async (cps) => {
    const { pair, workload, older } = await scene(31 + cps, 'primary')
    const lost = pair.engine.current().root.cp
    pair.mirrors.close()
    pair.network.attach(null)
    await pair.openPrimary(older)
    for (let i = 0; i < cps; i++) await step({ pair, workload })
    const version = await pair.engine.run((tx) => tx.nextVersion())
    expect(version.result.epoch).toBe(0)

    pair.network.attach(pair.applier)
    expect(await pair.clock.until(() => pair.engine.isFenced, 5000)).toBeTrue()
    await expect(pair.engine.run((tx) => tx.setCounter(0, 1))).rejects.toMatchObject({
      code: 'fenced',
      message: containing('older copy'),
    })
    expect(await stateOf(pair)).toMatchObject({
      state: 'stalled',
      needs: containing(`the mirror has ${lost}`),
    })
    // It has a later one, of another history.
    const { cp } = pair.engine.current().root
    expect(await pair.mirrors.waitMirrored(cp, 1, pair.clock.monotonic())).toBeFalse()
    await pair.clock.advance(200)
    expect(pair.applier.status().needs).toBe('a-common-cp')
    expect(pair.mirrorVolume.current().root.cp).toBe(lost)

    // Also without the mirror.
    await pair.engine.close()
    pair.mirrors.close()
    const again = await open(pair.primaryDevice.reopened(), 5, { clock: pair.clock })
    expect(again.isFenced).toBe(true)
    await again.close()

    await pair.openPrimary(pair.primaryDevice.reopened(), { acceptHistoryLoss: true })
    expect(pair.engine.isFenced).toBe(false)
    for (let i = 0; i < 3; i++) await step({ pair, workload })
    await pair.clock.advance(1000)
    expect(pair.engine.isFenced).toBe(false)
    expect(pair.engine.current().root.cp).toBeGreaterThan(cpsPerEpoch)
    expect(await stateOf(pair)).toMatchObject({
      state: 'stalled',
      needs: containing('empty its folder'),
    })
    for (const device of [pair.primaryDevice, pair.mirrorDevice])
      expect((await checkVolume(device)).findings).toEqual([])
    expect(pair.failures).toEqual([])
    pair.mirrors.close()
  },
)

test('an older copy of the mirror is stalled, says so itself, and the primary goes on', async () => {
  const { pair, workload, older } = await scene(41, 'mirror')
  const { cp } = pair.engine.current().root
  const isMirrored = () => pair.mirrors.waitMirrored(cp, 1, pair.clock.monotonic())
  expect(await isMirrored()).toBeTrue()
  pair.network.attach(null)
  await pair.openMirror(older)
  expect(await pair.clock.until(() => pair.applier.status().needs === 'a-common-cp', 5000)).toBeTrue()
  expect(pair.applier.status().primaryCp).toBe(cp)
  // It was; what is there now has it no more.
  expect(await isMirrored()).toBeFalse()
  expect(await stateOf(pair)).toMatchObject({
    state: 'stalled',
    needs: containing('empty its folder'),
  })
  await step({ pair, workload })
  expect(pair.engine.isFenced).toBe(false)
  expect(pair.failures).toEqual([])
  pair.mirrors.close()
})
