/** What leaves as a patch, and against what: the primary's end. */
import type { BlockRun } from '../../../src/lib/block-run.ts'
import { describe, expect, test } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import type { HeldBlocks, PrimaryVolume, WriteCommand } from '../../../src/cp-engine/contract.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { type Message, nowhere } from '../../../src/format/wire/messages.ts'
import { applyPatch } from '../../../src/format/wire/patch-codec.ts'
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

describe('a patch maker', () => {
  const recordBlocks = 256
  /** What is asked of the held blocks, and when; each call of the clock takes a turn of `clocks`. */
  function maker(options: { old?: Uint8Array | null; clocks?: readonly number[]; isHeld?: boolean } = {}) {
    const { old = null, clocks = [0], isHeld = true } = options
    const replaced = new ReplacedRuns()
    let reads = 0
    const held = heldOf([100], () => {
      reads++
      return old
    })
    const primary: Pick<PrimaryVolume, 'held'> = { held: () => (isHeld ? held : null) }
    const clock = new VirtualClock()
    let calls = 0
    clock.monotonic = () => clocks[Math.min(calls++, clocks.length - 1)]!
    const made = new PatchMaker(primary as PrimaryVolume, replaced, clock)
    const replace = (address: number, bytes: Uint8Array) =>
      replaced.note([command(address, bytes, { address: 100, blocks: bytes.length / blockBytes })], held)
    return { made, replace, readsOf: () => reads }
  }
  const claims = {
    none: null,
    xxh3: { kind: 'xxh3', payloadBytes: blockBytes, sum: new Uint8Array(8) },
    sha256: { kind: 'sha256', payloadBytes: blockBytes, sum: new Uint8Array(32) },
    'short sha256': { kind: 'sha256', payloadBytes: blockBytes - 1, sum: new Uint8Array(32) },
    'short xxh3': { kind: 'xxh3', payloadBytes: 1000, sum: new Uint8Array(8) },
  } as const

  test('makes none of a root that is not held', () => {
    expect(maker({ isHeld: false }).made.begin(base)).toBeNull()
    expect(maker().made.begin(base)!.base).toBe(base)
  })

  test.each([
    [9, true],
    [10, true],
    [11, false],
  ])('at millisecond %p of a batch a patch is made: %p', (ms, isMade) => {
    const old = random.bytes(blockBytes)
    const { made, replace } = maker({ old, clocks: [1000, 1000 + ms] })
    replace(200, old)
    expect(made.begin(base)!.of({ address: 200, bytes: old, claim: claims.xxh3 }) !== null).toBe(isMade)
  })

  test.each([-1, 0, 1])('is spent when a megabyte has been compared, %p blocks', (more) => {
    // Old and new bytes count: 256 blocks are a megabyte.
    const blocks = 128
    const old = random.bytes(blocks * blockBytes)
    const one = random.bytes(blockBytes)
    const { made, replace } = maker({ old })
    replace(200, old)
    const patches = made.begin(base)!
    expect(patches.isSpent).toBe(false)
    if (more !== 0) {
      // A run without a base, as short as it is, counts with its own bytes.
      const few = new Uint8Array(blockBytes)
      few.set(one.subarray(0, 10))
      patches.of({ address: 900, bytes: few, claim: { ...claims.xxh3, payloadBytes: 10 } })
      expect(patches.isSpent).toBe(false)
    }
    if (more >= 0) patches.of({ address: 200, bytes: old, claim: claims.none })
    expect(patches.isSpent).toBe(more >= 0)
    expect(made.begin(base)!.isSpent).toBe(false)
  })

  test('counts nothing for a run that is not compared', () => {
    const { made } = maker()
    const patches = made.begin(base)!
    for (let i = 0; i < 2 * recordBlocks; i++)
      expect(patches.of({ address: 300 + i, bytes: random.bytes(blockBytes), claim: claims.none })).toBeNull()
    expect(patches.isSpent).toBe(false)
  })

  test('says for each run what it starts from, and what sum the pointers to it have', () => {
    const old = random.bytes(blockBytes)
    const changed = old.slice()
    changed.set(random.bytes(10), 500)
    for (const claim of Object.values(claims)) {
      const end = claim?.payloadBytes ?? blockBytes
      const bytes = changed.slice()
      bytes.fill(0, end)
      const { made, replace } = maker({ old })
      replace(200, bytes)
      const patch = made.begin(base)!.of({ address: 200, bytes, claim })!
      expect(patch).toMatchObject({
        address: 200,
        blocks: 1,
        base: { address: 100, blocks: 1 },
        sum: claim && { kind: claim.kind, payloadBytes: claim.payloadBytes },
      })
      expect(applyPatch(patch.patch, old, blockBytes)).toEqual(new Uint8Array(bytes))
    }
  })

  test.each(['none', 'xxh3', 'sha256', 'short sha256'] as const)(
    'lets records pass after a failure, and never a block of addresses: %s',
    (kind) => {
      const isAddressBlock = kind === 'none' || kind === 'sha256'
      const { made, replace, readsOf } = maker({ old: random.bytes(blockBytes) })
      const claim = claims[kind]
      for (let i = 0; i < 7; i++) {
        const bytes = random.bytes(blockBytes)
        replace(200, bytes)
        made.begin(base)!.of({ address: 200, bytes, claim })
      }
      expect(readsOf()).toBe(isAddressBlock ? 7 : 3)
    },
  )

  test('neither learns from a run that replaces none, nor reads for it', () => {
    const { made, replace, readsOf } = maker({ old: random.bytes(2 * blockBytes) })
    const unrelated = () => {
      const bytes = random.bytes(2 * blockBytes)
      replace(200, bytes)
      made.begin(base)!.of({ address: 200, bytes, claim: null })
      return readsOf()
    }
    expect([unrelated(), unrelated()]).toEqual([1, 1])
    const short = new Uint8Array(2 * blockBytes)
    short.set(random.bytes(10))
    const claim = { ...claims.xxh3, payloadBytes: 10 }
    expect(made.begin(base)!.of({ address: 900, bytes: short, claim })).toMatchObject({ base: null })
    expect(
      made.begin(base)!.of({ address: 900, bytes: random.bytes(2 * blockBytes), claim: null }),
    ).toBeNull()
    expect(readsOf()).toBe(1)
    expect([unrelated(), unrelated(), unrelated(), unrelated(), unrelated()]).toEqual([2, 2, 2, 2, 3])
    const tooLong = random.bytes(2 * blockBytes)
    made.begin(base)!.of({ address: 900, bytes: tooLong, claim: { ...claims.xxh3, payloadBytes: 6000 } })
    expect([unrelated(), unrelated()]).toEqual([3, 3])
  })

  test('two blocks are a record', () => {
    const { made, replace, readsOf } = maker({ old: random.bytes(2 * blockBytes) })
    for (let i = 0; i < 7; i++) {
      const bytes = random.bytes(2 * blockBytes)
      replace(200, bytes)
      made.begin(base)!.of({ address: 200, bytes, claim: null })
    }
    expect(readsOf()).toBe(3)
  })

  test.each([
    [1, true, true],
    [0.75 * 4 * blockBytes - 100, true, true],
    [0.75 * 4 * blockBytes - 1, true, false],
    [0.75 * 4 * blockBytes, false, false],
    [0.75 * 4 * blockBytes + 1, false, false],
  ])(
    'of %p bytes in four blocks a patch without base is tried: %p, and made: %p',
    (payloadBytes, isTried, isMade) => {
      const bytes = new Uint8Array(4 * blockBytes)
      bytes.set(new Uint8Array(payloadBytes).fill(7))
      const patches = maker().made.begin(base)!
      const claim = { ...claims.xxh3, payloadBytes }
      for (let i = 0; i < 64; i++) {
        expect(patches.of({ address: 300, bytes, claim: null })).toBeNull()
        expect(patches.isSpent).toBe(false)
        expect(patches.of({ address: 300, bytes, claim }) !== null).toBe(isMade)
      }
      expect(patches.isSpent).toBe(isTried)
    },
  )

  test('of a block of addresses a patch without base is tried, too, when its sum is known', () => {
    const zeros = new Uint8Array(blockBytes)
    expect(maker().made.begin(base)!.of({ address: 300, bytes: zeros, claim: claims.sha256 })).toMatchObject({
      base: null,
    })
    expect(maker().made.begin(base)!.of({ address: 300, bytes: zeros, claim: claims.xxh3 })).toBeNull()
    expect(maker().made.begin(base)!.of({ address: 300, bytes: zeros, claim: null })).toBeNull()
  })

  test.each([
    [0.75 * blockBytes, blockBytes],
    [48 * 1024, recordBlocks * blockBytes],
  ])('a patch has up to %p bytes of %p', (most, length) => {
    const old = new Uint8Array(length).fill(1)
    // Each change costs what it inserts, and so the patch a few bytes more.
    const lengthOf = (changed: number): number | null => {
      const bytes = old.slice()
      bytes.set(random.bytes(changed), 100)
      const { made, replace } = maker({ old })
      replace(200, bytes)
      return made.begin(base)!.of({ address: 200, bytes, claim: null })?.patch.length ?? null
    }
    expect(lengthOf(most - 40)).toBeGreaterThan(most - 40)
    expect(lengthOf(most + 1)).toBeNull()
  })

  test('a failure is forgotten with a success, and the pause doubles to its limit', () => {
    const old = random.bytes(2 * blockBytes)
    const { made, replace, readsOf } = maker({ old })
    const tried = (bytes: Uint8Array): boolean => {
      const before = readsOf()
      replace(200, bytes)
      made.begin(base)!.of({ address: 200, bytes, claim: null })
      return readsOf() > before
    }
    const pauses: number[] = []
    for (let passed = 0, i = 0; i < 500; i++) {
      if (tried(random.bytes(old.length))) {
        pauses.push(passed)
        passed = 0
      } else passed++
    }
    expect(pauses.slice(0, 10)).toEqual([0, 1, 3, 7, 15, 31, 63, 63, 63, 63])
    while (!tried(old));
    expect([tried(old), tried(old)]).toEqual([true, true])
  })
})
