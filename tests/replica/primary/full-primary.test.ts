/** A primary that is full: its mirror costs it no time, and what is deleted comes back although the mirror had it. */
import { expect, test } from 'bun:test'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { valueHead } from '../../../src/format/pointer.ts'
import { keyOf } from '../../cp-engine/workload.ts'
import { Pair } from '../pair.ts'

async function put(engine: CpEngine, n: number, bytes: number): Promise<void> {
  const records = await engine.prepare(new Uint8Array(bytes).fill(1 + (n % 250)))
  await engine.run(
    (tx) => {
      for (const [i, record] of records.entries())
        tx.put(keyOf(n * 100 + i), valueHead([tx.use(record)], 'xxh3'))
    },
    { records },
  )
}

/** What became of it, after how many virtual milliseconds. */
async function outcome(pair: Pair, work: Promise<unknown>): Promise<{ code: string; ms: number }> {
  const began = pair.clock.monotonic()
  let code = ''
  work.then(
    () => (code = 'done'),
    (error: unknown) => (code = String((error as { code?: string }).code ?? error)),
  )
  await pair.clock.until(() => code !== '', 20_000)
  return { code, ms: pair.clock.monotonic() - began }
}

async function fill(pair: Pair): Promise<{ files: number; ms: number }> {
  for (let n = 0; ; n++) {
    const { code, ms } = await outcome(pair, put(pair.engine, n, 20_000))
    if (code === 'disk-full') return { files: n, ms }
    expect(code).toBe('done')
  }
}

test('with a mirror that follows: refused soon, and what is deleted can be written again at once', async () => {
  const pair = await Pair.create({ seed: 21 })
  await pair.join()
  for (let round = 0; round < 4; round++) {
    const { files, ms } = await fill(pair)
    expect(files).toBeGreaterThan(100)
    expect(ms).toBeLessThan(1000)
    await pair.engine.requestCp('requested')
    expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
    expect((await outcome(pair, put(pair.engine, files, 20_000))).ms).toBeLessThan(1000)

    const keys = Array.from({ length: 20 }, (_, i) => i * 100)
    await pair.engine.run((tx) => keys.forEach((key) => tx.delete(keyOf(key))), { floor: 'delete' })
    await pair.engine.requestCp('requested')
    expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
    // The mirror has two slots, and the older one still names what was deleted.
    const again = await outcome(pair, put(pair.engine, 0, 300_000))
    expect(again.code).toBe('done')
    expect(again.ms).toBeLessThan(1000)
    const all = Array.from({ length: files + 1 }, (_, n) => n)
    for (let i = 0; i < all.length; i += 20)
      await pair.engine.run(
        (tx) => {
          for (const n of all.slice(i, i + 20)) for (let j = 0; j < 80; j++) tx.delete(keyOf(n * 100 + j))
        },
        { floor: 'delete' },
      )
  }
  await pair.engine.requestCp('requested')
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  for (const device of [pair.primaryDevice, pair.mirrorDevice])
    expect((await checkVolume(device)).findings).toEqual([])
  expect(pair.failures).toEqual([])
  pair.mirrors.close()
}, 60_000)

test('readers of the mirror that keep a CP for long give way, and others do not', async () => {
  const pair = await Pair.create({ seed: 22 })
  await pair.join()
  const { files } = await fill(pair)
  await pair.engine.requestCp('requested')
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  const published = pair.mirrorVolume.current()
  const pin = pair.mirrorVolume.pin(published, pair.clock.monotonic())
  for (let n = 0; n < files; n += 20)
    await pair.engine.run(
      (tx) => {
        for (let i = n; i < n + 20; i++) for (let j = 0; j < 80; j++) tx.delete(keyOf(i * 100 + j))
      },
      { floor: 'delete' },
    )
  await pair.engine.requestCp('requested')
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  const early = await outcome(pair, put(pair.engine, 0, 1_000_000))
  expect(early.code).toBe('disk-full')
  expect(early.ms).toBeLessThanOrEqual(5100)
  expect(pair.mirrorVolume.readable()).toContain(published)

  await pair.clock.advance(60_000)
  expect((await outcome(pair, put(pair.engine, 0, 1_000_000))).code).toBe('done')
  expect(() => pair.mirrorVolume.view(published)).toThrow('no longer readable')
  pin.release()
  expect(pair.failures).toEqual([])
  pair.mirrors.close()
}, 60_000)
