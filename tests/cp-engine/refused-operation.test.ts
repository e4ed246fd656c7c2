/** However an operation is refused, the blocks of the records that were prepared for it can be written again. */
import { expect, test } from 'bun:test'
import { valueHead } from '../../src/format/pointer.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { VirtualClock } from '../simulated/clock.ts'
import { keyOf, newPrimary, open } from './workload.ts'

const recordBytes = 60_000

test.each([
  ['it throws', false],
  ['it takes one of its records and throws', true],
])('%s', async (_, uses) => {
  const random = seededRandom(5)
  const device = new MemoryDevice(2048)
  await newPrimary(device, 5)
  const engine = await open(device, 5, { clock: new VirtualClock(), cpIntervalMs: 1e9 })
  await engine.requestCp('requested')
  const { writable } = engine.space()
  for (let round = 0; round < 20; round++) {
    const records = await engine.prepare(random.bytes(recordBytes))
    const refused = engine.run(
      (tx) => {
        if (uses) tx.put(keyOf(1), valueHead([tx.use(records[0]!)], 'xxh3'))
        throw new Error('refused')
      },
      { records },
    )
    expect(await refused.then(() => '', String)).toContain('refused')
    expect(engine.space().writable).toBe(writable)
  }
  // Together they would not have fitted into the volume.
  const records = await engine.prepare(random.bytes(recordBytes))
  await engine.run((tx) => tx.put(keyOf(1), valueHead([tx.use(records[0]!)], 'xxh3')), { records })
  await engine.close()
})
