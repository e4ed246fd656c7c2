/**
 * Two slots, two copies each: a crash never costs a slot, a loss is refused by name, and going back is finished by
 * whoever opens next. Crashes keep any part of what was not synced.
 */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { equalBytes } from '../../../src/lib/bytes.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { blockBytes, superblockAddress, superblockCopyBlocks } from '../../../src/format/geometry.ts'
import { SuperblockStore } from '../../../src/cp-engine/volume/superblock-store.ts'
import { crashImage, tornAfter } from '../../simulated/crash-image.ts'
import type { CrashState, Image } from '../../simulated/crash-image.ts'
import { faultAt } from '../../simulated/faults.ts'
import type { OperationKind } from '../../simulated/faults.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import {
  cpOf,
  crashStates,
  damage,
  expectWhole,
  imagesOf,
  newDevice,
  publish,
  rootAt,
} from './superblocks.ts'

setDefaultTimeout(60_000)

describe('superblock store', () => {
  test('a new volume has four good copies', async () => {
    const device = await newDevice()
    await expectWhole(device)
    expect(device.pendingCount).toBe(0)
    const store = await SuperblockStore.open(device)
    expect(store.newest.generation).toBe(2)
    expect(store.older.generation).toBe(1)
  })

  test('every write: the older slot, copy 1, sync, copy 2, sync', async () => {
    const operations: string[] = []
    const device = await newDevice({
      onMutation: ({ kind, address }) => void operations.push(kind === 'sync' ? kind : `${kind} ${address}`),
    })
    const store = await SuperblockStore.open(device)
    for (let cp = 2; cp < 8; cp++) {
      operations.length = 0
      const slot = 1 - store.newestSlot()
      const heard: unknown[] = []
      await store.write(
        { root: rootAt(cp) },
        (at, superblock) => void heard.push([at, superblock.generation]),
      )
      expect(operations).toEqual([
        `write ${superblockAddress(slot, 0)}`,
        'sync',
        `write ${superblockAddress(slot, 1)}`,
        'sync',
      ])
      expect(store.newestSlot()).toBe(slot)
      expect(heard).toEqual([[slot, cp + 1]])
      expect([cpOf(store.newest), cpOf(store.older)]).toEqual([cp, Math.max(1, cp - 1)])
    }
  })

  test('writers take turns, and each changes what is newest then', async () => {
    const device = await newDevice()
    const store = await SuperblockStore.open(device)
    await Promise.all([
      store.write({ opening: 5 }),
      store.write(({ opening }) => ({ opening: opening + 1 })),
      store.write({ root: rootAt(9) }),
      store.write(({ firstCp, opening }) => ({ firstCp: firstCp + opening })),
    ])
    expect(store.newest).toMatchObject({ opening: 6, firstCp: 7, generation: 6 })
    expect(cpOf(store.newest)).toBe(9)
    expect((await SuperblockStore.open(device)).newest).toEqual(store.newest)
  })

  test('a change that throws leaves the slots as they are, and the next writer goes on', async () => {
    const device = await newDevice()
    const store = await SuperblockStore.open(device)
    const refused = store.write(() => {
      throw new Error('no room')
    })
    await expect(refused).rejects.toThrow('no room')
    await store.write({ opening: 1 })
    expect(store.newest).toMatchObject({ opening: 1, generation: 3 })
  })

  test('a crash anywhere, in a write or in the open after it: the slot before or the new one, and all copies good', async () => {
    const random = seededRandom(1)
    const device = await newDevice()
    let published = 1
    const states: { state: CrashState; cps: number[] }[] = []
    const watched: SimulatedDevice = new SimulatedDevice({
      image: device.crashState().durable,
      onMutation: () => void states.push({ state: watched.crashState(), cps: [published, published + 1] }),
    })
    const store = await SuperblockStore.open(watched)
    for (let cp = 2; cp < 6; cp++) {
      await publish(store, cp)
      published = cp
    }
    let images = 0
    const openAndExpect = async (image: Image, cps: readonly number[], depth: number): Promise<void> => {
      images++
      const after = new SimulatedDevice({ image })
      const opened = await SuperblockStore.open(after)
      expect(cps).toContain(cpOf(opened.newest))
      await expectWhole(after)
      expect(after.pendingCount).toBe(0)
      if (depth === 0) return
      for (const state of await crashStates(image, SuperblockStore.open))
        for (const next of imagesOf(state, random, 11)) await openAndExpect(next, cps, depth - 1)
    }
    for (const { state, cps } of states)
      for (const image of imagesOf(state, random))
        await openAndExpect(image, cps, random.below(6) === 0 ? 1 : 0)
    expect(images).toBeGreaterThan(500)
  })

  test.each([
    ['drops', 'sync-drops'],
    ['may or may not have brought to the disk', 'error'],
  ] as const)(
    'a sync fails and %s what it covered, then a power cut while the next open repairs',
    async (_, kind) => {
      const random = seededRandom(2)
      const base = (await newDevice()).crashState().durable
      for (let nth = 0; nth < 10; nth++) {
        const device = new SimulatedDevice({
          image: base,
          faults: faultAt(nth, { kind }, 'sync'),
        })
        const acknowledged = { cp: 1 }
        await expect(
          (async () => {
            const store = await SuperblockStore.open(device)
            for (let cp = 2; cp < 6; cp++) {
              await publish(store, cp)
              acknowledged.cp = cp
            }
          })(),
        ).rejects.toThrow()
        // The page cache shows what the disk does not have.
        const states: CrashState[] = []
        const again: SimulatedDevice = device.reopened({
          onMutation: () => void states.push(again.crashState()),
        })
        const opened = await SuperblockStore.open(again)
        expect(cpOf(opened.newest)).toBeGreaterThanOrEqual(acknowledged.cp)
        const relied = cpOf(opened.newest)
        states.push(again.crashState())
        for (const [i, state] of states.entries())
          for (const image of imagesOf(state, random, 3)) {
            const after = await SuperblockStore.open(new SimulatedDevice({ image }))
            expect(cpOf(after.newest)).toBeGreaterThanOrEqual(acknowledged.cp)
            // What the open has chosen is durable when it has ended.
            if (i === states.length - 1) expect(cpOf(after.newest)).toBe(relied)
          }
      }
    },
  )

  test('a copy that only the page cache has is not believed: a power cut in the repair costs no slot', async () => {
    const random = seededRandom(3)
    const device = await newDevice()
    const store = await SuperblockStore.open(device)
    await publish(store, 2)
    const slot = 1 - store.newestSlot()
    const states = await crashStates(device.crashState().durable, async (next) =>
      publish(await SuperblockStore.open(next), 3),
    )
    // Copy 1 of CP 3 torn on the disk by a sync that failed, and whole in the cache.
    const state = states.find(({ pending }) => pending[0]?.address === superblockAddress(slot, 0))!
    const bytes = new Uint8Array(superblockCopyBlocks * blockBytes)
    state.pending[0]!.blocks.forEach((block, i) => bytes.set(block, i * blockBytes))
    const cached = new SimulatedDevice({
      image: crashImage(state, tornAfter(0, 3)),
      faults: faultAt(0, { kind: 'lost', cached: true }, 'write'),
    })
    await cached.write([{ address: superblockAddress(slot, 0), bytes }])
    const repairing: CrashState[] = []
    const again: SimulatedDevice = cached.reopened({
      onMutation: () => void repairing.push(again.crashState()),
    })
    await SuperblockStore.open(again)
    for (const each of repairing)
      for (const image of imagesOf(each, random, 2))
        expect(
          cpOf((await SuperblockStore.open(new SimulatedDevice({ image }))).newest),
        ).toBeGreaterThanOrEqual(2)
  })

  test.each<[OperationKind, number]>([
    ['write', 0],
    ['write', 1],
    ['sync', 0],
    ['sync', 1],
  ])('a failed %s (%d of a write) rejects, and nothing is written after it', async (kind, nth) => {
    const image = (await newDevice()).crashState().durable
    // The open repairs nothing but rewrites the two copies of the chosen slot, after a sync.
    const device = new SimulatedDevice({
      image,
      faults: faultAt((kind === 'sync' ? 3 : 2) + nth, { kind: 'error' }, kind),
      refusesAfterFailure: false,
    })
    const store = await SuperblockStore.open(device)
    const heard: number[] = []
    const writes = [2, 3].map((cp) => store.write({ root: rootAt(cp) }, () => void heard.push(cp)))
    const results = await Promise.allSettled(writes)
    expect(results.map<string>(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(heard).toEqual([])
    expect(cpOf(store.newest)).toBe(1)
  })

  test('a bad copy is repaired from the good one, whichever of the four it is', async () => {
    for (const slot of [0, 1])
      for (const copy of [0, 1]) {
        const device = await newDevice()
        const before = await SuperblockStore.open(device)
        await publish(before, 2)
        await damage(device, [slot, copy])
        const random = seededRandom(slot * 2 + copy)
        for (const state of await crashStates(device.crashState().durable, SuperblockStore.open))
          for (const image of imagesOf(state, random, 9)) {
            const after = new SimulatedDevice({ image })
            expect((await SuperblockStore.open(after)).newest).toEqual(before.newest)
            await expectWhole(after)
          }
      }
  })

  test('a copy that lost its last write is repaired from the other one, whichever of the four it is', async () => {
    for (const slot of [0, 1])
      for (const copy of [0, 1]) {
        const device = await newDevice()
        const before = await SuperblockStore.open(device)
        await publish(before, 2)
        await publish(before, 3)
        const address = superblockAddress(slot, copy)
        const bytes = new Uint8Array(superblockCopyBlocks * blockBytes)
        await device.read(address, bytes)
        await publish(before, 4)
        await publish(before, 5)
        await device.write([{ address, bytes }])
        await device.sync()
        const random = seededRandom(slot * 2 + copy)
        for (const state of await crashStates(device.crashState().durable, SuperblockStore.open))
          for (const image of imagesOf(state, random, 9)) {
            const after = new SimulatedDevice({ image })
            const opened = await SuperblockStore.open(after)
            expect([opened.newest, opened.older]).toEqual([before.newest, before.older])
            await expectWhole(after)
          }
      }
  })

  test('one bad copy in each slot is repaired as well', async () => {
    const device = await newDevice()
    await publish(await SuperblockStore.open(device), 2)
    await damage(device, [0, 1], [1, 0])
    expect(cpOf((await SuperblockStore.open(device)).newest)).toBe(2)
    await expectWhole(device)
  })

  test('a copy of the other slot is not taken for this one', async () => {
    const device = await newDevice()
    const bytes = new Uint8Array(superblockCopyBlocks * blockBytes)
    await device.read(superblockAddress(1, 0), bytes)
    for (const copy of [0, 1]) await device.write([{ address: superblockAddress(0, copy), bytes }])
    await device.sync()
    await expect(SuperblockStore.open(device)).rejects.toMatchObject({ code: 'corrupt', help: { slot: 0 } })
  })

  test.each([0, 1])(
    'both copies of slot %d unreadable: refused by name, with the ways out, and nothing is written',
    async (slot) => {
      const device = await newDevice()
      await publish(await SuperblockStore.open(device), 2)
      await damage(device, [slot, 0], [slot, 1])
      const mutations = device.mutations
      const error: unknown = await SuperblockStore.open(device).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({
        code: 'corrupt',
        help: { slot, waysOut: ['restore from a mirror', '--accept-loss=superblock'] },
      })
      expect(String(error)).toContain(`slot ${slot}`)
      expect(String(error)).toContain(`cp ${slot === 0 ? 1 : 2},`)
      expect(device.mutations).toBe(mutations)
    },
  )

  test('nothing readable is refused, also when a loss is accepted', async () => {
    const device = await newDevice()
    await damage(device, [0, 0], [0, 1], [1, 0], [1, 1])
    for (const acceptLoss of [false, true])
      await expect(SuperblockStore.open(device, { acceptLoss })).rejects.toMatchObject({ code: 'corrupt' })
    const blank = new SimulatedDevice({ blockCount: 3 })
    await expect(SuperblockStore.open(blank)).rejects.toMatchObject({ code: 'corrupt' })
  })

  test('equal generations with different content are a bug that is noticed', async () => {
    const device = await newDevice()
    const other = await newDevice()
    await (await SuperblockStore.open(device)).write({ opening: 1 })
    await (await SuperblockStore.open(other)).write({ opening: 2 })
    const bytes = new Uint8Array(superblockCopyBlocks * blockBytes)
    await other.read(superblockAddress(0, 1), bytes)
    await device.write([{ address: superblockAddress(0, 1), bytes }])
    expect(equalBytes(bytes, bytes)).toBe(true)
    await expect(SuperblockStore.open(device)).rejects.toThrow('equal')
  })
})
