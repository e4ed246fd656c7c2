/** The table of members: who is added, added again, added at another address, given way to, and told of. */
import { beforeEach, describe, expect, test } from 'bun:test'
import { membersMax } from '../../../src/format/geometry.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import type { ConnectionEvents } from '../../../src/replica/link/transport.ts'
import { Mirrors } from '../../../src/replica/primary/mirrors.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { idleStatus } from '../idle-status.ts'
import { base, epoch, geometry, positionOf, uuid, volumeUuid } from '../mirror/applier-scene.ts'

interface Connected {
  readonly url: string
  readonly events: ConnectionEvents
  readonly member: string | null
  isClosed: boolean
  session: string
}
interface MemberRow {
  readonly uuid: string
  readonly url: string
}

/** A primary that keeps its members in a list, and mirrors that answer when the test says so. */
class Scene {
  readonly clock = new VirtualClock()
  readonly rows: MemberRow[] = []
  readonly lines: Connected[] = []
  readonly told: unknown[] = []
  readonly held = new Map<string, readonly unknown[]>()
  readonly mirrors: Mirrors

  constructor(rows: readonly MemberRow[] = []) {
    this.rows.push(...rows)
    const primary = {
      volumeUuid,
      observe: () => () => {},
      onHoldsInTheWay: () => () => {},
      members: () => this.rows.slice(),
      holds: {
        of: (id: string) => this.held.get(id) ?? [],
        set: (id: string, roots: readonly unknown[]) => void this.held.set(id, roots),
      },
      addMember: (row: MemberRow, instead?: string) => {
        const at = this.rows.findIndex(({ uuid: id }) => id === instead || id === row.uuid)
        if (instead) for (const id of [instead]) this.remove(id)
        else if (at >= 0) this.rows.splice(at, 1)
        this.remove(row.uuid)
        this.rows.push(row)
        return Promise.resolve()
      },
      removeMember: (id: string) => {
        this.remove(id)
        return Promise.resolve()
      },
      held: () => null,
      hasLost: () => false,
      differenceBlocks: () => 0,
    }
    const tell =
      (what: string) =>
      (...more: unknown[]) =>
        void this.told.push([what, ...more])
    this.mirrors = new Mirrors({
      primary,
      source: { current: () => base, readable: () => [base] },
      clock: this.clock,
      random: seededRandom(4),
      identity: { side: uuid(), geometry, epoch: () => epoch },
      transport: {
        connect: (url: string, events: ConnectionEvents, member: string | null) => {
          const line: Connected = { url, events, member, isClosed: false, session: '' }
          this.lines.push(line)
          return { wake: () => {}, close: () => void (line.isClosed = true) }
        },
      },
      limits: { silenceMsMax: 1e9, troubleMs: 1e9 },
      onAdopted: tell('adopted'),
      onMirrored: tell('mirrored'),
      onUnreached: tell('unreached'),
    } as unknown as ConstructorParameters<typeof Mirrors>[0])
    this.mirrors.start()
  }

  private remove(id: string): void {
    const at = this.rows.findIndex(({ uuid: known }) => known === id)
    if (at >= 0) this.rows.splice(at, 1)
  }

  /** Open connections, by address. */
  get open(): string[] {
    return this.lines.filter(({ isClosed }) => !isClosed).map(({ url }) => url)
  }
  line(url: string): Connected {
    return this.lines.findLast((each) => each.url === url && !each.isClosed)!
  }

  /** The mirror at the address answers the hello. */
  async answer(url: string, side: string): Promise<void> {
    const { events } = this.line(url)
    const link = this.mirrors['members'].find(({ link: of }) => of.url === url)!.link
    const { session } = link['shipper'].head
    const position = positionOf(base)
    const status = idleStatus({ side, published: position, retained: [position] })
    const head = { volume: volumeUuid, session, epoch, cp: 0, base: position, number: 0 }
    events.frame({ ...head, kind: 'hello-answer', opens: uuid(), ...status })
    await this.turn()
  }
  async turn(): Promise<void> {
    for (let i = 0; i < 30; i++) await Promise.resolve()
  }
  /** What is there after the second in which a mirror may answer. */
  async later<T>(of: Promise<T>): Promise<T> {
    await this.clock.advance(1000)
    return of
  }
  /** Adds, and lets the second pass in which the mirror may answer. */
  async add(url: string, how: 'add' | 'addAfresh' = 'add') {
    const adding = this.mirrors[how](url)
    await this.turn()
    return this.later(adding)
  }
}

let scene: Scene
beforeEach(() => {
  scene = new Scene()
})
const a = 'http://a'
const b = 'http://b'

describe('a mirror that is added', () => {
  test('is in the table before it is connected to, with an id that says that it is not proved', async () => {
    const { reached, record } = await scene.add(a)
    expect(reached).toBe(false)
    expect(record).toMatchObject({ url: a, state: 'away', lastSeenMs: null, heldBytes: 0 })
    expect(record.id[14]).toBe('0')
    expect(scene.rows).toEqual([{ uuid: record.id, url: a }])
    expect(scene.lines).toMatchObject([{ url: a, member: null }])
  })

  test('is a member under its own id when it has answered', async () => {
    const side = uuid()
    const adding = scene.mirrors.add(a)
    await scene.turn()
    await scene.answer(a, side)
    expect(await scene.later(adding)).toMatchObject({
      reached: true,
      record: { id: side, url: a, state: 'live' },
    })
    expect(scene.rows).toEqual([{ uuid: side, url: a }])
    expect(scene.told).toContainEqual(['adopted', side, a])
    expect(scene.told).toContainEqual(['mirrored', side, base.root.cp])
  })
})

describe('added again', () => {
  test.each([
    ['add', 1],
    ['addAfresh', 2],
  ] as const)('with %s, a member that is proved has %p connections', async (how, count) => {
    const side = uuid()
    const adding = scene.mirrors.add(a)
    await scene.turn()
    await scene.answer(a, side)
    await scene.later(adding)
    const { record } = await scene.add(a, how)
    expect(record.id).toBe(side)
    expect(scene.lines.map(({ member }) => member)).toEqual([null, side].slice(0, count))
    expect(scene.open).toEqual([a])
    expect(scene.rows).toEqual([{ uuid: side, url: a }])
    expect(await scene.mirrors.list()).toHaveLength(1)
  })

  test.each(['add', 'addAfresh'] as const)(
    'with %s, one that is not proved is tried at once',
    async (how) => {
      const first = await scene.add(a)
      const again = await scene.add(a, how)
      expect(again.record.id).toBe(first.record.id)
      expect(scene.lines).toHaveLength(2)
      expect(scene.open).toEqual([a])
      expect(scene.rows).toHaveLength(1)
    },
  )
})

describe('the same mirror at another address', () => {
  const side = uuid()
  beforeEach(async () => {
    const adding = scene.mirrors.add(a)
    await scene.turn()
    await scene.answer(a, side)
    await scene.later(adding)
  })

  test('takes the place of the first when that is away', async () => {
    scene.line(a).events.failed('cut')
    const adding = scene.mirrors.add(b)
    await scene.turn()
    await scene.answer(b, side)
    expect(await scene.later(adding)).toMatchObject({ reached: true, record: { id: side, url: b } })
    expect(scene.rows).toEqual([{ uuid: side, url: b }])
    expect(scene.mirrors.standings().map(({ url }) => url)).toEqual([b])
    expect(scene.open).toEqual([b])
  })

  test('is refused while the first is there', async () => {
    const adding = scene.mirrors.add(b)
    await scene.turn()
    await scene.answer(b, side)
    expect(await scene.later(adding)).toMatchObject({
      reached: false,
      record: { url: b, state: 'stalled', needs: expect.stringContaining('already') as string },
    })
    expect(scene.rows.map(({ url }) => url)).toEqual([a, b])
    expect(scene.mirrors.standings().map(({ url, state }) => [url, state])).toEqual([
      [a, 'live'],
      [b, 'stalled'],
    ])
  })

  test('another mirror there is another member', async () => {
    const other = uuid()
    const adding = scene.mirrors.add(b)
    await scene.turn()
    await scene.answer(b, other)
    await scene.later(adding)
    expect(scene.rows).toEqual([
      { uuid: side, url: a },
      { uuid: other, url: b },
    ])
    expect(scene.open).toEqual([a, b])
  })
})

describe('a full table', () => {
  const urlOf = (i: number) => `http://m${i}`
  const fill = async (count: number) => {
    for (let i = 0; i < count; i++) await scene.add(urlOf(i))
  }

  test.each([-1, 0])(
    'with room for one, and %p: the oldest that is not proved gives way, or none does',
    async (more) => {
      await fill(membersMax + more)
      await scene.add(a)
      const urls = scene.mirrors.standings().map(({ url }) => url)
      expect(urls).toHaveLength(membersMax)
      expect(urls.includes(urlOf(0))).toBe(more < 0)
      expect(urls).toContain(urlOf(1))
      expect(urls).toContain(a)
      expect(scene.open.toSorted()).toEqual(urls.toSorted())
      expect(scene.rows.map(({ url }) => url).toSorted()).toEqual(urls.toSorted())
    },
  )

  test('a member that is proved stays', async () => {
    await fill(1)
    await scene.answer(urlOf(0), uuid())
    for (let i = 1; i < membersMax; i++) await scene.add(urlOf(i))
    await scene.add(a)
    const urls = scene.mirrors.standings().map(({ url }) => url)
    expect(urls).toContain(urlOf(0))
    expect(urls).not.toContain(urlOf(1))
  })
})

describe('a member', () => {
  test('that is removed is connected to no more, and is not there a second time', async () => {
    const { record } = await scene.add(a)
    await scene.add(b)
    expect(await scene.mirrors.remove(record.id)).toBe(true)
    expect(scene.open).toEqual([b])
    expect(scene.rows.map(({ url }) => url)).toEqual([b])
    expect(scene.mirrors.standings().map(({ url }) => url)).toEqual([b])
    expect(await scene.mirrors.remove(record.id)).toBe(false)
    expect(await scene.mirrors.remove(uuid())).toBe(false)
    expect(scene.open).toEqual([b])
  })

  test('of the table is begun with its id; one that is not proved holds nothing and may be anybody', () => {
    const proved = uuid()
    const pending = proved.slice(0, 14) + '0' + proved.slice(15)
    scene.held.set(proved, [])
    scene = new Scene([
      { uuid: proved, url: a },
      { uuid: pending, url: b },
    ])
    expect(scene.lines).toMatchObject([
      { url: a, member: proved },
      { url: b, member: null },
    ])
    expect([...scene.held]).toEqual([[pending, []]])
  })

  test('says when it was seen last, in the time of the wall', async () => {
    const adding = scene.mirrors.add(a)
    await scene.turn()
    await scene.answer(a, uuid())
    await scene.later(adding)
    const [seen] = await scene.mirrors.list()
    const before = seen!.lastSeenMs!
    expect(before).toBeGreaterThan(0)
    await scene.clock.advance(500)
    expect((await scene.mirrors.list())[0]!.lastSeenMs).toBe(before)
  })

  test('all connections end with the table', async () => {
    await scene.add(a)
    await scene.add(b)
    scene.mirrors.close()
    expect(scene.open).toEqual([])
  })
})

describe('a wait for mirrors', () => {
  /** Null while it goes on. */
  const outcome = (waiting: Promise<boolean>): Promise<boolean | null> =>
    Promise.race([waiting, scene.turn().then(() => null)])

  test('ends with the answer of a mirror, with its end, and with its time', async () => {
    await scene.add(a)
    const { cp } = base.root
    const late = scene.clock.monotonic() + 1000
    expect(await outcome(scene.mirrors.waitMirrored(cp, 0, late))).toBe(true)
    const waiting = scene.mirrors.waitMirrored(cp, 1, late)
    const more = scene.mirrors.waitMirrored(cp + 1, 1, late)
    const two = scene.mirrors.waitMirrored(cp, 2, late)
    expect(await outcome(waiting)).toBeNull()
    await scene.answer(a, uuid())
    expect([await outcome(waiting), await outcome(more), await outcome(two)]).toEqual([true, null, null])
    scene.mirrors.endWaits()
    expect([await outcome(more), await outcome(two)]).toEqual([false, false])
    expect(await outcome(scene.mirrors.waitMirrored(cp + 1, 1, late))).toBe(false)
    expect(await outcome(scene.mirrors.waitMirrored(cp, 1, late))).toBe(true)
    expect(await outcome(scene.mirrors.flush(cp + 1, late))).toBeNull()
    expect(await outcome(scene.mirrors.flush(cp, late))).toBe(true)
  })
})
