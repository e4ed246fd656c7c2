/** What is large is only unlinked; the reaper takes it in bounded steps, whatever happens in between. */
import { expect, test } from 'bun:test'
import type { Engine } from '../../../src/cp-engine/contract.ts'
import { orphanKey } from '../../../src/format/items/item-keys.ts'
import { encodeOrphanItem } from '../../../src/format/items/items.ts'
import { Reaper, stepItemsMax } from '../../../src/fs/write/reaper.ts'
import { StillpointError } from '../../../src/lib/errors.ts'
import { FakeVolume, bytesOf, codeOf, p, quickClock } from '../volume.ts'

async function fill(volume: FakeVolume): Promise<void> {
  for (let i = 0; i < 40; i++) {
    const operations = Array.from({ length: 10 }, (_, j) => ({
      op: 'put' as const,
      path: p(`d/${i % 5}/${i}/${j}`),
      content: bytesOf(10 + j),
    }))
    await volume.files.batch(operations)
  }
  await volume.files.putFile(p('d/large'), bytesOf(3_000_000), {})
  await volume.files.putFile(p('d/0/large'), bytesOf(1_000_000), {})
  await volume.files.putFile(p('d/0/middling'), bytesOf(200_000), {})
  await volume.files.putLink(p('d/link'), 'x', {})
  await volume.files.putFile(p('kept'), bytesOf(700_000), {})
}

test('deleting a directory is one small operation; its space and its counts follow', async () => {
  const volume = new FakeVolume({ cutPercent: 60 })
  await fill(volume)
  volume.engine.largestOperation = 0
  await volume.files.deleteDirectory(p('d'), { recursive: true })
  expect(volume.engine.largestOperation).toBe(3)
  expect(volume.files.pending().orphans).toBeGreaterThan(0)
  expect(volume.files.hurry()).toBe(true)
  expect(await volume.check()).toEqual([])
  expect(volume.engine.largestOperation).toBeLessThanOrEqual(stepItemsMax + 2)
  expect(volume.files.pending()).toEqual({ orphans: 0, bytes: 0 })
  expect(volume.files.hurry()).toBe(false)
  expect([1, 2, 3, 4].map((index) => volume.engine.counter(index))).toEqual([1, 0, 0, 700_000])
  expect(await volume.read('kept')).toEqual(bytesOf(700_000))
  await volume.close()
})

test('a crash at any step of it loses and doubles nothing', async () => {
  for (let turns = 0; turns < 60; turns += 3) {
    const volume = new FakeVolume({ seed: turns + 1, cutPercent: 50 })
    await fill(volume)
    if (turns % 2 === 0) await volume.engine.requestCp('requested')
    await volume.files.deleteDirectory(p('d'), { recursive: true })
    if (turns % 4 === 0) await volume.engine.requestCp('requested')
    for (let i = 0; i < turns; i++) await quickClock.yield()
    if (turns % 5 === 0) await volume.engine.requestCp('requested')
    for (let i = 0; i < turns; i++) await quickClock.yield()
    await volume.reopen()
    expect(await codeOf(volume.with((view) => view.stat(p('d'))))).toBe('not-found')
    expect(await volume.check()).toEqual([])
    expect([1, 2, 3, 4].map((index) => volume.engine.counter(index))).toEqual([1, 0, 0, 700_000])
    expect(await volume.read('kept')).toEqual(bytesOf(700_000))
    await volume.close()
  }
}, 30_000)

test('an object waits until a root has it as an orphan', async () => {
  const volume = new FakeVolume()
  await volume.files.putFile(p('f'), bytesOf(2_000_000), {})
  await volume.files.deleteFile(p('f'))
  for (let i = 0; i < 50; i++) await quickClock.yield()
  expect(volume.files.pending()).toEqual({ orphans: 1, bytes: 2_000_000 })
  expect(volume.engine.items.length).toBeGreaterThan(10)
  await volume.engine.requestCp('requested')
  for (let i = 0; i < 50; i++) await quickClock.yield()
  expect(volume.files.pending()).toEqual({ orphans: 0, bytes: 0 })
  expect(volume.engine.items.length).toBe(0)
  await volume.close()
})

test('what was pending is known again after an open', async () => {
  const volume = new FakeVolume()
  await volume.files.putFile(p('f'), bytesOf(2_000_000), {})
  await volume.files.close()
  await volume.files.deleteFile(p('f'))
  await volume.reopen()
  for (let i = 0; i < 50; i++) await quickClock.yield()
  expect(volume.engine.items.length).toBe(0)
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('a disk that cannot read one of them does not keep the others, nor the end', async () => {
  const volume = new FakeVolume({ missPercent: 0 })
  for (const name of ['a', 'b', 'c']) await volume.files.putFile(p(name), bytesOf(1_500_000), {})
  await volume.engine.requestCp('requested')
  const { engine } = volume
  const run = engine.runHidden.bind(engine)
  let refused = 0
  engine.runHidden = (operation, options) => {
    if (refused++ > 0) return run(operation, options)
    return Promise.reject(new Error('EIO'))
  }
  for (const name of ['a', 'b', 'c']) await volume.files.deleteFile(p(name))
  await engine.requestCp('requested')
  for (let i = 0; i < 100; i++) await quickClock.yield()
  expect(refused).toBeGreaterThan(2)
  expect(volume.files.pending().orphans).toBe(1)
  expect(volume.files.hurry()).toBeFalse()
  // After the next open it is tried again.
  await volume.reopen()
  expect(await volume.check()).toEqual([])
  expect(volume.engine.items.length).toBe(0)
  await volume.close()
})

test('steps that a full volume has made small grow again with each CP, after each such time', async () => {
  const volume = new FakeVolume({ missPercent: 0 })
  const { engine } = volume
  const run = engine.runHidden.bind(engine)
  let refusals = 0
  engine.runHidden = (operation, options) =>
    refusals-- > 0 ? Promise.reject(new StillpointError('disk-full', 'no space')) : run(operation, options)
  const stepOf = () => (volume.files as unknown as { reaper: { stepItems: number } }).reaper.stepItems
  for (let round = 0; round < 3; round++) {
    await volume.files.putFile(p('f'), bytesOf(3_000_000), {})
    await engine.requestCp('requested')
    expect(stepOf()).toBe(stepItemsMax)
    refusals = 4
    await volume.files.deleteFile(p('f'))
    await engine.requestCp('requested')
    for (let i = 0; i < 400; i++) await quickClock.yield()
    expect(volume.files.pending()).toEqual({ orphans: 0, bytes: 0 })
    expect(stepOf()).toBe(1)
    for (let items = 2; items < 2 * stepItemsMax; items *= 2) {
      await volume.files.putFile(p('x'), bytesOf(items), {})
      await engine.requestCp('requested')
      expect(stepOf()).toBe(Math.min(items, stepItemsMax))
    }
  }
  await volume.close()
})

test('an object is published as an orphan when a root has it as an orphan object, and as nothing else', async () => {
  const seen: Record<string, boolean> = {}
  for (const kind of ['object', 'tail', 'upload', 'directory', null] as const) {
    const value = kind && encodeOrphanItem({ kind, id: 7, offset: 0 })
    const items = { get: (key: Uint8Array) => (Buffer.compare(key, orphanKey(7)) === 0 ? value : null) }
    const view = { read: async <T>(look: (of: typeof items) => T) => look(items), release: () => {} }
    // The open tree has it as an object already.
    const engine = { current: () => ({ root: { counters: [] } }), view: () => view }
    const reaper = new Reaper(engine as unknown as Engine, quickClock, 'xxh3')
    seen[kind ?? 'nothing'] = await reaper['isPublished'](7)
  }
  expect(seen).toEqual({ object: true, tail: false, upload: false, directory: false, nothing: false })
})
