import { expect, test } from 'bun:test'
import { toHex } from '../../src/lib/bytes.ts'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { Workload, expectModel } from '../cp-engine/workload.ts'
import { Pair } from './pair.ts'

test('a mirror follows: first copy, then live', async () => {
  const pair = await Pair.create({ seed: 1 })
  const workload = new Workload(1)
  workload.watch(pair.engine)
  for (let i = 0; i < 20; i++) await workload.step(pair.engine)
  await pair.engine.requestCp('requested')
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 1000)).toBeTrue()
  expect(pair.transfers.map(({ kind }) => kind)).toEqual(['first-copy'])
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 5; i++) await workload.step(pair.engine)
    await pair.engine.requestCp('requested')
    expect(await pair.clock.until(() => pair.isEqual, 1000)).toBeTrue()
  }
  const current = pair.mirrorVolume.current()
  expect(toHex(current.hash)).toBe(toHex(pair.engine.current().hash))
  const view = pair.mirrorVolume.view(current)
  await expectModel(view, workload.sealed.get(current.root.cp)!)
  view.release()
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
  console.log(
    pair.transfers.slice(1).map(({ kind, cp, blocks }) => `${kind} ${cp} ${blocks}`),
    await pair.mirrors.list(),
  )
  expect(pair.failures).toEqual([])
})
