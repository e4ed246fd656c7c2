/** The ring, full of records that a CP has made needless. */
import { expect, test } from 'bun:test'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import type { Applied, PreparedRecord, Tx } from '../../../src/cp-engine/contract.ts'
import { valueHead } from '../../../src/format/pointer.ts'
import { paddedValue } from '../padded-value.ts'
import { keyOf, newPrimary, open } from '../workload.ts'

const recordBytes = 65_000

test('records that were flushed behind the mark of their CP do not keep an operation out for ever', async () => {
  const device = new MemoryDevice()
  await newPrimary(device, 1, 64)
  // The ring has 1 MiB.
  const engine = await open(device, 2, { cpIntervalMs: 1e9 })
  const write = async (from: number, count: number): Promise<Applied<void>> => {
    const records: PreparedRecord[] = []
    for (let i = 0; i < count; i++)
      records.push(...(await engine.prepare(new Uint8Array(recordBytes).fill(i + 1))))
    return engine.run(
      (tx) => {
        for (const [i, record] of records.entries())
          tx.put(keyOf(from + i), valueHead([tx.use(record)], 'xxh3'))
      },
      { records },
    )
  }
  for (let i = 0; i < 8; i++) await write(i, 1)
  // It passes half of the ring: its CP is sealed at once, and then all nine are flushed.
  const last = await write(8, 1)
  await engine.reach(last, 'logged')
  await engine.reach(last, 'committed')
  const published = engine.current().root.cp
  const applied = await write(100, 8)
  expect(await engine.reach(applied, 'logged')).toBe('logged')
  expect(engine.current().root.cp).toBeGreaterThan(published)
  await engine.close()
})

test('a CP that is published, and whose writing is only about to end, is not waited for to make room', async () => {
  // Of the turns of those who wait between the publication and the end of the writing.
  for (let turns = 0; turns < 12; turns++) {
    const device = new MemoryDevice()
    await newPrimary(device, 1, 64)
    const engine = await open(device, 2, { cpIntervalMs: 1e9 })
    const prepare = async (count: number): Promise<PreparedRecord[]> => {
      const records: PreparedRecord[] = []
      for (let i = 0; i < count; i++)
        records.push(...(await engine.prepare(new Uint8Array(recordBytes).fill(i + 1))))
      return records
    }
    const put = (from: number, records: readonly PreparedRecord[]) =>
      engine.run(
        (tx) => {
          for (const [i, record] of records.entries())
            tx.put(keyOf(from + i), valueHead([tx.use(record)], 'xxh3'))
        },
        { records },
      )
    for (let i = 0; i < 8; i++) await put(i, await prepare(1))
    const large = await prepare(8)
    const late = Promise.withResolvers<Applied<void>>()
    const published = Promise.withResolvers<number>()
    engine.onPublished(({ published: { root } }) => published.resolve(root.cp))
    const arrive = (left: number): void => {
      if (left > 0) queueMicrotask(() => arrive(left - 1))
      else late.resolve(put(100, large))
    }
    const stop = engine.onPublished(() => {
      stop()
      arrive(turns)
    })
    // The ninth passes half of the ring: its CP is sealed at once, and then all are flushed, behind its mark.
    const last = await put(8, await prepare(1))
    await engine.reach(last, 'logged')
    const applied = await late.promise
    expect(applied.cp).toBeGreaterThan(await published.promise)
    expect(await engine.reach(applied, 'logged')).toBe('logged')
    await engine.close()
  }
})

test('what a stream has added leaves the record of who names it with a CP, when it would not fit', async () => {
  const device = new MemoryDevice()
  await newPrimary(device, 1, 64)
  const engine = await open(device, 2, { cpIntervalMs: 1e9, nodeCacheBytesMax: 64 * 2 ** 20 })
  const stream = engine.openStream()
  const items = 600
  // Half of the ring is 512 KiB.
  for (let i = 0; i < items; i += 20)
    await stream.add((tx) => {
      for (let k = i; k < i + 20; k++) tx.put(keyOf(k), paddedValue(900, k % 250))
    }, [])
  const before = engine.current().root.cp
  const applied = await engine.run((tx) => tx.put(keyOf(items), paddedValue(10, 1)), { stream })
  expect(engine.current().root.cp).toBeGreaterThan(before)
  expect(await engine.reach(applied, 'logged')).toBe('logged')
  // What is too large by itself stays so.
  const large = (tx: Tx) => {
    for (let k = 0; k < items; k++) tx.put(keyOf(k), paddedValue(900, 7))
  }
  await expect(engine.run(large, { stream })).rejects.toMatchObject({ code: 'too-large' })
  await engine.close()
})
