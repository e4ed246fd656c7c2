/** The answers of docs/wire.md, which another implementation gave; windows, challenges and sessions at their limits. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeUtf8, toHex } from '../../../src/lib/bytes.ts'
import { type Random, formatUuid, seededRandom, systemRandom } from '../../../src/lib/random.ts'
import { encodeFrame } from '../../../src/format/wire/frames.ts'
import {
  decodeChallenge,
  decodeIntroduction,
  decodeProof,
  decodeProofAnswer,
  encodeIntroduction,
} from '../../../src/format/wire/handshake.ts'
import { nowhere } from '../../../src/format/wire/messages.ts'
import {
  type Handshake,
  beginMac,
  headMacOf,
  isSameMac,
  keyOfPair,
  lastingKeyOf,
  noChannel,
  proofOf,
  sessionOf,
} from '../../../src/replica/link/peer-proof.ts'
import {
  bodiesMax,
  challengeMsMax,
  sessionIdleMsMax,
  sessionsMax,
  takenChallengesMax,
} from '../../../src/replica/link/peer-sessions.ts'
import {
  answersPath,
  framesPath,
  introductionPath,
  proofPath,
} from '../../../src/replica/link/replica-paths.ts'
import { RequestWindow, windowCounters } from '../../../src/replica/link/request-window.ts'
import type { FrameReceiver } from '../../../src/replica/link/transport.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { flipped } from './between.ts'
import { Prover, askOf, mirrorEnd } from './peers.ts'

const bytes = (from: number, count: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => from + i)
const uuid = (from: number): string => formatUuid(bytes(from, 16))
const parties = { volume: uuid(0), primary: uuid(16), mirror: uuid(32) }
const handshake: Handshake = {
  ...parties,
  primaryNonce: bytes(64, 32),
  mirrorNonce: bytes(96, 32),
  keyKind: 'secret',
  channel: noChannel,
}

test('the known answers of docs/wire.md', () => {
  const page = readFileSync(join(import.meta.dir, '../../../docs/wire.md'), 'utf8')
  const answers: unknown = Object.fromEntries(
    [...page.matchAll(/^\| ([a-z ]+?) +\| `([0-9a-f]{32,64})` +\|$/gm)].map(([, what, hex]) => [what, hex]),
  )
  const key = keyOfPair('secret', encodeUtf8('a-secret-of-enough-length'), parties)
  const codeKey = keyOfPair('code', bytes(128, 16), parties)
  const session = sessionOf(key, handshake)
  const mac = (direction: 'to the mirror' | 'to the primary') =>
    beginMac(session, direction, 1, framesPath).update(encodeUtf8('frames')).digest()
  const headMac = (direction: 'to the mirror' | 'to the primary') =>
    headMacOf(session, direction, { counter: 1, framesBytes: 6, mac: mac(direction) }, framesPath)
  const computed = {
    'key of the secret': key,
    'key of the code': codeKey,
    'open key': keyOfPair('open', encodeUtf8('open'), parties),
    'proof to the mirror': proofOf(key, 'to the mirror', handshake),
    'proof to the primary': proofOf(key, 'to the primary', handshake),
    'session id': session.id,
    'key to the mirror': session.keys['to the mirror'],
    'key to the primary': session.keys['to the primary'],
    'mac of the request': mac('to the mirror'),
    'mac of the answer': mac('to the primary'),
    'head of the request': headMac('to the mirror'),
    'head of the answer': headMac('to the primary'),
    'key of the pairing': lastingKeyOf(codeKey, { ...handshake, keyKind: 'code' }),
  }
  expect(answers).toEqual(Object.fromEntries(Object.entries(computed).map(([what, of]) => [what, toHex(of)])))
})

test('a proof, a session and a MAC change with everything that they cover', () => {
  const key = bytes(1, 32)
  const other: readonly Partial<Handshake>[] = [
    { volume: uuid(1) },
    { primary: uuid(1) },
    { mirror: uuid(1) },
    { primary: parties.mirror, mirror: parties.primary },
    { primaryNonce: bytes(65, 32) },
    { mirrorNonce: bytes(97, 32) },
    { keyKind: 'pair' },
    { channel: bytes(1, 32) },
  ]
  const proofs = [{}, ...other].flatMap((change) =>
    (['to the mirror', 'to the primary'] as const).map((direction) =>
      toHex(proofOf(key, direction, { ...handshake, ...change })),
    ),
  )
  expect(new Set(proofs).size).toBe(proofs.length)
  const sessions = [{}, ...other].map((change) => toHex(sessionOf(key, { ...handshake, ...change }).id))
  expect(new Set(sessions).size).toBe(sessions.length)
  const session = sessionOf(key, handshake)
  const macs = (['to the mirror', 'to the primary'] as const).flatMap((direction) =>
    [1, 2, 2 ** 40].flatMap((counter) =>
      [framesPath, answersPath].flatMap((path) =>
        ['', 'x', 'xx'].map((body) =>
          toHex(beginMac(session, direction, counter, path).update(body).digest()),
        ),
      ),
    ),
  )
  // What moves from the path to the body is another one, too.
  macs.push(toHex(beginMac(session, 'to the mirror', 1, framesPath.slice(0, -1)).update('sx').digest()))
  expect(new Set(macs).size).toBe(macs.length)
  const mac = bytes(0, 32)
  expect(isSameMac(mac, mac.slice())).toBe(true)
  for (const wrong of [
    mac.slice(0, 31),
    mac.slice(0, 1),
    new Uint8Array(0),
    flipped(mac, 255),
    flipped(mac, 0),
  ])
    expect([isSameMac(mac, wrong), isSameMac(wrong, mac)]).toEqual([false, false])
})

describe('a window of counters', () => {
  test('takes each once, in any order within the window', () => {
    const window = new RequestWindow()
    const random = seededRandom(1)
    const taken = new Set<number>()
    let highest = 0
    for (let i = 0; i < 20_000; i++) {
      const counter = Math.max(1, highest - 40 + random.below(48))
      const isExpected = counter > highest - windowCounters && !taken.has(counter)
      expect([counter, window.take(counter)]).toEqual([counter, isExpected])
      if (isExpected) taken.add(counter)
      highest = Math.max(highest, counter)
    }
  })

  test('at its ends', () => {
    for (const [first, second, isTaken] of [
      [windowCounters + 1, 2, true],
      [windowCounters + 1, 1, false],
      [1, windowCounters + 1, true],
      [1, 1, false],
      [1, 2 ** 53 - 1, true],
      [2 ** 53 - 1, 2 ** 53 - 2, true],
    ] as const) {
      const window = new RequestWindow()
      expect(window.take(first)).toBe(true)
      expect([first, second, window.take(second)]).toEqual([first, second, isTaken])
      expect(window.take(first)).toBe(false)
    }
    for (const wrong of [0, -1, 1.5, Number.NaN, Infinity, 2 ** 53])
      expect(new RequestWindow().take(wrong)).toBe(false)
  })
})

test('messages of another size, version or form are none', () => {
  const whole = encodeIntroduction({ volume: parties.volume, primary: parties.primary, nonce: bytes(1, 32) })
  expect(decodeIntroduction(whole)).toMatchObject({ volume: parties.volume, primary: parties.primary })
  for (const decode of [decodeIntroduction, decodeChallenge, decodeProof, decodeProofAnswer]) {
    for (const wrong of [new Uint8Array(0), new Uint8Array(96), new Uint8Array(208), new Uint8Array(40)])
      expect(() => decode(wrong)).toThrow(/length|magic/)
  }
  for (const wrong of [
    whole.slice(0, -1),
    Buffer.concat([whole, new Uint8Array(1)]),
    flipped(whole, 0),
    flipped(whole, 33),
    flipped(whole, 50),
  ])
    expect(() => decodeIntroduction(wrong)).toThrow()
})

function mirrorScene(random: Random = systemRandom) {
  const clock = new VirtualClock()
  const released: (() => void)[] = []
  const receiver: FrameReceiver = {
    receive: () => new Promise((resolve) => released.push(resolve)),
    hasAnswers: true,
    takeAnswers: () => [],
    onAnswer: () => () => {},
  }
  const { fetchOf, sessions } = mirrorEnd({ side: parties.mirror, secret: 'a secret', clock, random })
  const ask = askOf(fetchOf(receiver))
  const newProver = () =>
    new Prover(ask, parties, (mirror) => ({
      keyKind: 'secret',
      key: keyOfPair('secret', encodeUtf8('a secret'), { primary: parties.primary, mirror }),
    }))
  return { clock, sessions, ask, newProver, released }
}

describe('a mirror', () => {
  test('takes a proof once, and within its time', async () => {
    const { clock, ask, newProver } = mirrorScene()
    const peer = await newProver().begin()
    expect((await peer.post(answersPath)).status).toBe(200)
    const said = peer.sealed(answersPath)
    expect((await ask(answersPath, said)).status).toBe(200)
    // The proof again would begin the same session anew, and every counter with it.
    for (const ms of [0, challengeMsMax, 1, 10 * challengeMsMax]) {
      clock.jump(ms)
      expect((await ask(proofPath, peer.proof)).status).toBe(401)
      expect((await ask(answersPath, said)).status).toBe(401)
    }
    for (const [ms, isTaken] of [
      [challengeMsMax, true],
      [challengeMsMax + 1, false],
    ] as const) {
      const late = mirrorScene()
      const ends = new Prover(
        async (path, body) => {
          if (path === proofPath) late.clock.jump(ms)
          return late.ask(path, body)
        },
        parties,
        (mirror) => ({
          keyKind: 'secret',
          key: keyOfPair('secret', encodeUtf8('a secret'), { primary: parties.primary, mirror }),
        }),
      ).begin()
      if (isTaken) await ends
      else await expect(ends).rejects.toThrow('401')
    }
  })

  test('takes no bit of a proof in another form', async () => {
    const { ask, newProver, sessions } = mirrorScene()
    const caught = new Prover(
      async (path, body) => {
        if (path !== proofPath) return ask(path, body)
        for (let bit = 0; bit < body.length * 8; bit++) {
          const { status } = await ask(proofPath, flipped(body, bit))
          expect([400, 401]).toContain(status)
        }
        expect(sessions.size).toBe(0)
        return ask(path, body)
      },
      parties,
      (mirror) => ({
        keyKind: 'secret',
        key: keyOfPair('secret', encodeUtf8('a secret'), { primary: parties.primary, mirror }),
      }),
    )
    await caught.begin()
    await newProver().begin()
    expect(sessions.size).toBe(2)
  })

  test('keeps nothing of introductions, few sessions, and none that is silent', async () => {
    const { clock, ask, newProver, sessions } = mirrorScene()
    const first = await newProver().begin()
    const introduction = encodeIntroduction({ ...parties, nonce: bytes(1, 32) })
    for (let i = 0; i < 10_000; i++) await ask(introductionPath, introduction)
    expect(sessions.size).toBe(1)
    const others = []
    for (let i = 1; i < sessionsMax; i++) {
      clock.jump(1)
      others.push(await newProver().begin())
    }
    for (const peer of [first, ...others]) expect((await peer.post(answersPath)).status).toBe(200)
    clock.jump(1)
    for (const peer of others) await peer.post(answersPath)
    // The one that was silent longest leaves.
    const last = await newProver().begin()
    expect(sessions.size).toBe(sessionsMax)
    expect((await first.post(answersPath)).status).toBe(401)
    clock.jump(sessionIdleMsMax)
    expect((await last.post(answersPath)).status).toBe(200)
    clock.jump(sessionIdleMsMax + 1)
    for (const peer of [last, ...others]) expect((await peer.post(answersPath)).status).toBe(401)
    expect(sessions.size).toBe(0)
  })

  test('remembers so many challenges that were taken, and takes more when they are too old anyway', async () => {
    const { clock, newProver } = mirrorScene()
    for (let i = 0; i < takenChallengesMax; i++) await newProver().begin()
    await expect(newProver().begin()).rejects.toThrow('503')
    clock.jump(challengeMsMax + 1)
    await newProver().begin()
  })

  test('gives nonces of its source, one for each challenge', async () => {
    const { ask } = mirrorScene()
    const introduction = encodeIntroduction({ ...parties, nonce: bytes(1, 32) })
    const nonces = new Set<string>()
    for (let i = 0; i < 100; i++)
      nonces.add(toHex(decodeChallenge(await (await ask(introductionPath, introduction)).bytes()).nonce))
    expect(nonces.size).toBe(100)
  })

  test('takes in so many bodies of a session at once', async () => {
    const { newProver, released } = mirrorScene()
    const peer = await newProver().begin()
    const epoch = { number: 0, id: new Uint8Array(8) }
    const head = { volume: parties.volume, session: parties.volume, epoch, cp: 1, base: nowhere, number: 0 }
    const frame = encodeFrame({ ...head, kind: 'poll', remark: 'nothing' })
    const waiting = Array.from({ length: bodiesMax }, () => peer.post(framesPath, frame))
    while (released.length < bodiesMax) await Bun.sleep(1)
    expect((await peer.post(framesPath, frame)).status).toBe(503)
    released[0]!()
    expect((await waiting[0]!).status).toBe(200)
    const next = peer.post(framesPath, frame)
    while (released.length < bodiesMax + 1) await Bun.sleep(1)
    for (const release of released) release()
    for (const answer of [...waiting, next]) expect((await answer).status).toBe(200)
  })
})
