/** Two primaries of one volume: the one with the lower epoch learns of the other from the mirror, and says so for good. */
import { expect, test } from 'bun:test'
import { toHex } from '../../src/lib/bytes.ts'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { SuperblockStore } from '../../src/cp-engine/superblock-store.ts'
import { nothingSurvives } from '../simulated/crash-image.ts'
import { Workload, expectModel, open } from '../cp-engine/workload.ts'
import { Pair } from './pair.ts'

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
