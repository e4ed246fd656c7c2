/** Two primaries of one volume: the one with the lower epoch learns of the other from the mirror, and says so for good. */
import { expect, test } from 'bun:test'
import { toHex } from '../../../src/lib/bytes.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { SuperblockStore } from '../../../src/cp-engine/volume/superblock-store.ts'
import { nothingSurvives } from '../../simulated/crash-image.ts'
import { Workload, expectModel, open } from '../../cp-engine/workload.ts'
import { Pair } from '../pair.ts'

test('a primary whose mirror has met a higher epoch is fenced, and the mirror follows the other one', async () => {
  const pair = await Pair.create({ seed: 11 })
  const workload = new Workload(11)
  workload.watch(pair.engine)
  for (let i = 0; i < 20; i++) await workload.step(pair.engine)
  await pair.join()
  await pair.engine.requestCp('requested')
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()

  const [former, formerMirrors, formerDevice] = [pair.engine, pair.mirrors, pair.primaryDevice]
  const copy = pair.device('primary', { image: formerDevice.image(nothingSurvives) })
  const store = await SuperblockStore.open(copy)
  await store.write(({ epoch }) => ({ epoch: { number: epoch.number + 1, id: pair.random.bytes(8) } }))
  await pair.openPrimary(copy)
  workload.watch(pair.engine)
  for (let round = 0; round < 3; round++) {
    await workload.step(pair.engine)
    await pair.engine.requestCp('requested')
    expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  }
  expect(await pair.clock.until(() => former.isFenced, 5000)).toBeTrue()
  await expect(former.run((tx) => tx.setCounter(0, 1))).rejects.toMatchObject({ code: 'fenced' })
  expect(pair.engine.isFenced).toBe(false)
  expect(await formerMirrors.list()).toMatchObject([{ state: 'stalled' }])

  await former.close()
  formerMirrors.close()
  const again = await open(formerDevice.reopened(), 5, { clock: pair.clock })
  expect(again.isFenced).toBe(true)
  await again.close()
  const current = pair.mirrorVolume.current()
  expect(toHex(current.hash)).toBe(toHex(pair.engine.current().hash))
  const view = pair.mirrorVolume.view(current)
  await expectModel(view, workload.sealed.get(current.root.cp)!)
  view.release()
  for (const device of [formerDevice, copy, pair.mirrorDevice])
    expect((await checkVolume(device)).findings).toEqual([])
  expect(pair.failures).toEqual([])
  pair.mirrors.close()
})

test('what a mirror was publishing when a new epoch began, and is not of its history, is not published any more', async () => {
  const pair = await Pair.create({ seed: 12 })
  const workload = new Workload(12)
  workload.watch(pair.engine)
  await workload.step(pair.engine)
  await pair.join()
  await pair.engine.requestCp('requested')
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  const common = pair.engine.current().root.cp
  const copy = pair.device('primary', { image: pair.primaryDevice.image(nothingSurvives) })

  // The mirror has all of the next CP, and its disk takes long.
  const { mirrorDevice } = pair
  const sync = mirrorDevice.sync.bind(mirrorDevice)
  const slow = Promise.withResolvers<void>()
  let isSyncing = false
  mirrorDevice.sync = () => {
    mirrorDevice.sync = sync
    isSyncing = true
    return slow.promise.then(sync)
  }
  await workload.step(pair.engine)
  await pair.engine.requestCp('requested')
  expect(await pair.clock.until(() => isSyncing, 5000)).toBeTrue()

  const store = await SuperblockStore.open(copy)
  await store.write(({ epoch }) => ({ epoch: { number: epoch.number + 1, id: pair.random.bytes(8) } }))
  const [former, formerMirrors] = [pair.engine, pair.mirrors]
  await pair.openPrimary(copy)
  const isAdopted = () => pair.mirrorVolume.superblock.epoch.number === 1
  expect(await pair.clock.until(isAdopted, 5000)).toBeTrue()
  slow.resolve()
  await pair.engine.run((tx) => tx.setCounter(0, 7))
  await pair.engine.requestCp('requested')
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  expect(pair.mirrorVolume.current().root.counters[0]).toBe(7)
  expect(pair.mirrorVolume.current().root.cp).toBeGreaterThan(common)
  expect(pair.failures).toEqual([])
  formerMirrors.close()
  await former.close()
  pair.mirrors.close()
})
