/** What the engine promises to the one who changes it, CP by CP: numbers, levels, limits of the queue. */
import { describe, expect, test } from 'bun:test'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { valueHead } from '../../src/format/pointer.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { EngineVolume } from '../../src/cp-engine/primary-volume.ts'
import { formatUuid, seededRandom, newUuid } from '../../src/lib/random.ts'
import { keyOf, newPrimary, open } from './workload.ts'

async function put(engine: CpEngine, n: number, bytes: number) {
  const records = await engine.prepare(new Uint8Array(bytes).fill(n))
  return engine.run(
    (tx) =>
      tx.put(
        keyOf(n),
        valueHead(
          records.map((record) => tx.use(record)),
          'xxh3',
        ),
      ),
    { records },
  )
}

describe('engine', () => {
  test('an operation that starts the CP by high water is carried by that CP', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1)
    const engine = await open(device, 1, { queueBytesMax: 64 * 1024 })
    const carriers = new Map<number, number>()
    engine.onPublished(({ published: { root } }) => void carriers.set(root.sequence, root.cp))
    for (let n = 0; n < 40; n++) {
      const applied = await put(engine, n, 20_000)
      expect(await engine.reach(applied, 'committed')).toBe('committed')
      // The first root whose sequence covers the operation is the CP that it was told.
      const first = [...carriers].find(([sequence]) => sequence >= applied.sequence)!
      expect(applied.cp).toBe(first[1])
    }
    await engine.close()
  })

  test('a ninth mirror, or a URL that is too long, is refused and harms nothing', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1)
    const engine = await open(device, 1)
    const volume = new EngineVolume(engine)
    const random = seededRandom(5)
    const member = (url: string) => ({ uuid: formatUuid(newUuid(random)), url })
    await expect(volume.addMember(member(`http://${'a'.repeat(240)}`))).rejects.toMatchObject({
      code: 'bad-parameter',
    })
    const results = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) => volume.addMember(member(`http://mirror${i}`))),
    )
    expect(results.map<string>(({ status }) => status)).toEqual([
      ...new Array<string>(8).fill('fulfilled'),
      'rejected',
    ])
    expect(engine.isPoisoned).toBe(false)
    expect(volume.members()).toHaveLength(8)
    await put(engine, 1, 10)
    await engine.close()
  })
})
