/** The key rings of both ends, alone: which key is taken when, what is kept, and what is forgotten. */
import { beforeEach, describe, expect, test } from 'bun:test'
import { membersMax } from '../../../src/format/geometry.ts'
import type { KeyKind } from '../../../src/format/wire/handshake.ts'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { PairingCode } from '../../../src/replica/link/pairing-code.ts'
import {
  type KeptKeys,
  MirrorKeyRing,
  PrimaryKeyRing,
  type StoredKeys,
  toPairMax,
} from '../../../src/replica/link/peer-keys.ts'
import { keyOfPair } from '../../../src/replica/link/peer-proof.ts'
import { formatUuid, seededRandom } from '../../../src/lib/random.ts'
import { VirtualClock } from '../../simulated/clock.ts'

const random = seededRandom(6)
const uuidOf = () => formatUuid(random.bytes(16))
const parties = { primary: uuidOf(), mirror: uuidOf(), volume: uuidOf() }
const key = new Uint8Array(32).fill(7)
const url = 'http://mirror'
const kindsOf: readonly KeyKind[] = ['open', 'secret', 'pair', 'code']

/** Changes are durable when the test says so, or fail. */
class SlowKeys implements StoredKeys {
  kept: KeptKeys = { keys: new Map(), toPair: [], unused: [] }
  readonly waiting: PromiseWithResolvers<void>[] = []
  async change(edit: (kept: KeptKeys) => KeptKeys): Promise<void> {
    const wait = Promise.withResolvers<void>()
    this.waiting.push(wait)
    await wait.promise
    this.kept = edit(this.kept)
  }
  async end(isFailed = false): Promise<void> {
    const wait = this.waiting.shift()!
    if (isFailed) wait.reject(new Error('the power went'))
    else wait.resolve()
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }
}
class QuickKeys implements StoredKeys {
  changes = 0
  kept: KeptKeys = { keys: new Map(), toPair: [], unused: [] }
  change(edit: (kept: KeptKeys) => KeptKeys): Promise<void> {
    this.changes++
    this.kept = edit(this.kept)
    return Promise.resolve()
  }
}

describe('a mirror', () => {
  let stored: SlowKeys
  beforeEach(() => {
    stored = new SlowKeys()
    stored.kept = {
      keys: new Map([[parties.primary, key]]),
      toPair: [],
      unused: ['another', parties.primary],
    }
  })
  const ringOf = (
    more: { secret?: string; code?: PairingCode; isOnLoopback?: boolean; stored?: StoredKeys } = {},
  ) => new MirrorKeyRing({ secret: null, stored, code: null, isOnLoopback: true, ...more })

  test.each([
    ['open', 0],
    ['secret', 0],
    ['pair', 1],
    ['code', 1],
  ] as const)('that is used with the key %s notes it as used in %p changes', async (kind, changes) => {
    ringOf().used(kind, parties.primary)
    expect(stored.waiting).toHaveLength(changes)
    if (changes === 0) return
    await stored.end()
    expect(stored.kept.unused).toEqual(['another'])
  })

  test('notes it once, also while the note is on its way, and again when that has failed', async () => {
    const ring = ringOf()
    for (const kind of ['pair', 'pair', 'code'] as const) ring.used(kind, parties.primary)
    expect(stored.waiting).toHaveLength(1)
    await stored.end(true)
    expect(stored.kept.unused).toHaveLength(2)
    ring.used('pair', parties.primary)
    expect(stored.waiting).toHaveLength(1)
    await stored.end()
    ring.used('pair', parties.primary)
    ring.used('pair', 'a stranger')
    expect(stored.waiting).toHaveLength(0)
    ring.used('pair', 'another')
    expect(stored.waiting).toHaveLength(1)
  })

  test.each(kindsOf)('that is used with the key %s ends its code only when that is it', (kind) => {
    const code = new PairingCode(new VirtualClock(), seededRandom(1))
    ringOf({ code }).used(kind, parties.primary)
    expect(code.current() === null).toBe(kind === 'code')
  })

  test.each(kindsOf)('counts a wrong proof with the key %s against the code only when that is it', (kind) => {
    const code = new PairingCode(new VirtualClock(), seededRandom(1))
    const ring = ringOf({ code })
    for (let i = 0; i < 1000; i++) ring.failed(kind)
    expect(code.current() === null).toBe(kind === 'code')
    expect(() => ringOf().failed(kind)).not.toThrow()
  })

  test('takes the open key on loopback only, and while there is no other', () => {
    const open = (more: Parameters<typeof ringOf>[0]) =>
      ringOf({ stored: new QuickKeys(), ...more }).keyFor('open', parties) !== null
    expect(open({})).toBe(true)
    expect(open({ isOnLoopback: false })).toBe(false)
    expect(open({ secret: 'x' })).toBe(false)
    expect(open({ code: new PairingCode(new VirtualClock(), seededRandom(1)) })).toBe(false)
    expect(open({ stored })).toBe(false)
    expect(ringOf({ stored: new QuickKeys() }).keyFor('open', parties)).toEqual(
      keyOfPair('open', encodeUtf8('open'), parties),
    )
  })

  test('has the key of its kind for the party, or none', () => {
    const code = new PairingCode(new VirtualClock(), seededRandom(1))
    const bytes = code.current()!.slice()
    const ring = ringOf({ secret: 'shared', code })
    expect(ring.keyFor('secret', parties)).toEqual(keyOfPair('secret', encodeUtf8('shared'), parties))
    expect(ring.keyFor('pair', parties)).toEqual(key)
    expect(ring.keyFor('pair', { ...parties, primary: uuidOf() })).toBeNull()
    expect(ring.keyFor('code', parties)).toEqual(keyOfPair('code', bytes, parties))
    code.end()
    expect(ring.keyFor('code', parties)).toBeNull()
    expect(ringOf().keyFor('code', parties)).toBeNull()
    expect(ringOf().keyFor('secret', parties)).toBeNull()
  })

  test('that is paired has this primary alone, which has not used its key yet', async () => {
    const quick = new QuickKeys()
    quick.kept = { keys: new Map([['before', key]]), toPair: ['x'], unused: ['before'] }
    await ringOf({ stored: quick }).paired(parties, key)
    expect(quick.kept).toEqual({
      keys: new Map([[parties.primary, key]]),
      toPair: ['x'],
      unused: [parties.primary],
    })
  })
})

describe('a primary', () => {
  let stored: QuickKeys
  beforeEach(() => {
    stored = new QuickKeys()
  })
  const code = new Uint8Array(16).fill(3)
  const ringOf = (secret: string | null = null, isOpen = true) =>
    new PrimaryKeyRing({ secret, stored, isOpen: () => isOpen })
  const kindFor = (ring: PrimaryKeyRing, at = url) => ring.keyFor(at, parties)?.kind ?? null

  test('prefers a code, then the key of the pair, then the secret, then nothing at all', async () => {
    expect(kindFor(ringOf())).toBe('open')
    expect(kindFor(ringOf(null, false))).toBeNull()
    expect(kindFor(ringOf('x'))).toBe('secret')
    stored.kept = { ...stored.kept, keys: new Map([['somebody', key]]) }
    expect(kindFor(ringOf())).toBeNull()
    expect(kindFor(ringOf('x'))).toBe('secret')
    stored.kept = { ...stored.kept, keys: new Map([[parties.mirror, key]]), toPair: [url] }
    expect(ringOf('x').keyFor(url, parties)).toEqual({ kind: 'pair', key })
    const ring = ringOf('x')
    await ring.give(url, code)
    expect(ring.keyFor(url, parties)).toEqual({ kind: 'code', key: keyOfPair('code', code, parties) })
    expect(kindFor(ring, 'http://other')).toBe('pair')
  })

  test('uses nothing weaker at an address where a code was given, until it is taken back or paired', async () => {
    const ring = ringOf('x')
    await ring.give(url, code)
    for (const kind of ['open', 'secret', 'pair'] as const) ring.refused(url, kind)
    expect(kindFor(ring)).toBe('code')
    ring.refused(url, 'code')
    expect(kindFor(ring)).toBeNull()
    expect(ring.lackAt(url)).toContain('--code-file')
    expect(ring.lackAt(url)).toContain('pairing code was not taken')
    expect(ring.lackAt('http://other')).toContain('no key in common')
    await ring.takeBack(url)
    expect(kindFor(ring)).toBe('secret')
    await ring.give(url, code)
    await ring.takeBack(url)
    expect(kindFor(ring)).toBe('secret')
    await ring.give(url, code)
    await ring.paired(url, parties, key)
    expect(kindFor(ring)).toBe('pair')
    expect(stored.kept).toEqual({ keys: new Map([[parties.mirror, key]]), toPair: [], unused: [] })
  })

  test('takes back, and forgets, with no more changes than there is to change', async () => {
    const ring = ringOf()
    await ring.takeBack(url)
    await ring.forget(url, parties.mirror)
    expect(stored.changes).toBe(0)
    stored.kept = {
      keys: new Map([
        [parties.mirror, key],
        ['other', key],
      ]),
      toPair: [url, 'http://other'],
      unused: ['u'],
    }
    await ring.forget(url, parties.mirror)
    expect(stored.changes).toBe(2)
    expect(stored.kept).toEqual({ keys: new Map([['other', key]]), toPair: ['http://other'], unused: ['u'] })
  })

  test.each([-1, 0, 1])(
    'of the most addresses and %p the one that was given its code first leaves',
    async (more) => {
      const ring = ringOf('x')
      const urls = Array.from({ length: toPairMax + more }, (_, i) => `http://m${i}`)
      for (const each of urls) await ring.give(each, code)
      expect(stored.kept.toPair).toEqual(urls.slice(-toPairMax))
      expect(urls.filter((each) => kindFor(ring, each) === 'code')).toEqual(urls.slice(-membersMax))
    },
  )

  test('an address that is given a code again is the youngest, and is there once', async () => {
    const ring = ringOf()
    const urls = Array.from({ length: membersMax }, (_, i) => `http://m${i}`)
    for (const each of urls) await ring.give(each, code)
    await ring.give(urls[0]!, code)
    await ring.give('http://one-more', code)
    expect(stored.kept.toPair).toEqual([...urls.slice(1), urls[0]!, 'http://one-more'])
    expect(kindFor(ring, urls[0])).toBe('code')
    expect(kindFor(ring, urls[1])).toBeNull()
  })
})
