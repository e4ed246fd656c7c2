/** A growth of the file is durable with the next sync, and the log waits for none: a power cut takes the one without the other. */
import { expect, test } from 'bun:test'
import { recordBytesMin } from '../../src/format/geometry.ts'
import { valueHead } from '../../src/format/pointer.ts'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { crashImage, nothingSurvives } from '../simulated/crash-image.ts'
import { faultAt } from '../simulated/faults.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { itemsOf, keyOf, newPrimary, open } from './workload.ts'

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
