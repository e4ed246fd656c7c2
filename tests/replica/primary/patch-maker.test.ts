/** What leaves as a patch, and against what: the primary's end. */
import type { BlockRun } from '../../../src/lib/block-run.ts'
import { describe, expect, test } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import type { HeldBlocks, PrimaryVolume, WriteCommand } from '../../../src/cp-engine/contract.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { type Message, nowhere } from '../../../src/format/wire/messages.ts'
import { FrameStream } from '../../../src/replica/link/frame-stream.ts'
import { Outbox } from '../../../src/replica/primary/outbox.ts'
import { PatchMaker } from '../../../src/replica/primary/patch-maker.ts'
import { ReplacedRuns } from '../../../src/replica/primary/replaced-runs.ts'
import { base, epoch, positionOf, uuid } from '../mirror/applier-scene.ts'
import { VirtualClock } from '../../simulated/clock.ts'

const random = seededRandom(51)
const head = { volume: uuid(), session: uuid(), epoch }
const heldOf = (addresses: readonly number[], readNow: HeldBlocks['readNow'] = () => null): HeldBlocks => ({
  has: ({ address }) => addresses.includes(address),
  readNow,
  read: () => Promise.reject(new Error('nobody waits for it')),
})
const command = (
  address: number,
  bytes: Uint8Array,
  replaces: BlockRun | null,
  payloadBytes = bytes.length,
): WriteCommand => ({ address, bytes, sum: new Uint8Array(8), payloadBytes, replaces })

describe('replaced runs', () => {
  const one = new Uint8Array(blockBytes)
  const run = (address: number): BlockRun => ({ address, blocks: 1 })

  test('lead back to the newest run that the mirror has', () => {
    const replaced = new ReplacedRuns()
    replaced.note([command(11, one, run(10))], null)
    replaced.note([command(12, one, run(11))], null)
    replaced.note([command(13, one, run(12))], null)
    expect(replaced.find(run(13), heldOf([10]))).toEqual(run(10))
    expect(replaced.find(run(13), heldOf([10, 12]))).toEqual(run(12))
    expect(replaced.find(run(13), heldOf([]))).toBeNull()
    expect(replaced.find({ address: 13, blocks: 2 }, heldOf([10]))).toBeNull()
  })

  test('also when addresses come again', () => {
    const replaced = new ReplacedRuns()
    const held = heldOf([10])
    for (const [address, before] of [
      [11, 10],
      [12, 11],
      [13, 12],
      [11, 13],
      [12, 11],
    ] as const)
      replaced.note([command(address, one, run(before))], held)
    expect(replaced.find(run(12), held)).toEqual(run(10))
    replaced.note([command(12, one, null)], held)
    expect(replaced.find(run(12), held)).toBeNull()
  })

  test('of a long absence, and of many, take a limited place', () => {
    const replaced = new ReplacedRuns(100)
    const held = heldOf([1])
    for (let i = 2; i < 90; i++) replaced.note([command(i, one, run(i - 1))], held)
    expect(replaced.find(run(89), held)).toEqual(run(1))
    for (let i = 1000; i < 1100; i++) replaced.note([command(i, one, run(i - 500))], held)
    expect(replaced.find(run(89), held)).toBeNull()
  })

  test('are cut out of what is sent', () => {
    const replaced = new ReplacedRuns()
    replaced.note([command(12, new Uint8Array(2 * blockBytes), run(5)), command(18, one, run(6))], null)
    const cut = (address: number, blocks: number) =>
      [...replaced.cut({ address, blocks })].map((each) => [each.address, each.blocks])
    expect(cut(10, 10)).toEqual([
      [10, 2],
      [12, 2],
      [14, 4],
      [18, 1],
      [19, 1],
    ])
    expect(cut(12, 1)).toEqual([[12, 1]])
  })
})

describe('an outbox', () => {
  const old = random.bytes(16 * blockBytes)
  const changed = old.slice()
  changed.set(random.bytes(300), 30_000)

  function filled(held: HeldBlocks | null = heldOf([100], () => old.slice()), ms = 0) {
    const replaced = new ReplacedRuns()
    const primary: Pick<PrimaryVolume, 'held'> = { held: () => held }
    const clock = new VirtualClock()
    clock.monotonic = () => (ms += ms)
    const maker = new PatchMaker(primary as PrimaryVolume, replaced, clock)
    const taken: number[] = []
    const outbox = new Outbox(2 ** 26, (_source, _cp, _blocks, bytes) => taken.push(bytes), maker)
    const put = (commands: readonly WriteCommand[]) => {
      replaced.note(commands, held)
      expect(outbox.live(6, nowhere, commands)).toBeTrue()
    }
    const take = (published = base): Message[] => {
      const batch = outbox.take(head, published)
      return batch
        ? [...new FrameStream().push(Buffer.concat(batch.parts))].map(({ message }) => message)
        : []
    }
    return { outbox, put, take, taken }
  }
  const kinds = (messages: readonly Message[]) => messages.map(({ kind }) => kind)

  test('sends what was replaced as a patch, and names the base', () => {
    const { put, take, taken } = filled()
    put([command(200, changed, { address: 100, blocks: 16 }), command(300, random.bytes(blockBytes), null)])
    const [patches, blocks] = take()
    expect(patches).toMatchObject({
      kind: 'patches',
      base: positionOf(base),
      runs: [{ address: 200, blocks: 16, base: { address: 100, blocks: 16 } }],
    })
    expect(blocks).toMatchObject({ kind: 'blocks', runs: [{ address: 300 }] })
    expect(taken.reduce((a, b) => a + b)).toBeLessThan(blockBytes + 1000)
  })

  test('leaves the root to its offer, and keeps the zeros of a short record', () => {
    const { put, take } = filled()
    const short = new Uint8Array(blockBytes)
    short.set(random.bytes(10))
    put([{ ...command(400, random.bytes(blockBytes), null), isRoot: true }, command(401, short, null, 10)])
    expect(take()).toMatchObject([{ kind: 'patches', runs: [{ address: 401, base: null }] }])
  })

  test('sends whole: what is wanted, what the mirror has nothing for, what is not held or cannot be read', () => {
    const whole = command(200, changed, { address: 100, blocks: 16 })
    for (const held of [null, heldOf([]), heldOf([100])]) {
      const { put, take } = filled(held)
      put([whole])
      expect(kinds(take())).toEqual(['blocks'])
    }
    const { put, take, outbox } = filled()
    put([whole])
    expect(kinds([...take(null as never)])).toEqual(['blocks'])
    outbox.runs('want', 6, nowhere, [{ address: 200, bytes: changed, claim: null }])
    expect(kinds(take())).toEqual(['blocks'])
  })

  test('sends whole what cannot be read at once', () => {
    const { put, take } = filled(heldOf([100]))
    put([command(200, changed, { address: 100, blocks: 16 })])
    expect(kinds(take())).toEqual(['blocks'])
  })

  test('sends whole when reading takes long', () => {
    const { put, take } = filled(undefined, 8)
    put([command(200, changed, { address: 100, blocks: 16 })])
    expect(kinds(take())).toEqual(['blocks'])
  })

  test('lets records pass after failures, and returns when one succeeds', () => {
    let reads = 0
    const { put, take } = filled(
      heldOf([100], () => {
        reads++
        return old.slice()
      }),
    )
    const send = (bytes: Uint8Array) => {
      put([command(200, bytes, { address: 100, blocks: 16 })])
      return kinds(take())[0]
    }
    for (let i = 0; i < 64; i++) expect(send(random.bytes(old.length))).toBe('blocks')
    expect(reads).toBeLessThan(8)
    let tries = 1
    while (send(changed) === 'blocks') tries++
    expect(tries).toBeLessThan(70)
    expect(send(changed)).toBe('patches')
  })

  test('begins anew after a success, and again after the next: the same records are compared as the first time', () => {
    let reads = 0
    const { put, take } = filled(
      heldOf([100], () => {
        reads++
        return old.slice()
      }),
    )
    const send = (bytes: Uint8Array) => {
      put([command(200, bytes, { address: 100, blocks: 16 })])
      return kinds(take())[0]
    }
    /** Which of so many unrelated records are compared. */
    const compared = (count: number): number[] => {
      const found: number[] = []
      for (let i = 0; i < count; i++) {
        const before = reads
        expect(send(random.bytes(old.length))).toBe('blocks')
        if (reads > before) found.push(i)
      }
      return found
    }
    const first = compared(40)
    expect(first).toEqual([0, 2, 6, 14, 30])
    for (let round = 0; round < 2; round++) {
      while (send(changed) === 'blocks');
      expect(compared(40)).toEqual(first)
    }
  })

  test('ends a batch when much has been compared', () => {
    const { put, take, outbox } = filled()
    put(Array.from({ length: 64 }, (_, i) => command(1000 + 16 * i, changed, { address: 100, blocks: 16 })))
    const first = take()
    expect(new Set(kinds(first))).toEqual(new Set(['patches']))
    expect(outbox.isEmpty).toBeFalse()
    let batches = 1
    while (take().length > 0) batches++
    expect(batches).toBeGreaterThan(4)
  })
})
