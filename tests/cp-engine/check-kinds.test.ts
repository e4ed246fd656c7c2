/** What `check` says of a volume that is sound but for one thing, each by its kind. */
import { describe, expect, test } from 'bun:test'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { valuePointers } from '../../src/format/pointer.ts'
import type { BlockPointer } from '../../src/format/pointer.ts'
import { rootLayout } from '../../src/format/disk/root.ts'
import type { PublishedRoot } from '../../src/cp-engine/contract.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { mapPageHeadBytes } from '../../src/format/disk/map-page.ts'
import { allCopies, editBelowRoot, editRoot, raiseVersion } from './volume/later-program.ts'
import { itemsOf, newPrimary, open, putRecord } from './workload.ts'

/** With a record that does not fill its last block. */
async function volumeWithRecord(): Promise<{ device: SimulatedDevice; pointer: BlockPointer }> {
  const device = new SimulatedDevice()
  await newPrimary(device, 1)
  const engine = await open(device, 1)
  for (let n = 1; n < 9; n++) await putRecord(engine, n, n)
  await engine.requestCp('requested')
  const view = engine.openView()
  const pointers = (await itemsOf(view)).flatMap(({ value }) => valuePointers(value, 'xxh3') ?? [])
  view.release()
  await engine.close()
  return { device, pointer: pointers.find(({ payloadBytes }) => payloadBytes % blockBytes !== 0)! }
}

const kinds = async (device: SimulatedDevice): Promise<string[]> =>
  (await checkVolume(device)).findings.map(({ kind }) => kind)

describe('the bytes behind a record', () => {
  test('are zeros, and the check looks at each of them', async () => {
    const { device, pointer } = await volumeWithRecord()
    const image = device.crashState().durable
    expect(await kinds(device)).toEqual([])
    const last = pointer.address + pointer.blocks - 1
    const used = pointer.payloadBytes % blockBytes
    for (const byte of [used, used + 1, Math.floor((used + blockBytes) / 2), blockBytes - 1]) {
      const flipped = new SimulatedDevice({ image })
      flipped.flipBit(last, byte * 8)
      const { findings } = await checkVolume(flipped)
      expect(findings).toMatchObject([{ kind: 'padding', address: pointer.address }])
    }
  })

  test('are not the record: damage of that is another kind', async () => {
    const { device, pointer } = await volumeWithRecord()
    device.flipBit(pointer.address, 7)
    expect(await kinds(device)).toEqual(['record'])
  })

  test('do not keep anybody from reading the record', async () => {
    const { device, pointer } = await volumeWithRecord()
    device.flipBit(pointer.address + pointer.blocks - 1, 8 * blockBytes - 1)
    const engine = await open(new SimulatedDevice({ image: device.crashState().durable }), 2)
    const view = engine.openView()
    expect(await view.record(pointer)).toHaveLength(pointer.payloadBytes)
    view.release()
  })
})

async function twoRoots(): Promise<{ device: SimulatedDevice; newest: number; before: PublishedRoot }> {
  const device = new SimulatedDevice()
  await newPrimary(device, 3)
  const engine = await open(device, 3)
  const published = []
  for (const n of [1, 2]) {
    await putRecord(engine, n, n)
    published.push(await engine.requestCp('requested'))
  }
  const newest = engine.volume.superblocks.newestSlot()
  return {
    device: new SimulatedDevice({ image: device.crashState().durable }),
    newest,
    before: published[0]!,
  }
}
const copiesOf = (slot: number) => allCopies.filter(([of]) => of === slot)

describe('the history of the roots', () => {
  test('the newer slot continues the older one', async () => {
    const { device, newest, before } = await twoRoots()
    expect(await kinds(device)).toEqual([])
    await editRoot(device, copiesOf(newest), (root) => (root[rootLayout.at.previousHash + 31]! ^= 1))
    const { findings } = await checkVolume(device)
    expect(findings).toMatchObject([
      {
        kind: 'history',
        message: expect.stringContaining(`does not continue cp ${before.root.cp}`) as string,
      },
    ])
  })

  test('an older slot of another history is found by the newer one', async () => {
    const { device, newest } = await twoRoots()
    await editRoot(device, copiesOf(1 - newest), (root) => (root[rootLayout.at.committedAtMs]! ^= 1))
    expect(await kinds(device)).toEqual(['history'])
  })

  test('the first root of an epoch continues what the epoch does', async () => {
    const device = new SimulatedDevice()
    await newPrimary(device, 4)
    expect(await kinds(device)).toEqual([])
    await editRoot(device, allCopies, (root) => (root[rootLayout.at.previousHash]! ^= 1))
    expect(await kinds(device)).toEqual(['history'])
  })

  test('how far it may grow never falls', async () => {
    const { device, newest } = await twoRoots()
    // Then the newer one does not continue the older one either.
    await editRoot(device, copiesOf(1 - newest), (root) => (root[rootLayout.at.blocksMax + 1]! += 1))
    expect(await kinds(device)).toEqual(['history', 'history'])
  })
})

test('a device that has lost its end is found by what the root counts', async () => {
  const device = new SimulatedDevice()
  await newPrimary(device, 5)
  const { blocks, blockCount } = device.crashState().durable
  const { findings } = await checkVolume(
    new SimulatedDevice({ image: { blocks, blockCount: blockCount - 1 } }),
  )
  expect(findings.map(({ kind }) => kind)).toEqual(['block-count'])
  expect(findings[0]!.message).toContain(`counts ${blockCount} blocks`)
})

test.each([
  [0, 'liveMap'],
  [1, 'liveMap'],
  [0, 'usedMap'],
  [1, 'usedMap'],
] as const)(
  'a part of a later program in slot %d keeps nobody from looking at the other root (%s)',
  async (slot, map) => {
    const { device } = await twoRoots()
    const at = rootLayout.at[map]
    const cps = (await checkVolume(device)).cps
    expect(cps).toHaveLength(2)
    await editBelowRoot(device, [at], raiseVersion, copiesOf(slot))
    // A block that nothing reaches, in a map of the other slot.
    await editBelowRoot(
      device,
      [at, mapPageHeadBytes],
      (page) => (page[mapPageHeadBytes + 250]! |= 0x80),
      copiesOf(1 - slot),
    )
    const { findings } = await checkVolume(device)
    const found = findings.map(({ kind, cp }) => [kind, cp])
    expect(found).toContainEqual(['newer-format', cps[slot]!])
    expect(found).toContainEqual(['map', cps[1 - slot]!])
  },
)
