import { describe, expect, test } from 'bun:test'
import type { CpPublished, PublishedRoot, RootSource, TreeView } from '../../../src/cp-engine/contract.ts'
import type { ReadView } from '../../../src/fs/contract.ts'
import {
  Views,
  isPossibleCp,
  keptCpsMax,
  keptMs,
  listingsOfCpMax,
} from '../../../src/fs/read/image-leases.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { explore } from '../../simulated/schedules.ts'
import { hasCode } from '../../../src/lib/errors.ts'

/** Roots that are nothing but their number; the two newest and the pinned ones are readable. */
class FakeSource implements RootSource {
  readonly pins = new Map<number, number>()
  readonly listeners = new Set<(event: CpPublished) => void>()
  views = 0
  newest = 1

  root(cp: number): PublishedRoot {
    return { root: { cp }, address: cp } as unknown as PublishedRoot
  }
  publish(): void {
    this.newest++
    const event = { published: this.root(this.newest) } as unknown as CpPublished
    for (const listener of this.listeners) listener(event)
  }
  current = () => {
    if (this.newest === 0) throw new Error('nothing is published')
    return this.root(this.newest)
  }
  readable = () =>
    [...new Set([...this.pins.keys(), this.newest - 1, this.newest])]
      .filter((cp) => cp > 0)
      .sort((a, b) => a - b)
      .map((cp) => this.root(cp))
  view(published: PublishedRoot): TreeView {
    this.views++
    return { cp: published.root.cp, release: () => void this.views-- } as unknown as TreeView
  }
  pin({ root }: PublishedRoot) {
    this.pins.set(root.cp, (this.pins.get(root.cp) ?? 0) + 1)
    return { release: () => void this.pins.delete(root.cp) }
  }
  onPublished(listener: (event: CpPublished) => void) {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }
}

function setUp() {
  const source = new FakeSource()
  const clock = new VirtualClock()
  const view = (tree: TreeView) => ({ cp: tree.cp, release: () => tree.release() }) as ReadView
  const views = new Views({ source, clock, view })
  const use = (cp: number) => views.at(cp, 'c').release()
  return { source, clock, views, use, view }
}
const codeOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    for (const code of ['cp-gone', 'too-many-pins'] as const) if (hasCode(error, code)) return code
  }
  return 'none'
}

describe('kept consistency points', () => {
  test('stay for 30 s after their last use', () => {
    const { source, clock, views, use } = setUp()
    use(1)
    for (let i = 0; i < 5; i++) source.publish()
    clock.jump(keptMs - 1)
    use(1)
    clock.jump(keptMs - 1)
    expect(views.keptCps()).toEqual([1])
    clock.jump(1)
    expect(views.keptCps()).toEqual([])
    expect(source.pins.size).toBe(0)
    expect(codeOf(() => use(1))).toBe('cp-gone')
    expect(clock.timers).toBe(0)
    expect(source.views).toBe(0)
  })

  test('that the source has cut are gone at once, and make room', () => {
    const { source, clock, views, use } = setUp()
    for (let i = 0; i < keptCpsMax; i++) {
      use(source.newest)
      source.publish()
    }
    expect(codeOf(() => use(source.newest))).toBe('too-many-pins')
    source.pins.delete(1)
    expect(codeOf(() => use(1))).toBe('cp-gone')
    use(source.newest)
    expect(views.keptCps()).toHaveLength(keptCpsMax)
    expect(clock.timers).toBe(keptCpsMax)
    views.close()
    expect(clock.timers + source.views).toBe(0)
  })

  test('cp-gone names what is readable', () => {
    const { source, use } = setUp()
    for (let i = 0; i < 5; i++) source.publish()
    try {
      use(2)
    } catch (error) {
      expect(hasCode(error, 'cp-gone') && error.help).toEqual({ readable: [5, 6] })
    }
  })

  test('are at most eight', () => {
    const { source, clock, use, views } = setUp()
    for (let i = 0; i < keptCpsMax; i++) {
      use(source.newest)
      source.publish()
    }
    expect(codeOf(() => use(source.newest))).toBe('too-many-pins')
    use(3)
    expect(source.views).toBe(0)
    clock.jump(keptMs)
    use(source.newest)
    expect(views.keptCps()).toEqual([source.newest])
  })

  test('a client that has named fewer takes the oldest of the one that has named most', () => {
    const { source, views } = setUp()
    for (let i = 0; i < keptCpsMax; i++) {
      views.at(source.newest, 'greedy').release()
      source.publish()
    }
    expect(codeOf(() => views.at(source.newest, 'greedy'))).toBe('too-many-pins')
    for (let i = 0; i < keptCpsMax / 2; i++) {
      views.at(source.newest, 'modest').release()
      expect(views.keptCps()).toHaveLength(keptCpsMax)
      expect(views.keptCps()).not.toContain(i + 1)
      expect(source.pins.has(i + 1)).toBe(false)
      source.publish()
    }
    // Both have half of the places now.
    for (const client of ['greedy', 'modest'])
      expect(codeOf(() => views.at(source.newest, client))).toBe('too-many-pins')
    views.at(source.newest, 'third').release()
    views.close()
  })

  test('a place that two clients share is not taken from one of them', () => {
    const { source, views } = setUp()
    for (let i = 0; i < keptCpsMax; i++) {
      for (const client of ['a', 'b']) views.at(source.newest, client).release()
      source.publish()
    }
    expect(codeOf(() => views.at(source.newest, 'c'))).toBe('too-many-pins')
    views.close()
  })
})

describe('listings', () => {
  const begin = async ({ source, views }: ReturnType<typeof setUp>, name: string, client: string) => {
    const page = await views.settled(name, client)
    page.release()
    source.publish()
    return page.cp
  }

  test('always begin: one that is over makes room, then the oldest of who keeps the most', async () => {
    const scene = setUp()
    const { source, views } = scene
    const cps: number[] = []
    for (let i = 0; i < keptCpsMax; i++) cps.push(await begin(scene, `l${i}`, i < 2 ? 'modest' : 'greedy'))
    views.endListing(cps[5]!, 'l5')
    await begin(scene, 'next', 'greedy')
    expect(views.keptCps()).not.toContain(cps[5])
    await begin(scene, 'another', 'third')
    expect(views.keptCps()).not.toContain(cps[2])
    expect(source.pins.has(cps[2]!)).toBe(false)
    expect(codeOf(() => views.atListing(cps[2]!, 'l2', 'greedy'))).toBe('cp-gone')
    for (const [i, client] of ['modest', 'modest'].entries())
      views.atListing(cps[i]!, `l${i}`, client).release()
    expect(views.keptCps()).toHaveLength(keptCpsMax)
    views.close()
    expect(source.pins.size + source.views).toBe(0)
  })

  test('take no place of a CP that a request has named', async () => {
    const scene = setUp()
    const { source, views, use } = scene
    for (let i = 0; i < keptCpsMax; i++) {
      use(source.newest)
      source.publish()
    }
    for (let i = 0; i < 3 * keptCpsMax; i++) await begin(scene, `l${i}`, 'c')
    expect(views.keptCps()).toHaveLength(2 * keptCpsMax)
    for (let cp = 1; cp <= keptCpsMax; cp++) use(cp)
    expect(codeOf(() => use(source.newest))).toBe('too-many-pins')
    views.close()
  })

  test('whose names clients make up are remembered up to a bound', () => {
    const { views } = setUp()
    for (let i = 0; i < 2 * listingsOfCpMax; i++) views.atListing(1, `made up ${i}`, 'c').release()
    const [kept] = [
      ...(views as unknown as { kept: Map<number, { listings: Map<string, string> }> }).kept.values(),
    ]
    expect(kept!.listings.size).toBe(listingsOfCpMax)
    expect(kept!.listings.has(`made up ${2 * listingsOfCpMax - 1}`)).toBe(true)
    views.close()
  })

  test('settle says which one', async () => {
    const { source, clock, view } = setUp()
    const settle = async () => {
      source.publish()
      return source.current()
    }
    const views = new Views({ source, clock, view, settle, openView: () => ({ cp: 99 }) as ReadView })
    expect(views.open().cp).toBe(99)
    expect((await views.settled('l', 'c')).cp).toBe(2)
    expect(source.pins.has(2)).toBe(true)
  })
})

describe('waiting', () => {
  test('until it is published, or time is up', async () => {
    const { source, clock, views } = setUp()
    expect(await views.waitFor(1, 0)).toBe(true)
    expect(await views.waitFor(2, 0)).toBe(false)
    const two = views.waitFor(2, 1000)
    const three = views.waitFor(3, 1000)
    source.publish()
    expect(await two).toBe(true)
    clock.jump(1000)
    expect(await three).toBe(false)
    expect(clock.timers).toBe(0)
  })

  test('while there is nothing at all', async () => {
    const { source, views } = setUp()
    source.newest = 0
    expect(views.isEmpty).toBe(true)
    expect(await views.waitFor(1, 0)).toBe(false)
    const one = views.waitFor(1, 1000)
    source.publish()
    expect(await one).toBe(true)
    expect(views.isEmpty).toBe(false)
  })

  test('ends when the client leaves', async () => {
    const { source, clock, views } = setUp()
    const client = new AbortController()
    const waiting = views.waitFor(9, 1000, client.signal)
    client.abort()
    expect(await waiting).toBe(false)
    expect(clock.timers + (views as unknown as { waiters: Set<unknown> }).waiters.size).toBe(0)
    expect(await views.waitFor(9, 1000, client.signal)).toBe(false)
    source.publish()
  })

  test('close ends everything', async () => {
    const { source, clock, views, use } = setUp()
    use(1)
    const waiting = views.waitFor(9, 1000)
    views.close()
    expect(await waiting).toBe(false)
    expect(await views.waitFor(9, 1000)).toBe(false)
    expect(source.pins.size + source.listeners.size + clock.timers).toBe(0)
  })
})

test('a request that is answered while everything is closed keeps nothing', async () => {
  await explore(
    async (schedule) => {
      const { source, clock, view } = setUp()
      const settle = async () => {
        await schedule.at('its CP is published')
        source.publish()
        return source.current()
      }
      const views = new Views({ source, clock, view, settle })
      const listing = async (name: string) => {
        await schedule.at('a listing begins')
        const page = await views.settled(name, 'c')
        views.endListing(page.cp, name)
        page.release()
      }
      const reader = async () => {
        await schedule.at('a request for a CP comes')
        views.at(source.newest, 'c').release()
      }
      const waiter = async () => {
        await schedule.at('a request that waits comes')
        await views.waitFor(source.newest + 1, 0)
      }
      const closer = async () => {
        await schedule.at('the server stops')
        views.close()
      }
      await Promise.all([listing('a'), listing('b'), reader(), waiter(), closer()])
      expect([source.pins.size, source.views, clock.timers, views.keptCps()]).toEqual([0, 0, 0, []])
    },
    { runsMax: 600, ticksMax: 1 },
  )
})

test('possible numbers', () => {
  for (const cp of [0, 1, 1e12, 8999e12]) expect(isPossibleCp(cp)).toBe(true)
  for (const cp of [-1, 0.5, 9000e12, 2 ** 53, Number.NaN]) expect(isPossibleCp(cp)).toBe(false)
})

test('a second time is as the first: kept, refused, let go of and kept again, for as long as before', () => {
  const { source, clock, views } = setUp()
  for (let round = 0; round < 3; round++) {
    const first = source.newest
    for (let i = 0; i < keptCpsMax; i++) {
      views.at(source.newest, 'a').release()
      source.publish()
    }
    expect(codeOf(() => views.at(source.newest, 'a'))).toBe('too-many-pins')
    expect(codeOf(() => views.at(source.newest - 1, 'a'))).toBe('none')
    clock.jump(keptMs - 1)
    // One use begins its time anew, of this CP alone.
    views.at(first, 'a').release()
    clock.jump(1)
    expect(views.keptCps()).toContain(first)
    clock.jump(keptMs - 2)
    expect(views.keptCps()).toContain(first)
    clock.jump(1)
    expect(views.keptCps()).toEqual([])
    expect([source.pins.size, clock.timers]).toEqual([0, 0])
  }
})
