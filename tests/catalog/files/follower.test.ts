/** When the files of the catalog move on, and which roots are kept for that. */
import { describe, expect, test } from 'bun:test'
import type { Pass } from '../../../src/catalog/files/file-catalog.ts'
import { FileFollower, heldMsMax, retryMs } from '../../../src/catalog/files/follower.ts'
import type { ImageRoot } from '../../../src/catalog/files/image.ts'
import type { CpPublished, PublishedRoot } from '../../../src/cp-engine/contract.ts'
import { VolumeFiles } from '../../../src/fs/file-system.ts'
import { parsePlainPath } from '../../../src/fs/paths.ts'
import { toHex } from '../../../src/lib/bytes.ts'
import { temporaryFolders } from '../../cli/temporary-folder.ts'
import { Pair } from '../../replica/pair.ts'
import { settled, VirtualClock } from '../../simulated/clock.ts'
import { FollowedSide } from './followed.ts'

const rootOf = (cp: number): PublishedRoot =>
  ({ root: { cp, sums: {}, fileTree: {} }, hash: new Uint8Array(32).fill(cp) }) as unknown as PublishedRoot
const hashOf = (cp: number): string => toHex(rootOf(cp).hash)

/** Roots without blocks: readable are the newest, and what is pinned. */
class Roots {
  private root: PublishedRoot | null = null
  readonly pins: number[] = []
  private readonly listeners = new Set<(event: CpPublished) => void>()

  get newest(): PublishedRoot | null {
    return this.root
  }
  set newest(root: PublishedRoot) {
    this.root = root
    this.all.set(root.root.cp, root)
  }

  publish(cp: number): void {
    this.newest = rootOf(cp)
    for (const listener of this.listeners) listener({ published: this.root } as CpPublished)
  }

  private readonly all = new Map<number, PublishedRoot>()

  readable = () =>
    [...this.all.values()].filter((root) => root === this.newest || this.pins.includes(root.root.cp))
  current = () => this.newest!
  pin = ({ root: { cp } }: PublishedRoot) => {
    this.pins.push(cp)
    return { release: () => void (this.pins.includes(cp) && this.pins.splice(this.pins.indexOf(cp), 1)) }
  }
  onPublished = (listener: (event: CpPublished) => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
}

/** Passes that end when the test says so. */
class Passes {
  readonly begun: string[] = []
  at: number | null = null
  waitedMs = 0
  private end: ((outcome: Pass['outcome']) => void) | null = null

  state = async () => ({
    cp: this.at,
    rootHash: this.at === null ? null : hashOf(this.at),
    changesAfter: null,
  })
  follow = (base: ImageRoot, target: ImageRoot) => this.pass(`${base.cp} to ${target.cp}`, target.cp)
  fill = (target: ImageRoot) => this.pass(`fill ${target.cp}`, target.cp)
  cancel = () => this.end?.('cancelled')

  async finish(outcome: Pass['outcome'] = 'done'): Promise<void> {
    this.end!(outcome)
    await settled()
  }

  private async pass(name: string, target: number): Promise<Pass> {
    this.begun.push(name)
    const { promise, resolve } = Promise.withResolvers<Pass['outcome']>()
    this.end = resolve
    const outcome = await promise
    if (outcome === 'done') this.at = target
    return { outcome, reason: '', state: await this.state(), waitedMs: this.waitedMs }
  }
}

async function started(at: number | null, newest: number | null) {
  const roots = new Roots()
  const passes = new Passes()
  const clock = new VirtualClock()
  passes.at = at
  if (newest !== null) roots.newest = rootOf(newest)
  const follower = new FileFollower(roots, passes, clock)
  follower.start()
  await settled()
  return { roots, passes, clock, follower }
}

describe('which way', () => {
  test('rows of a root that can be read are followed, others are filled', async () => {
    const known = await started(5, 5)
    expect(known.passes.begun).toEqual([])
    known.roots.publish(6)
    await settled()
    expect(known.passes.begun).toEqual(['5 to 6'])
    const unknown = await started(4, 5)
    expect(unknown.passes.begun).toEqual(['fill 5'])
    expect(unknown.follower.status()).toEqual({
      cp: null,
      behindCps: 5,
      behindMs: 0,
      isFilling: true,
      fills: 1,
    })
    for (const { follower } of [known, unknown]) await follower.stop()
  })

  test('a mirror that has received nothing waits for its first root', async () => {
    const { roots, passes, follower } = await started(null, null)
    expect(passes.begun).toEqual([])
    expect(follower.status()).toEqual({
      cp: null,
      behindCps: 0,
      behindMs: 0,
      isFilling: false,
      fills: 0,
    })
    roots.publish(9)
    await settled()
    expect(passes.begun).toEqual(['fill 9'])
    await follower.stop()
  })

  test.each([
    ['elsewhere', 'fill 6'],
    ['too-far', 'fill 6'],
    ['unreadable', 'fill 6'],
  ] as const)('after %s everything is filled, at once', async (outcome, next) => {
    const { roots, passes, follower, clock } = await started(5, 5)
    roots.publish(6)
    await settled()
    await passes.finish(outcome)
    await clock.advance(0)
    expect(passes.begun).toEqual(['5 to 6', next])
    await follower.stop()
  })

  test('a damaged image and a file that takes no rows are tried again after a while', async () => {
    const { passes, follower, clock } = await started(null, 5)
    for (const outcome of ['unreadable', 'no-file'] as const) {
      const before = passes.begun.length
      await passes.finish(outcome)
      await clock.advance(retryMs - 1)
      expect(passes.begun).toHaveLength(before)
      await clock.advance(1)
      expect(passes.begun).toHaveLength(before + 1)
    }
    await passes.finish()
    expect(follower.status()).toMatchObject({ cp: 5, behindCps: 0 })
    await follower.stop()
  })

  test('consistency points are coalesced: a pass is followed by forty-nine times its length of rest', async () => {
    const { roots, passes, follower, clock } = await started(5, 5)
    roots.publish(6)
    await settled()
    await clock.advance(100)
    await passes.finish()
    for (const cp of [7, 8, 9]) roots.publish(cp)
    await clock.advance(4899)
    expect(passes.begun).toEqual(['5 to 6'])
    expect(follower.status()).toMatchObject({ cp: 6, behindCps: 3 })
    await clock.advance(1)
    expect(passes.begun).toEqual(['5 to 6', '6 to 9'])
    await follower.stop()
  })

  test('the time in which a pass has waited for readers of the file is followed by no rest', async () => {
    const { roots, passes, follower, clock } = await started(5, 5)
    roots.publish(6)
    await settled()
    await clock.advance(5000)
    passes.waitedMs = 4990
    await passes.finish()
    roots.publish(7)
    await clock.advance(489)
    expect(passes.begun).toEqual(['5 to 6'])
    await clock.advance(1)
    expect(passes.begun).toEqual(['5 to 6', '6 to 7'])
    await follower.stop()
  })

  test('nobody rests while somebody waits', async () => {
    const { roots, passes, follower, clock } = await started(5, 5)
    roots.publish(6)
    await settled()
    await clock.advance(1000)
    await passes.finish()
    roots.publish(7)
    let isDone = false
    const caughtUp = follower.caughtUp().then(() => (isDone = true))
    await settled()
    expect(passes.begun).toEqual(['5 to 6', '6 to 7'])
    expect(isDone).toBeFalse()
    await passes.finish()
    await caughtUp
    await follower.stop()
  })
})

describe('what is kept', () => {
  test('the root of the rows and the root that they move to, and nothing else', async () => {
    const { roots, passes, follower, clock } = await started(5, 5)
    expect(roots.pins).toEqual([5])
    roots.publish(6)
    await settled()
    roots.publish(7)
    expect(roots.pins).toEqual([5, 6])
    await passes.finish()
    await clock.advance(0)
    expect(roots.pins).toEqual([6, 7])
    await passes.finish()
    expect(roots.pins).toEqual([7])
    await follower.stop()
    expect(roots.pins).toEqual([])
  })

  test('a root that was replaced long ago is let go, and a fill makes the rows anew', async () => {
    const { roots, passes, follower, clock } = await started(5, 5)
    await clock.advance(10 * heldMsMax)
    expect(roots.pins).toEqual([5])
    roots.publish(6)
    await settled()
    await clock.advance(heldMsMax - 1)
    expect(roots.pins).toEqual([5, 6])
    await clock.advance(1)
    expect(roots.pins).toEqual([6])
    await passes.finish('unreadable')
    await clock.advance(heldMsMax)
    expect(passes.begun).toEqual(['5 to 6', 'fill 6'])
    await follower.stop()
    expect(roots.pins).toEqual([])
  })

  test('a root is let go that long after it was replaced, however often others come meanwhile', async () => {
    const { roots, follower, clock } = await started(5, 5)
    roots.publish(6)
    await settled()
    for (let cp = 7; cp < 17; cp++) {
      await clock.advance(heldMsMax / 10)
      if (cp < 16) {
        roots.publish(cp)
        await settled()
      }
    }
    expect(roots.pins).toEqual([6])
    await follower.stop()
  })

  test('no older root when space is short: what is there is followed if it can be, and filled otherwise', async () => {
    const { roots, passes, follower, clock } = await started(5, 5)
    follower.spaceShort()
    expect(roots.pins).toEqual([5])
    roots.publish(6)
    await settled()
    roots.publish(7)
    expect(roots.pins).toEqual([5, 6])
    follower.spaceShort()
    expect(roots.pins).toEqual([])
    await passes.finish()
    await clock.advance(0)
    expect(passes.begun).toEqual(['5 to 6', 'fill 7'])
    expect(roots.pins).toEqual([7])
    await follower.stop()
  })

  test('a stop cuts the pass', async () => {
    const { roots, passes, follower } = await started(5, 5)
    roots.publish(6)
    await settled()
    await follower.stop()
    expect(passes.begun).toEqual(['5 to 6'])
    expect(roots.pins).toEqual([])
    roots.publish(7)
    await settled()
    expect(passes.begun).toHaveLength(1)
  })
})

const folder = temporaryFolders()

test('no block of the root is written over while a pass reads it, however many CPs come', async () => {
  const pair = await Pair.create({ seed: 3, mebibytes: 8 })
  const files = new VolumeFiles(pair.engine, pair.clock)
  const side = new FollowedSide({
    source: pair.engine,
    device: () => pair.primaryDevice,
    clock: pair.clock,
    folder: folder(),
  })
  const put = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++)
      await files.putFile(parsePlainPath(`d/${pair.random.below(200)}`), new Uint8Array(100), {})
    await pair.engine.requestCp('requested')
  }
  await put(400)
  side.open()
  await side.follower.caughtUp()
  let passes = 0
  for (let round = 0; round < 5; round++) {
    let breaks = 3
    side.onBreak = async () => {
      if (--breaks !== 0) return
      passes++
      // Enough consistency points that every free block has been written since.
      for (let i = 0; i < 40; i++) await put(20)
    }
    await put(20)
    await side.follower.caughtUp()
  }
  expect(passes).toBe(5)
  expect(side.follower.status()).toMatchObject({ fills: 1, behindCps: 0 })
  expect(side.rows()).toEqual(await side.listed())
  await side.close()
  await files.close()
}, 30_000)
