/** Going back to the older root: marked first, finished by whoever opens next, in another epoch. */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import { SuperblockStore } from '../../../src/cp-engine/volume/superblock-store.ts'
import type { OpenOptions } from '../../../src/cp-engine/volume/superblock-store.ts'
import type { Image } from '../../simulated/crash-image.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import {
  copies,
  cpOf,
  crashStates,
  damage,
  expectWhole,
  holdOn,
  imagesOf,
  newDevice,
  publish,
  rootAt,
} from './superblocks.ts'

setDefaultTimeout(60_000)

describe('going back of superblocks', () => {
  const options: OpenOptions = {
    acceptLoss: true,
    goBack: ({ epoch }) => ({ epoch: { number: epoch.number + 1, id: new Uint8Array(8).fill(9) } }),
  }

  /** CP 5 was published in the slot that is lost; CP 4 remains, with holds, one of them above it. */
  async function lostNewest(): Promise<SimulatedDevice> {
    const device = await newDevice()
    const store = await SuperblockStore.open(device)
    await store.write({ root: rootAt(4), holds: [holdOn(3), holdOn(4), holdOn(5)] })
    const newest = store.newestSlot()
    await publish(store, 5)
    await damage(device, [1 - newest, 0], [1 - newest, 1])
    return device
  }

  const expectBack = async (device: SimulatedDevice, store: SuperblockStore) => {
    for (const slot of [0, 1]) expect(cpOf(store.slot(slot))).toBe(4)
    expect(store.newest.goingBack).toBe(false)
    for (const slot of [0, 1]) {
      expect(store.slot(slot).holds.map(({ cp }) => cp)).toEqual([3, 4])
      expect(store.slot(slot).epoch.number).toBe(1)
      // Above whatever the lost slot had.
      expect(store.slot(slot).generation).toBeGreaterThan(4)
    }
    await expectWhole(device)
  }

  test('the older root in both slots, a new epoch, holds up to that root', async () => {
    const device = await lostNewest()
    await expectBack(device, await SuperblockStore.open(device, options))
    expect(device.pendingCount).toBe(0)
    await expectBack(device, await SuperblockStore.open(device))
  })

  test('without a new epoch, as a mirror does it', async () => {
    const device = await lostNewest()
    const store = await SuperblockStore.open(device, { acceptLoss: true })
    expect([cpOf(store.newest), store.newest.epoch.number]).toEqual([4, 0])
  })

  test('nothing is lost: accepting a loss changes nothing', async () => {
    const device = await newDevice()
    await publish(await SuperblockStore.open(device), 2)
    const store = await SuperblockStore.open(device, options)
    expect([cpOf(store.newest), store.newest.epoch.number, store.newest.goingBack]).toEqual([2, 0, false])
  })

  test('a crash anywhere in it, and in the open that finishes it', async () => {
    const random = seededRandom(4)
    const image = (await lostNewest()).crashState().durable
    let finishedByNext = 0
    const finish = async (from: Image, depth: number): Promise<void> => {
      const device = new SimulatedDevice({ image: from })
      // Before the mark is durable the slot is still lost; after it nobody has to accept anything again.
      const isMarked = (await copies(device)).filter((copy) => copy?.goingBack).length > 0
      if (isMarked) finishedByNext++
      await expectBack(device, await SuperblockStore.open(device, isMarked ? {} : options))
      if (depth === 0) return
      const openings = isMarked ? {} : options
      for (const state of await crashStates(from, (next) => SuperblockStore.open(next, openings)))
        for (const next of imagesOf(state, random, 16)) await finish(next, depth - 1)
    }
    for (const state of await crashStates(image, (device) => SuperblockStore.open(device, options)))
      for (const next of imagesOf(state, random, 8)) await finish(next, random.below(3) === 0 ? 1 : 0)
    expect(finishedByNext).toBeGreaterThan(20)
  })
})
