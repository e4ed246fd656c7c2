/** A root has room for 64 epochs: the oldest is dropped when another one begins, and everything goes on without it. */
import { describe, expect, test } from 'bun:test'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { epochsAt } from '../../../src/cp-engine/cp/consistency-point.ts'
import { cpsPerEpoch, epochsMax, superblockAddress } from '../../../src/format/geometry.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { Workload, expectModel, newPrimary, open } from '../workload.ts'

/** The operator gives up what came after a copy, again and again. */
async function manyEpochs(device: SimulatedDevice, workload: Workload, count: number): Promise<void> {
  for (let i = 1; i <= count; i++) {
    const engine = await open(device, i, { acceptHistoryLoss: true })
    const { cp } = engine.current().root
    while (engine.current().root.cp === cp) {
      await workload.step(engine)
      await engine.requestCp('requested')
    }
    await engine.close()
  }
}

describe('more epochs than a root has room for', () => {
  test('the newest ones are kept, with what each continues', async () => {
    const device = new SimulatedDevice()
    const workload = new Workload(1)
    await newPrimary(device, 1)
    await manyEpochs(device, workload, 3)
    const early = (await open(device, 99)).current().root
    expect(early.epochs.map(({ number }) => number)).toEqual([0, 1, 2, 3])
    await manyEpochs(device, workload, 80)
    const engine = await open(device, 100)
    const { root } = engine.current()
    const last = early.epochs.length - 1 + 80
    expect(root.epochs.map(({ number }) => number)).toEqual(
      Array.from({ length: epochsMax }, (_, i) => last - epochsMax + 1 + i),
    )
    expect(Math.floor(root.cp / cpsPerEpoch)).toBe(last)
    for (const { rootHashBefore } of root.epochs) expect(rootHashBefore.some((byte) => byte > 0)).toBe(true)
    const view = engine.openView()
    await expectModel(view, workload.model)
    view.release()
    await engine.close()
    expect((await checkVolume(device)).findings).toEqual([])
  })

  test('a volume with a full list goes back like any other, and says what its new epoch continues', async () => {
    const device = new SimulatedDevice()
    const workload = new Workload(2)
    await newPrimary(device, 2)
    await manyEpochs(device, workload, epochsMax)
    let engine = await open(device, 7)
    const older = engine.current()
    expect(older.root.epochs).toHaveLength(epochsMax)
    await workload.step(engine, 'committed')
    await engine.requestCp('requested')
    const slot = engine.volume.superblocks.newestSlot()
    for (const copy of [0, 1]) device.flipBit(superblockAddress(slot, copy) + copy, 4711)
    const image = device.crashState().durable
    engine = await open(new SimulatedDevice({ image }), 8, { acceptSuperblockLoss: true })
    expect(engine.current().hash).toEqual(older.hash)
    await workload.step(engine, 'committed')
    const { root } = await engine.requestCp('requested')
    expect(root.epochs).toHaveLength(epochsMax)
    expect(root.epochs.at(-1)).toMatchObject({ number: epochsMax + 1, rootHashBefore: older.hash })
    expect(root.epochs[0]!.number).toBe(2)
    await engine.close()
  })

  test('within an epoch the list stays as it is', async () => {
    const device = new SimulatedDevice()
    await newPrimary(device, 3)
    const engine = await open(device, 3)
    const published = engine.current()
    expect(epochsAt(published.root.cp + 1, published, engine.volume.superblock.epoch)).toBe(
      published.root.epochs,
    )
    await engine.close()
  })
})
