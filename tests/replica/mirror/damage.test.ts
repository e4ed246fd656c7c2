/** Damaged blocks, full devices and broken promises: a mirror says what is wrong, and shows no image that is not whole. */
import { expect, test } from 'bun:test'
import { blockBytes } from '../../../src/format/geometry.ts'
import { valuePointers } from '../../../src/format/pointer.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { Workload, expectModel, itemsOf } from '../../cp-engine/workload.ts'
import { Pair } from '../pair.ts'

async function pairWithFiles(
  seed: number,
  steps = 30,
  keys = 60,
): Promise<{ pair: Pair; workload: Workload }> {
  const pair = await Pair.create({ seed, mebibytes: 32 })
  const workload = new Workload(seed, keys)
  workload.watch(pair.engine)
  for (let i = 0; i < steps; i++) await workload.step(pair.engine)
  await pair.engine.requestCp('requested')
  return { pair, workload }
}

/** The address of some record that the newest CP has. */
async function someRecord(pair: Pair): Promise<number> {
  const view = pair.engine.view(pair.engine.current())
  const items = await itemsOf(view)
  view.release()
  return items.flatMap(({ value }) => valuePointers(value, 'xxh3')!)[3]!.address
}

async function cp(pair: Pair, workload: Workload, steps = 3): Promise<void> {
  for (let i = 0; i < steps; i++) await workload.step(pair.engine)
  await pair.engine.requestCp('requested')
}

const containing = (text: string): unknown => expect.stringContaining(text)
const stateOf = async (pair: Pair) => (await pair.mirrors.list())[0]!

test('a flipped bit on the primary never reaches a mirror, and is named', async () => {
  const { pair, workload } = await pairWithFiles(1)
  const address = await someRecord(pair)
  pair.primaryDevice.flipBit(address, 77)
  await pair.join()
  expect(await pair.clock.until(() => pair.applier.status().needs === 'sound-blocks', 2000)).toBeTrue()
  expect(pair.mirrorVolume.currentOrNull()).toBeNull()
  expect(await stateOf(pair)).toMatchObject({ state: 'stalled', needs: containing('damaged') })
  // Once no CP needs the block any more, the mirror follows.
  pair.primaryDevice.flipBit(address, 77)
  await cp(pair, workload)
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
})

test('bytes behind a record that are damaged on the primary are zeros on the mirror', async () => {
  const { pair, workload } = await pairWithFiles(9)
  const view = pair.engine.view(pair.engine.current())
  const pointers = (await itemsOf(view)).flatMap(({ value }) => valuePointers(value, 'xxh3')!)
  view.release()
  const padded = pointers.filter(({ payloadBytes }) => payloadBytes % blockBytes !== 0)
  expect(padded.length).toBeGreaterThan(5)
  for (const { address, blocks } of padded)
    pair.primaryDevice.flipBit(address + blocks - 1, 8 * blockBytes - 1)
  const found = (await checkVolume(pair.primaryDevice)).findings
  expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(['padding']))
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
  expect(await stateOf(pair)).toMatchObject({ needs: null })
  // It is on the disk with what was published.
  const after = new SimulatedDevice({ image: pair.mirrorDevice.crashState().durable })
  expect((await checkVolume(after)).findings).toEqual([])
  await cp(pair, workload)
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
})

test('a damaged node of what the mirror has is told, and nothing is built on it', async () => {
  const { pair, workload } = await pairWithFiles(2)
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 2000)).toBeTrue()
  const shown = pair.mirrorVolume.current()
  pair.mirrorDevice.flipBit(shown.root.fileTree.pointer.address, 99)
  await cp(pair, workload)
  await pair.clock.advance(1000)
  expect(pair.mirrorVolume.current()).toBe(shown)
  expect(await stateOf(pair)).toMatchObject({ state: 'stalled', needs: containing('damaged') })
})

test('a full mirror is stalled with what it needs, serves its CP, and goes on when there is room', async () => {
  const { pair, workload } = await pairWithFiles(3, 10, 2000)
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 2000)).toBeTrue()
  const shown = pair.mirrorVolume.current().root.cp
  const full = pair.mirrorDevice.image(() => true)
  pair.network.attach(null)
  await pair.openMirror(new SimulatedDevice({ image: full, blocksMax: full.blockCount }))
  for (let i = 0; i < 60 && pair.applier.status().needs !== 'space'; i++) {
    await cp(pair, workload, 50)
    await pair.clock.until(() => pair.isEqual || pair.applier.status().needs === 'space', 1000)
  }
  await pair.clock.advance(1000)
  expect(await stateOf(pair)).toMatchObject({
    state: 'stalled',
    needs: containing('bytes of space'),
  })
  const published = pair.mirrorVolume.current().root.cp
  expect(published).toBeGreaterThanOrEqual(shown)

  pair.network.attach(null)
  await pair.openMirror(new SimulatedDevice({ image: pair.mirrorDevice.image(() => true) }))
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
}, 20_000)

test('a failed write ends the mirror, and the CP that it shows stays whole', async () => {
  const { pair, workload } = await pairWithFiles(4)
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 2000)).toBeTrue()
  const image = pair.mirrorDevice.image(() => true)
  let isBroken = false
  pair.network.attach(null)
  await pair.openMirror(
    new SimulatedDevice({
      image,
      faults: ({ kind }) => (isBroken && kind === 'write' ? { kind: 'error' } : undefined),
    }),
  )
  const shown = pair.mirrorVolume.current()
  isBroken = true
  await cp(pair, workload)
  await pair.clock.advance(1000)
  expect(pair.failures.length).toBe(1)
  expect(pair.mirrorVolume.current()).toBe(shown)
  expect(await stateOf(pair)).toMatchObject({ state: 'stalled' })
  await pair.openMirror(new SimulatedDevice({ image: pair.mirrorDevice.image(() => true) }))
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  const view = pair.mirrorVolume.view(pair.mirrorVolume.current())
  await expectModel(view, workload.sealed.get(view.cp)!)
  view.release()
})

test('a mirror of another volume is refused, by both', async () => {
  const { pair } = await pairWithFiles(5)
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 2000)).toBeTrue()
  const other = await Pair.create({ seed: 50 })
  pair.network.attach(null)
  other.network.attach(pair.applier)
  await other.join()
  expect(await stateOf(other)).toMatchObject({
    state: 'stalled',
    needs: containing('belongs to volume'),
  })
  expect(other.engine.volume.superblock.members.length).toBe(1)
  expect(await other.mirrors.remove((await stateOf(other)).id)).toBeTrue()
  expect(other.engine.volume.superblock.members).toEqual([])
})

test('removing a mirror releases what it held, reached or not', async () => {
  const { pair, workload } = await pairWithFiles(6)
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 2000)).toBeTrue()
  pair.network.attach(null)
  for (let i = 0; i < 4; i++) await cp(pair, workload)
  const { id, heldBytes } = await stateOf(pair)
  expect(heldBytes).toBeGreaterThan(0)
  expect(await pair.mirrors.remove(id)).toBeTrue()
  await cp(pair, workload)
  await cp(pair, workload)
  expect(pair.engine.readable().length).toBe(2)
})
