/** What `check` says of a volume that is sound but for one thing, each by its kind. */
import { describe, expect, test } from 'bun:test'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { valuePointers } from '../../src/format/pointer.ts'
import type { BlockPointer } from '../../src/format/pointer.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
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
    expect(await kinds(device)).toEqual(['damage'])
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
