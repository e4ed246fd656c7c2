/** A growth of the file is durable with the next sync, and the log waits for none: a power cut takes the one without the other. */
import { expect, test } from 'bun:test'
import { blockBytes, recordBytesMin } from '../../../src/format/geometry.ts'
import { valueHead } from '../../../src/format/pointer.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { crashImage, nothingSurvives } from '../../simulated/crash-image.ts'
import { faultAt } from '../../simulated/faults.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { paddedValue } from '../padded-value.ts'
import { itemsOf, keyOf, newPrimary, open } from '../workload.ts'

/** One operation that is logged, into blocks that the disk had not when the last sync came. */
async function intoLostGrowth() {
  const device = new SimulatedDevice()
  await newPrimary(device, 1, 32)
  const durableBlocks = device.blockCount
  const engine = await open(device, 2, { cpIntervalMs: 1e9 })
  for (;;) {
    // What is prepared takes its blocks, and waits for no sync.
    const [record] = await engine.prepare(new Uint8Array(16 * recordBytesMin).fill(1))
    if (record!.pointer.address < durableBlocks) continue
    const applied = await engine.run((tx) => tx.put(keyOf(1), valueHead([tx.use(record!)], 'xxh3')), {
      records: [record!],
    })
    await engine.reach(applied, 'logged')
    return { durableBlocks, image: crashImage(device.crashState(), nothingSurvives) }
  }
}

test('what was logged into a growth that a power cut took back is there after the next open', async () => {
  const { durableBlocks, image } = await intoLostGrowth()
  expect(image.blockCount).toBe(durableBlocks)
  const after = new SimulatedDevice({ image })
  const engine = await open(after, 3)
  expect(engine.recovery.replayed).toBeGreaterThan(0)
  const view = engine.view(engine.current())
  expect(await itemsOf(view)).toHaveLength(1)
  view.release()
  await engine.close()
  expect((await checkVolume(after)).findings).toEqual([])
})

test('while the disk has no room for it any more, the volume does not open, and loses nothing', async () => {
  const { image } = await intoLostGrowth()
  const full = new SimulatedDevice({ image, faults: faultAt(0, { kind: 'disk-full' }, 'grow', true) })
  await expect(open(full, 3)).rejects.toMatchObject({ code: 'disk-full' })
  const again = new SimulatedDevice({ image: crashImage(full.crashState(), nothingSurvives) })
  const engine = await open(again, 4)
  const view = engine.view(engine.current())
  expect(await itemsOf(view)).toHaveLength(1)
  view.release()
  await engine.close()
})

test('where there is no room for a whole step, what is needed is enough', async () => {
  const { image, durableBlocks } = await intoLostGrowth()
  const tight = new SimulatedDevice({ image, faults: faultAt(0, { kind: 'disk-full' }, 'grow') })
  const engine = await open(tight, 3)
  expect(tight.blockCount).toBeWithin(durableBlocks + 1, durableBlocks + 2 ** 20 / blockBytes)
  expect(engine.recovery.replayed).toBe(1)
  await engine.close()
})

/** Logged deletes, whose nodes alone made the file grow. */
async function nodesInLostGrowth() {
  const device = new SimulatedDevice()
  await newPrimary(device, 1, 32)
  const cache = { nodeCacheBytesMax: 64 * 2 ** 20 }
  const engine = await open(device, 2, { cpIntervalMs: 1e9, ...cache })
  const items = 9000
  for (let i = 0; i < items; i += 500) {
    await engine.run((tx) => {
      for (let k = i; k < i + 500; k++) tx.put(keyOf(k), paddedValue(330, 1))
    })
    await engine.requestCp('requested')
  }
  const rest = async () => {
    await engine.requestCp('requested')
    await engine.writeSuperblock()
    await engine.writeSuperblock()
  }
  await rest()
  // The file is filled with records nearly to its end, and all of it is published.
  const recordBlocks = 16
  for (let k = items; engine.space().writable > 550; k++) {
    const [record] = await engine.prepare(new Uint8Array(recordBlocks * blockBytes).fill(1))
    await engine.run((tx) => tx.put(keyOf(k), valueHead([tx.use(record!)], 'xxh3')), { records: [record!] })
    if (k % 8 === 0) await rest()
  }
  await rest()
  const durableBlocks = device.blockCount
  const { writable } = engine.space()
  for (let i = 0; i < items; i += 300) {
    const applied = await engine.run((tx) => {
      for (let k = i; k < i + 300; k += 8) tx.delete(keyOf(k))
    })
    await engine.reach(applied, 'logged')
  }
  expect(device.blockCount).toBeGreaterThan(durableBlocks)
  return { cache, durableBlocks, writable, image: crashImage(device.crashState(), nothingSurvives) }
}

test('nodes that only a lost growth had room for have it again', async () => {
  const { cache, durableBlocks, writable, image } = await nodesInLostGrowth()
  expect(image.blockCount).toBe(durableBlocks)
  const after = new SimulatedDevice({ image })
  const engine = await open(after, 3, cache)
  expect(engine.recovery.replayed).toBe(30)
  expect(after.blockCount).toBeGreaterThan(durableBlocks)
  expect(writable).toBeLessThan(700)
  const view = engine.openView()
  expect(await view.read((tree) => tree.get(keyOf(8700)))).toBeNull()
  expect(await view.read((tree) => tree.get(keyOf(8701)))).not.toBeNull()
  view.release()
  await engine.close()
  expect((await checkVolume(after)).findings).toEqual([])

  const full = new SimulatedDevice({ image, faults: faultAt(0, { kind: 'disk-full' }, 'grow', true) })
  await expect(open(full, 3, cache)).rejects.toMatchObject({ code: 'disk-full' })
})
