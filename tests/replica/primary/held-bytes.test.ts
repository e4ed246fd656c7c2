/** What only a mirror's holds keep: counted once for as long as nothing changes. */
import { expect, test } from 'bun:test'
import { EngineVolume } from '../../../src/cp-engine/primary-volume.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { HeldBytes } from '../../../src/replica/primary/held-bytes.ts'
import { Workload } from '../../cp-engine/workload.ts'
import { Pair } from '../pair.ts'

test('is counted anew only when the holds or the newest root have changed', async () => {
  const pair = await Pair.create({ seed: 4 })
  const { engine } = pair
  const workload = new Workload(4)
  workload.watch(engine)
  const cp = async () => {
    for (let i = 0; i < 5; i++) await workload.step(engine)
    return engine.requestCp('requested')
  }
  let counted = 0
  class Counting extends EngineVolume {
    override difference(...of: Parameters<EngineVolume['difference']>) {
      counted++
      return super.difference(...of)
    }
  }
  const primary = new Counting(engine)
  const held = new HeldBytes(primary, engine)
  const [first, second] = [await cp(), await cp()]
  expect(await held.of('m')).toBe(0)
  primary.holds.set('m', [first])
  const bytes = await held.of('m')
  expect(bytes).toBeGreaterThan(0)
  expect(bytes % blockBytes).toBe(0)
  expect(await Promise.all([held.of('m'), held.of('m')])).toEqual([bytes, bytes])
  expect(counted).toBe(1)

  // The newest root costs nothing.
  primary.holds.set('m', [first, second])
  expect(await held.of('m')).toBe(bytes)
  expect(counted).toBe(2)
  await cp()
  expect(await held.of('m')).toBeGreaterThan(bytes)
  expect(counted).toBe(4)
  primary.holds.set('m', [])
  expect(await held.of('m')).toBe(0)
  expect(counted).toBe(4)
})

test('a count that failed is not remembered', async () => {
  const pair = await Pair.create({ seed: 5 })
  const { engine } = pair
  let fails = true
  class Failing extends EngineVolume {
    override difference(...of: Parameters<EngineVolume['difference']>) {
      return fails ? Promise.reject(new Error('no')) : super.difference(...of)
    }
  }
  const primary = new Failing(engine)
  const held = new HeldBytes(primary, engine)
  const workload = new Workload(5)
  await workload.step(engine)
  const first = await engine.requestCp('requested')
  primary.holds.set('m', [first])
  await workload.step(engine)
  await engine.requestCp('requested')
  const asked = [held.of('m'), held.of('m')]
  expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  fails = false
  expect(await held.of('m')).toBeGreaterThan(0)
})
