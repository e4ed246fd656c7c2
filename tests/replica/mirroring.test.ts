import { expect, test } from 'bun:test'
import { toHex } from '../../src/lib/bytes.ts'
import { checkVolume } from '../../src/cp-engine/check.ts'
import type { PublishedRoot } from '../../src/cp-engine/contract.ts'
import { rootsHeldMax } from '../../src/format/geometry.ts'
import { Workload, expectModel } from '../cp-engine/workload.ts'
import { Pair } from './pair.ts'

test('a mirror follows: first copy, then live', async () => {
  const pair = await Pair.create({ seed: 1 })
  const workload = new Workload(1)
  const causes: string[] = []
  pair.mirrorVolume.onPublished(({ cause }) => causes.push(cause))
  workload.watch(pair.engine)
  for (let i = 0; i < 20; i++) await workload.step(pair.engine)
  await pair.engine.requestCp('requested')
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 1000)).toBeTrue()
  expect(pair.transfers.map(({ kind }) => kind)).toEqual(['first-copy'])
  const { newest } = pair.mirrorVolume
  const changes = new Set<number>()
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 5; i++) await workload.step(pair.engine)
    await pair.engine.requestCp('requested')
    expect(await pair.clock.until(() => pair.isEqual, 1000)).toBeTrue()
    changes.add(newest.changes)
    expect(newest.cp).toBe(pair.mirrorVolume.current().root.cp)
  }
  // Each root is another image for those who remember what they saw.
  expect(changes.size).toBe(10)
  const current = pair.mirrorVolume.current()
  expect(toHex(current.hash)).toBe(toHex(pair.engine.current().hash))
  const view = pair.mirrorVolume.view(current)
  await expectModel(view, workload.sealed.get(current.root.cp)!)
  view.release()
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
  expect(new Set(pair.transfers.slice(1).map(({ kind }) => kind))).toEqual(new Set(['live']))
  expect(await pair.mirrors.list()).toMatchObject([{ state: 'live', lagCps: 0, lagMs: 0, needs: null }])
  expect(new Set(causes)).toEqual(new Set(['mirrored']))
  expect(pair.failures).toEqual([])
})

/** A first copy, live CPs, and one after a while without a mirror. Returns how many bytes the primary sent. */
async function standardRun(cutAtByte: number): Promise<number> {
  const pair = await Pair.create({ seed: 7 })
  pair.network.cutAtByte = cutAtByte
  const workload = new Workload(7)
  workload.watch(pair.engine)
  const cp = async () => {
    for (let i = 0; i < 4; i++) await workload.step(pair.engine)
    await pair.engine.requestCp('requested')
  }
  await cp()
  await pair.join()
  const before = () => pair.mirrorVolume.currentOrNull()?.root.cp ?? 0
  for (let round = 0; round < 3; round++) {
    const shown = before()
    await cp()
    expect(before()).toBe(shown)
    expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  }
  const view = pair.mirrorVolume.view(pair.mirrorVolume.current())
  await expectModel(view, workload.sealed.get(view.cp)!)
  view.release()
  expect(pair.failures).toEqual([])
  pair.mirrors.close()
  return pair.network.sentBytes
}

test('the stream of a primary, cut anywhere: the mirror stays on its CP, and finishes after reconnecting', async () => {
  const bytes = await standardRun(Infinity)
  const step = Math.ceil(bytes / 150)
  for (let cut = 0; cut < bytes; cut += step) await standardRun(cut)
}, 60_000)

test('readers that keep many CPs of a mirror do not stop it: the oldest are cut', async () => {
  const pair = await Pair.create({ seed: 5 })
  const workload = new Workload(5)
  workload.watch(pair.engine)
  await pair.join()
  const pinned: { current: PublishedRoot; pin: { release(): void } }[] = []
  for (let round = 0; round < 2 * rootsHeldMax; round++) {
    await workload.step(pair.engine)
    await pair.engine.requestCp('requested')
    expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
    const current = pair.mirrorVolume.current()
    pinned.push({ current, pin: pair.mirrorVolume.pin(current) })
  }
  expect(() => pair.mirrorVolume.view(pinned[0]!.current)).toThrow('no longer readable')
  const view = pair.mirrorVolume.view(pinned.at(-3)!.current)
  await expectModel(view, workload.sealed.get(view.cp)!)
  view.release()
  for (const { pin } of pinned) pin.release()
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
  expect(pair.failures).toEqual([])
  pair.mirrors.close()
}, 30_000)

test('what has to travel again after a restart of the mirror is a difference, not a copy', async () => {
  const pair = await Pair.create({ seed: 3 })
  const workload = new Workload(3)
  workload.watch(pair.engine)
  for (let i = 0; i < 250; i++) await workload.step(pair.engine)
  await pair.engine.requestCp('requested')
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  pair.network.attach(null)
  for (let i = 0; i < 3; i++) {
    await workload.step(pair.engine)
    await pair.engine.requestCp('requested')
  }
  await pair.openMirror()
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  const [copy, ...later] = pair.transfers
  expect(copy!.kind).toBe('first-copy')
  expect(new Set(later.map(({ kind }) => kind))).toEqual(new Set(['difference']))
  expect(later.reduce((sum, { blocks }) => sum + blocks, 0)).toBeLessThan(copy!.blocks / 3)
})
