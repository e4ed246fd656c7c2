/** Every order in which the reasons of a fence come: the superblock says each that a later open has to find. */
import { describe, expect, test } from 'bun:test'
import { Fence } from '../../../src/cp-engine/volume/fence.ts'
import { fences, type FenceReason } from '../../../src/cp-engine/contract.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { newPrimary, open } from '../workload.ts'

const reasons: readonly FenceReason[] = ['another primary', 'an older copy']
const extended = (orders: FenceReason[][]): FenceReason[][] =>
  orders.flatMap((before) => reasons.map((reason) => [...before, reason]))
const one = extended([[]])
const two = extended(one)
const orders = [...one, ...two, ...extended(two)].map((order) => ({ order }))

describe.each(orders)('raised for $order', ({ order }) => {
  test.each([
    ['an open volume', false, false],
    ['one that is outdated', false, true],
    ['one that is fenced', true, false],
    ['one that is both', true, true],
  ])('%s', async (_name, wasFenced, wasOutdated) => {
    let [fenced, outdated] = [wasFenced, wasOutdated]
    let writes = 0
    const engine = await open(await made(), 1)
    const superblock = { ...engine.volume.superblock, fenced, outdated }
    await engine.close()
    const fence = new Fence(superblock, (change) => {
      writes++
      fenced = change.fenced ?? fenced
      outdated = change.outdated ?? outdated
      return Promise.resolve()
    })
    for (const reason of order) {
      await fence.raise(reason)
      expect(fence.isUp).toBe(true)
      expect(() => fence.assertDown()).toThrow()
      // Another primary is the worse of the two: an accepted loss of history does not end that fence.
      if (reason === 'another primary') expect(fenced).toBe(true)
      else expect(fenced || outdated).toBe(true)
      expect(fence.why).toBe(fences[fenced ? 'another primary' : 'an older copy'])
    }
    expect(writes).toBeLessThanOrEqual(2)
    expect(outdated || !wasOutdated).toBe(true)
    expect(fenced || !wasFenced).toBe(true)
  })
})

test('a later open finds the second reason; the loss that ends the first does not end the second', async () => {
  const device = await made()
  const engine = await open(device, 1)
  await engine.fence('an older copy')
  await engine.fence('another primary')
  await engine.close()
  const again = await open(device.reopened(), 2, { acceptHistoryLoss: true })
  expect(again.isFenced).toBe(true)
  expect(again.fencedWhy).toBe(fences['another primary'])
  await again.close()
})

test('a raise that cannot be written fails for each caller that waits for that write', async () => {
  const device = await made()
  const engine = await open(device, 1)
  const fence = new Fence(engine.volume.superblock, () => Promise.reject(new Error('no disk')))
  const raised = [fence.raise('an older copy'), fence.raise('an older copy'), fence.raise('another primary')]
  expect((await Promise.allSettled(raised)).map(({ status }) => status)).toEqual([
    'rejected',
    'rejected',
    'rejected',
  ])
  expect(fence.isUp).toBe(true)
  await engine.close()
})

async function made(): Promise<SimulatedDevice> {
  const device = new SimulatedDevice()
  await newPrimary(device, 1)
  return device
}
