/** A primary that has met a higher epoch: nothing is changed or acknowledged any more, reads go on, and opens know. */
import { expect, test } from 'bun:test'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { EngineVolume } from '../../../src/cp-engine/primary-volume.ts'
import { valueHead } from '../../../src/format/pointer.ts'
import { StillpointError } from '../../../src/lib/errors.ts'
import { everythingSurvives, nothingSurvives } from '../../simulated/crash-image.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { Workload, expectModel, itemsOf, keyOf, newPrimary, open } from '../workload.ts'

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => (error instanceof StillpointError ? error.code : String(error)),
  )
const put = (engine: CpEngine, n: number) => engine.run((tx) => tx.put(keyOf(n), valueHead([], 'xxh3')))

/** Every way to change something or to hear that it was changed. */
async function expectFenced(engine: CpEngine): Promise<void> {
  const applied = { result: null, cp: engine.current().root.cp, sequence: 0 }
  const member = { uuid: '00000000-0000-4000-8000-000000000001', url: 'http://mirror' }
  const volume = new EngineVolume(engine)
  const refused = [
    put(engine, 9000),
    engine.runHidden((tx) => tx.delete(keyOf(1))),
    engine.prepare(new Uint8Array(10)),
    engine.openStream().add(() => {}, []),
    ...(['buffered', 'logged', 'committed'] as const).map((level) => engine.reach(applied, level)),
    volume.addMember(member),
  ]
  expect(new Set(await Promise.all(refused.map(codeOf)))).toEqual(new Set(['fenced']))
}

test('nothing is acknowledged from that moment on, and nothing that was is missing', async () => {
  const device = new SimulatedDevice()
  await newPrimary(device, 1)
  const workload = new Workload(1)
  const engine = await open(device, 1)
  workload.watch(engine)
  for (let i = 0; i < 30; i++) await workload.step(engine)
  await engine.requestCp('requested')
  for (let i = 0; i < 10; i++) await workload.step(engine)
  const applied = await engine.run(() => null)
  const waiting = [engine.reach(applied, 'logged'), engine.reach(applied, 'committed')].map(codeOf)
  const fencing = engine.fence()
  await expectFenced(engine)
  expect(await Promise.all(waiting)).toEqual(['fenced', 'fenced'])
  await Promise.all([fencing, engine.fence()])
  expect(engine.isPoisoned).toBe(false)

  // Reads go on, also those that need a CP of what was applied.
  const openView = engine.openView()
  await expectModel(openView, workload.model)
  openView.release()
  const view = engine.view(await engine.requestCp('requested'))
  await expectModel(view, workload.model)
  view.release()
  await engine.close()
  expect((await checkVolume(device)).findings).toEqual([])
})

test('an open after a crash knows it, reads, and finds what the log has', async () => {
  for (const survival of [nothingSurvives, everythingSurvives]) {
    const device = new SimulatedDevice()
    await newPrimary(device, 2)
    const workload = new Workload(2)
    const engine = await open(device, 2)
    workload.watch(engine)
    for (let i = 0; i < 20; i++) await workload.step(engine)
    await engine.reach(await put(engine, 500), 'logged')
    await engine.fence()
    const crashed = new SimulatedDevice({ image: device.image(survival) })
    device.crash()
    for (let again = 0; again < 2; again++) {
      const opened = await open(crashed, 3 + again)
      expect(opened.isFenced).toBe(true)
      await expectFenced(opened)
      const view = opened.openView()
      expect((await itemsOf(view)).length).toBe(workload.model.size + 1)
      view.release()
      await opened.close()
    }
    expect((await checkVolume(crashed)).findings).toEqual([])
  }
})

test('when it cannot be written the engine is poisoned', async () => {
  let isBroken = false
  const device = new SimulatedDevice({
    faults: ({ kind }) => (isBroken && kind === 'write' ? { kind: 'error' } : undefined),
  })
  await newPrimary(device, 3)
  const engine = await open(device, 3)
  isBroken = true
  expect(await codeOf(engine.fence())).toBe('poisoned')
  expect(await codeOf(put(engine, 1))).toBe('poisoned')
})

test('a member can be removed, so that whoever fenced it goes', async () => {
  const device = new SimulatedDevice()
  await newPrimary(device, 5)
  const engine = await open(device, 5)
  const member = { uuid: '00000000-0000-4000-8000-000000000001', url: 'http://mirror' }
  const volume = new EngineVolume(engine)
  await volume.addMember(member)
  volume.holds.set(member.uuid, [engine.current()])
  await engine.fence()
  await volume.removeMember(member.uuid)
  expect(volume.members()).toEqual([])
  expect(volume.holds.of(member.uuid)).toEqual([])
  await engine.close()
  const again = await open(device.reopened(), 6)
  expect(again.isFenced).toBe(true)
  expect(new EngineVolume(again).members()).toEqual([])
  await again.close()
})

test('an operator ends the fence of another primary by a new epoch without members; a smaller loss does not', async () => {
  const device = new SimulatedDevice()
  await newPrimary(device, 6)
  const workload = new Workload(6)
  const engine = await open(device, 6)
  workload.watch(engine)
  for (let i = 0; i < 20; i++) await workload.step(engine)
  const { cp } = (await engine.requestCp('requested')).root
  const member = { uuid: '00000000-0000-4000-8000-000000000001', url: 'http://mirror' }
  const volume = new EngineVolume(engine)
  await volume.addMember(member)
  volume.holds.set(member.uuid, [engine.current()])
  const { epoch } = engine.volume.superblock
  await engine.fence()
  expect(engine.fencedWhy).toContain('--accept-loss epoch')
  await engine.close()

  const lesser = { acceptHistoryLoss: true, acceptLogLoss: true, acceptSuperblockLoss: true }
  const still = await open(device.reopened(), 7, lesser)
  expect(still.isFenced).toBe(true)
  expect(still.volume.superblock.epoch).toEqual(epoch)
  await still.close()

  const again = await open(device.reopened(), 8, { acceptEpochLoss: true })
  expect(again.isFenced).toBe(false)
  expect(again.volume.superblock.epoch.number).toBe(epoch.number + 1)
  expect(again.volume.superblock.epoch.id).not.toEqual(epoch.id)
  expect(again.volume.superblock.members).toEqual([])
  expect(new EngineVolume(again).holds.of(member.uuid)).toEqual([])
  expect(await codeOf(put(again, 1))).toBe('ok')
  expect((await again.requestCp('requested')).root.cp).toBeGreaterThan(cp)
  await again.close()

  // The loss is accepted once: where there is no fence it gives up nothing.
  const later = await open(device.reopened(), 9, { acceptEpochLoss: true })
  expect(later.volume.superblock.epoch.number).toBe(epoch.number + 1)
  await later.close()
  expect((await checkVolume(device)).findings).toEqual([])
})
