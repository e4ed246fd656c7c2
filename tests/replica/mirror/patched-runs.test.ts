/** Patches at the mirror's end, against scripted frames, also of a primary that means no good. */
import { describe, expect, test } from 'bun:test'
import { sha256 } from '../../../src/lib/checksum.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { PatchWriter } from '../../../src/format/wire/patch-codec.ts'
import { type Message, type PatchedRun, nowhere } from '../../../src/format/wire/messages.ts'
import type { ApplierAction } from '../../../src/replica/mirror/applier-events.ts'
import { patchedRuns } from '../../../src/replica/mirror/patched-runs.ts'
import { Scene, block, first, kinds, next, positionOf, uuid } from './applier-scene.ts'

/** Three bytes differ. */
function patch(bytes: number): Uint8Array {
  const writer = new PatchWriter(100)
  writer.copy(0, 100)
  writer.insert(Uint8Array.of(1, 2, 3), 0, 3)
  writer.copy(103, bytes - 103)
  return writer.finish()!
}
const run = (change: Partial<PatchedRun> = {}): PatchedRun => ({
  address: first + 100,
  blocks: 1,
  base: { address: first + 50, blocks: 1 },
  sum: { kind: 'sha256', payloadBytes: blockBytes },
  patch: patch(blockBytes),
  ...change,
})
function greeted(): Scene {
  const scene = new Scene()
  scene.greet()
  scene.used.add(first + 50)
  return scene
}
const send = (to: Scene, runs: readonly PatchedRun[], head: Partial<Message> = {}, whileRead?: () => void) =>
  to.patches(6, { kind: 'patches', source: 'live', runs }, head, whileRead)
const written = (actions: readonly ApplierAction[]) =>
  actions.flatMap((action) => (action.kind === 'write' ? action.runs : []))

describe('patches', () => {
  test('are applied to blocks of the base, and what they make is summed here', async () => {
    const scene = greeted()
    const [made] = written(await send(scene, [run()]))
    const expected = block(first + 50)
    expected.set([1, 2, 3], 100)
    expect(made!.address).toBe(first + 100)
    expect(Buffer.compare(made!.bytes, expected)).toBe(0)
    expect(scene.presence.has(first + 100, 1, sha256(expected))).toBeTrue()
    expect(scene.applier.status().refused).toBe(0)
  })

  test('let others have their turn before each run', async () => {
    const scene = greeted()
    const reads: number[] = []
    const pause = async () => {
      reads.push(scene.reads)
    }
    const { runs } = await patchedRuns([run(), run({ address: first + 101 }), run()], scene.held, pause)
    expect(runs).toHaveLength(3)
    expect(reads).toEqual([0, 1, 2])
  })

  test('of nothing make what is short', async () => {
    const writer = new PatchWriter(100)
    writer.insert(Uint8Array.of(9), 0, 1)
    writer.zeros(blockBytes - 1)
    const actions = await send(greeted(), [run({ base: null, patch: writer.finish()! })])
    expect(written(actions)[0]!.bytes.indexOf(9)).toBe(0)
  })

  test('without a checksum are read back later', async () => {
    const scene = greeted()
    expect(written(await send(scene, [run({ sum: null })]))).toHaveLength(1)
    expect(scene.presence.size).toBe(0)
  })

  test('against a root that is not kept are refused', async () => {
    const scene = greeted()
    expect(kinds(await send(scene, [run()], { base: positionOf(next) }))).toEqual(['wrong-base'])
    expect(kinds(await send(scene, [run()], { base: nowhere }))).toEqual(['wrong-base'])
    // Offered and not published: its blocks are not verified yet.
    scene.offer(next, 1)
    expect(kinds(await send(scene, [run()], { base: positionOf(next) }))).toEqual(['wrong-base'])
  })

  test('are refused when their base was released while it was read', async () => {
    const scene = greeted()
    const release = () => {
      scene.kept = [next]
      scene.published = next
    }
    expect(kinds(await send(scene, [run()], { cp: 7 }, release))).toEqual(['wrong-base'])
    expect(scene.reads).toBe(1)
  })

  test('against blocks that the root does not use, or that make another length, are left out alone', async () => {
    const scene = greeted()
    const runs = [
      run({ base: { address: first + 51, blocks: 1 } }),
      run({ address: first + 101, base: { address: first + 50, blocks: 2 } }),
      run({ address: first + 102, patch: patch(blockBytes - 1) }),
      run({ address: first + 103, blocks: 2 }),
      run({ address: first + 104, patch: new Uint8Array(0) }),
      run({ address: first + 105 }),
    ]
    expect(written(await send(scene, runs)).map(({ address }) => address)).toEqual([first + 105])
    expect(scene.applier.status().refused).toBe(5)
  })

  test('for an image that is already there, or for a target that is none, cost no read', async () => {
    const scene = greeted()
    scene.offer(next, 1)
    for (const [cp, source] of [
      [5, 'live'],
      [5, 'difference'],
      [7, 'difference'],
    ] as const) {
      const before = scene.applier.status().refused
      expect(await scene.patches(cp, { kind: 'patches', source, runs: [run(), run()] })).toEqual([])
      expect(scene.applier.status().refused).toBe(before + 2)
    }
    expect(scene.reads).toBe(0)
    expect(written(await send(scene, [run()]))).toHaveLength(1)
    expect(scene.reads).toBe(1)
  })

  test('never write a block that is in use, or outside of the volume, or of another session', async () => {
    const scene = greeted()
    expect(kinds(await send(scene, [run({ address: first + 50 })]))).toEqual(['block-in-use'])
    expect(kinds(await send(scene, [run({ address: 1 })]))).toEqual(['outside-the-volume'])
    expect(kinds(await send(scene, [run()], { session: uuid() }))).toEqual(['unknown-session'])
  })
})
