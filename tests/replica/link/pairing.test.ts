/** Codes and keys of pairs: what ends a code, both orders of a crash, and a key that opens one mirror alone. */
import { describe, expect, test } from 'bun:test'
import { concatBytes, encodeUtf8 } from '../../../src/lib/bytes.ts'
import { formatUuid, seededRandom, systemRandom } from '../../../src/lib/random.ts'
import { encodeFrame } from '../../../src/format/wire/frames.ts'
import { type Message, noUuid, nowhere } from '../../../src/format/wire/messages.ts'
import {
  PairingCode,
  codeMsMax,
  codeTriesMax,
  formatCode,
  parseCode,
} from '../../../src/replica/link/pairing-code.ts'
import { keyOfPair } from '../../../src/replica/link/peer-proof.ts'
import {
  answersPath,
  framesPath,
  introductionPath,
  proofPath,
} from '../../../src/replica/link/replica-paths.ts'
import { smallGeometry } from '../../cp-engine/workload.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { MemoryKeys, Prover, askOf, failureOf, mirrorEnd, primaryEnd, someUuid, taker } from './peers.ts'

const random = seededRandom(8)
const [volume, primary, mirror, other] = Array.from({ length: 4 }, () => formatUuid(random.bytes(16))) as [
  string,
  string,
  string,
  string,
]

describe('the form of a code', () => {
  test('every code is read back, in small letters and with spaces, too', () => {
    for (let i = 0; i < 200; i++) {
      const bytes = random.bytes(16)
      const text = formatCode(bytes)
      expect(text).toHaveLength(31)
      for (const form of [
        text,
        text.toLowerCase(),
        text.replaceAll('-', ''),
        ` ${text.replaceAll('-', ' ')} `,
      ])
        expect(parseCode(form)).toEqual(bytes)
    }
    expect(formatCode(new Uint8Array(16))).toBe('00000-00000-00000-00000-00000-0')
    expect(formatCode(new Uint8Array(16).fill(255))).toBe('ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-W')
    expect(parseCode('OOOOO-IIIII-LLLLL-00000-00000-0')).toEqual(parseCode('00000-11111-11111-00000-00000-0'))
  })

  test('whatever is no code is none', () => {
    const text = formatCode(random.bytes(16))
    for (const wrong of [
      '',
      text.slice(1),
      `${text}0`,
      `U${text.slice(1)}`,
      `${text.slice(0, -1)}Z`,
      '0'.repeat(1000),
    ])
      expect(parseCode(wrong)).toBeNull()
  })
})

function codeScene() {
  const clock = new VirtualClock()
  const code = new PairingCode(clock, systemRandom)
  const bytes = code.current()!
  const stored = new MemoryKeys()
  const { fetchOf, sessions } = mirrorEnd({ side: mirror, secret: null, clock, code, stored })
  const ask = askOf(fetchOf(taker))
  const with_ = (material: Uint8Array) =>
    new Prover(ask, { volume, primary }, (side) => ({
      keyKind: 'code',
      key: keyOfPair('code', material, { primary, mirror: side }),
    }))
  return { clock, code, bytes, stored, ask, sessions, with_, door: fetchOf(taker) }
}
const wrongCode = new Uint8Array(16)

describe('a code', () => {
  test('is over after so many minutes', async () => {
    const { clock, with_, bytes, stored } = codeScene()
    clock.jump(codeMsMax - 1)
    await with_(bytes).begin()
    expect(stored.keys.size).toBe(1)
    const late = codeScene()
    late.clock.jump(codeMsMax)
    await expect(late.with_(late.bytes).begin()).rejects.toThrow('401')
    expect(late.stored.keys.size === 0).toBe(true)
  })

  test('is over after so many wrong proofs, and not before', async () => {
    for (const [wrong, isOver] of [
      [codeTriesMax - 1, false],
      [codeTriesMax, true],
    ] as const) {
      const { with_, bytes } = codeScene()
      for (let i = 0; i < wrong; i++) await expect(with_(wrongCode).begin()).rejects.toThrow('401')
      const right = with_(bytes).begin()
      if (isOver) await expect(right).rejects.toThrow('401')
      else await right
    }
  })

  test('a primary tries a wrong code once, so that the right one is not used up', async () => {
    const { door, bytes, with_ } = codeScene()
    let proofs = 0
    const end = primaryEnd({
      volume,
      side: primary,
      secret: 'a secret of others',
      fetch: async (url, init) => {
        if (url.endsWith('/proof')) proofs++
        return (await door(new Request(url, init)))!
      },
    })
    await end.keys.give('http://mirror', wrongCode)
    const connect = () => failureOf(end.transport, 'http://mirror')
    expect(await connect()).toContain('401')
    // Nothing weaker is used instead, and the reason is the way on.
    for (let i = 0; i < 3 * codeTriesMax; i++) expect(await connect()).toContain('mirror with --pair')
    expect(proofs).toBe(1)
    await with_(bytes).begin()
  })

  test.each(['a secret of all', null])(
    'that is refused leaves the mirror at its URL without anything weaker (secret: %p), over a restart, until it is wanted so',
    async (secret) => {
      const weak = mirrorEnd({ side: other, secret }).fetchOf(taker)
      const stored = new MemoryKeys()
      const kinds: number[] = []
      const newEnd = () =>
        primaryEnd({
          volume,
          side: primary,
          secret,
          stored,
          fetch: async (url, init) => {
            if (url.endsWith(answersPath)) throw new Error('a session has begun')
            if (url.endsWith(proofPath)) kinds.push((init.body as Uint8Array)[6]!)
            return (await weak(new Request(url, init)))!
          },
        })
      let end = newEnd()
      const connect = () => failureOf(end.transport, 'http://mirror')
      await end.keys.give('http://mirror', wrongCode)
      expect(await connect()).toContain('401')
      expect(await connect()).toContain('its pairing code was not taken')
      end = newEnd()
      expect(await connect()).toContain('its pairing code was not taken')
      expect(kinds).toEqual([3])
      await end.keys.takeBack('http://mirror')
      expect(await connect()).toBe('a session has begun')
      expect(stored.kept.toPair).toEqual([])
    },
  )
})

describe('a crash', () => {
  /** A primary's end whose key file may fail, and its mirror. */
  const connectOnce = async (
    door: ReturnType<typeof codeScene>['door'],
    stored: MemoryKeys,
    code: Uint8Array | null,
    breaks = false,
  ): Promise<string> => {
    const { keys, transport } = primaryEnd({
      volume,
      side: primary,
      secret: 'a secret that the mirror does not know',
      stored,
      fetch: async (url, init) => {
        if (url.endsWith(answersPath)) throw new Error('a session has begun')
        return (await door(new Request(url, init)))!
      },
    })
    if (code) await keys.give('http://mirror', code)
    stored.isBroken = breaks
    return failureOf(transport, 'http://mirror')
  }

  test('of the primary before its key is durable: the code makes another one', async () => {
    const { door, bytes, stored } = codeScene()
    const broken = new MemoryKeys()
    expect(await connectOnce(door, broken, bytes, true)).toBe('the power went')
    expect(broken.keys.size === 0).toBe(true)
    const lost = stored.keys.get(primary)
    expect(lost).toBeDefined()
    const keys = new MemoryKeys()
    expect(await connectOnce(door, keys, bytes)).toBe('a session has begun')
    expect(keys.keys.get(mirror)).toEqual(stored.keys.get(primary))
    expect(stored.keys.get(primary)).not.toEqual(lost)
  })

  test('of the primary after its key is durable: the key is what both have', async () => {
    const { door, bytes, code } = codeScene()
    const keys = new MemoryKeys()
    expect(await connectOnce(door, keys, bytes)).toBe('a session has begun')
    code.end()
    expect(await connectOnce(door, keys, null)).toBe('a session has begun')
  })

  test('of the mirror before its key is durable: nobody has one, and nothing is proved to the primary', async () => {
    const { door, bytes, stored } = codeScene()
    stored.isBroken = true
    const keys = new MemoryKeys()
    expect(await connectOnce(door, keys, bytes)).toContain('the power went')
    expect(keys.keys.size).toBe(0)
    expect(stored.keys.size).toBe(0)
  })
})

test('a code ends with the first request of the session that it began', async () => {
  const { with_, bytes, code } = codeScene()
  const peer = await with_(bytes).begin()
  expect(code.current()).not.toBeNull()
  expect((await peer.post(answersPath)).status).toBe(200)
  expect(code.current()).toBeNull()
  await expect(with_(bytes).begin()).rejects.toThrow('401')
  expect((await peer.post(answersPath)).status).toBe(200)
})

test('a key that its primary has not used is unused over a restart; the first request of a session is its use', async () => {
  const { with_, bytes, stored, ask } = codeScene()
  await with_(bytes).begin()
  expect(stored.kept.unused).toEqual([primary])
  expect((await ask(answersPath, new Uint8Array(200))).status).toBe(401)
  expect(stored.kept.unused).toEqual([primary])
  const key = stored.keys.get(primary)!
  const again = await new Prover(ask, { volume, primary }, () => ({ keyKind: 'pair', key })).begin()
  expect(stored.kept.unused).toEqual([primary])
  expect((await again.post(answersPath)).status).toBe(200)
  expect(stored.kept.unused).toEqual([])
})

test('a mirror has the key of one pairing: the older one, and its sessions, end', async () => {
  const { with_, bytes, stored, ask } = codeScene()
  const older = someUuid(random)
  const key = random.bytes(32)
  await stored.put(older, key)
  const before = await new Prover(ask, { volume, primary: older }, () => ({ keyKind: 'pair', key })).begin()
  expect((await before.post(answersPath)).status).toBe(200)
  await with_(bytes).begin()
  expect([...stored.keys.keys()]).toEqual([primary])
  expect((await before.post(answersPath)).status).toBe(401)
  await expect(before.begin()).rejects.toThrow('401')
})

test('nothing is left of a mirror that is forgotten', async () => {
  const { keys, stored } = primaryEnd({ volume, side: primary, secret: null, stored: new MemoryKeys() })
  await keys.paired('http://mirror', { volume, primary, mirror }, random.bytes(32))
  await keys.paired('http://other', { volume, primary, mirror: other }, random.bytes(32))
  await keys.give('http://mirror', wrongCode)
  await keys.forget('http://mirror', mirror)
  expect([...stored.kept.keys.keys()]).toEqual([other])
  expect(stored.kept.toPair).toEqual([])
})

test('frames of another volume, and a hello of another side, are not taken from a session', async () => {
  const taken: string[] = []
  const { fetchOf } = mirrorEnd({ side: mirror, secret: 'a secret of all' })
  const door = fetchOf({
    ...taker,
    receive: async ({ message }) => void taken.push(message.kind),
  })
  const peer = await new Prover(askOf(door), { volume, primary }, () => ({
    keyKind: 'secret',
    key: keyOfPair('secret', encodeUtf8('a secret of all'), { primary, mirror }),
  })).begin()
  const epoch = { number: 0, id: new Uint8Array(8) }
  const head = { volume, session: volume, epoch, cp: 1, base: nowhere, number: 0 }
  const geometry = smallGeometry(32)
  const hello = { ...head, kind: 'hello', side: primary, member: noUuid, geometry } as const
  const poll = { ...head, kind: 'poll', remark: 'nothing' } as const
  const say = async (...messages: Message[]) =>
    (await peer.post(framesPath, Buffer.concat(messages.map((message) => encodeFrame(message))))).status
  for (const wrong of [
    { ...hello, volume: other },
    { ...hello, side: other },
    { ...poll, volume: other },
    { ...poll, volume: noUuid },
  ])
    expect([wrong.kind, await say(wrong)]).toEqual([wrong.kind, 401])
  expect(taken).toEqual([])
  expect(await say(hello, poll)).toBe(200)
  expect(taken).toEqual(['hello', 'poll'])
})

test("a mirror's key opens no other mirror, and no other primary has it", async () => {
  const key = random.bytes(32)
  const [stored, others] = [new MemoryKeys(), new MemoryKeys()]
  await stored.put(primary, key)
  await others.put(primary, concatBytes(key.subarray(1), key.subarray(0, 1)))
  const knock = async (side: string, keys: MemoryKeys, as: string) => {
    const ask = askOf(mirrorEnd({ side, secret: null, stored: keys }).fetchOf(taker))
    return new Prover(ask, { volume, primary: as }, () => ({ keyKind: 'pair', key })).begin()
  }
  await knock(mirror, stored, primary)
  await expect(knock(other, others, primary)).rejects.toThrow('401')
  await expect(knock(other, new MemoryKeys(), primary)).rejects.toThrow('401')
  await expect(knock(mirror, stored, someUuid(random))).rejects.toThrow('401')
  const parties = { primary, mirror }
  const material = random.bytes(20)
  const own = keyOfPair('secret', material, parties)
  expect(keyOfPair('secret', material, { primary, mirror: other })).not.toEqual(own)
  expect(keyOfPair('secret', material, { primary: other, mirror })).not.toEqual(own)
  expect(keyOfPair('secret', material, { primary: mirror, mirror: primary })).not.toEqual(own)
  expect(keyOfPair('code', material, parties)).not.toEqual(own)
})

test('nothing is proved to another mirror than the one that is expected', async () => {
  const door = mirrorEnd({ side: other, secret: 'a secret of all' }).fetchOf(taker)
  const asked: string[] = []
  const failed = Promise.withResolvers<string>()
  const { transport } = primaryEnd({
    volume,
    side: primary,
    secret: 'a secret of all',
    fetch: async (url, init) => {
      asked.push(new URL(url).pathname)
      if (url.endsWith(proofPath)) failed.resolve('it has proved itself')
      return (await door(new Request(url, init)))!
    },
  })
  const events = { take: () => null, frame: () => {}, received: () => {}, failed: failed.resolve }
  const connection = transport.connect('http://mirror', events, mirror)
  const reason = await failed.promise
  connection.close()
  expect(reason).toBe(`another mirror (${other}) answers at this address`)
  expect(asked).toEqual([introductionPath])
})
