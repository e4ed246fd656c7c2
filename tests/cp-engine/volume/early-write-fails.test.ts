/**
 * A record that left before its CP fails on its way, at every moment around the operation that names the record, on a device that goes on as if nothing had been. No root that names the record is published
 * without the record.
 */
import { expect, test } from 'bun:test'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { valueHead } from '../../../src/format/pointer.ts'
import { settled } from '../../simulated/clock.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { keyOf, newPrimary, open } from '../workload.ts'

/** So many turns of those who wait, later. */
function after(turns: number, call: () => void): void {
  if (turns === 0) call()
  else queueMicrotask(() => after(turns - 1, call))
}

const recordBytes = 200_000
/** Turns from the begin of the write until the operation is asked for. */
const turnsMax = 40

test('a record that left early and failed is in no published root, whenever its failure is heard', async () => {
  const created = new SimulatedDevice()
  await newPrimary(created, 1, 8)
  const image = created.crashState().durable
  for (let turns = 0; turns < turnsMax; turns++) {
    const isRecord = (kind: string, blocks: number) => kind === 'write' && blocks * 4096 >= recordBytes
    const device = new SimulatedDevice({
      image,
      refusesAfterFailure: false,
      faults: ({ kind, blocks }) => (isRecord(kind, blocks) ? { kind: 'error' } : undefined),
      scheduler: {
        schedule: ({ kind, blocks }, done) => after(isRecord(kind, blocks) ? 10 : 0, done),
      },
    })
    // So full that the CP is sealed in the step that applies the operation.
    const engine = await open(device, 2, { queueBytesMax: recordBytes + 4096 })
    const before = engine.current().root.cp
    const work = async () => {
      const records = await engine.prepare(new Uint8Array(recordBytes).fill(7), 'write', {
        leavesEarly: true,
      })
      await new Promise<void>((resolve) => after(turns, resolve))
      await engine.runHidden(
        (tx) => {
          for (const [i, record] of records.entries()) tx.put(keyOf(i), valueHead([tx.use(record)], 'xxh3'))
        },
        { records },
      )
      await engine.requestCp('requested')
    }
    await work().catch(() => {})
    await settled()
    expect(engine.isPoisoned).toBe(true)
    expect(engine.current().root.cp).toBe(before)
    expect((await checkVolume(device.reopened({}))).findings).toEqual([])
  }
})
