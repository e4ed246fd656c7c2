/** Codes and keys of pairs: what ends a code, both orders of a crash, and a key that opens one mirror alone. */
import { describe, expect, test } from 'bun:test'
import { concatBytes } from '../../../src/lib/bytes.ts'
import { formatUuid, seededRandom, systemRandom } from '../../../src/lib/random.ts'
import {
  PairingCode,
  codeMsMax,
  codeTriesMax,
  formatCode,
  parseCode,
} from '../../../src/replica/link/pairing-code.ts'
import { keyOfPair } from '../../../src/replica/link/peer-proof.ts'
import { answersPath, introductionPath, proofPath } from '../../../src/replica/link/replica-paths.ts'
import type { FrameReceiver } from '../../../src/replica/link/transport.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { MemoryKeys, Prover, askOf, mirrorEnd, primaryEnd, someUuid } from './peers.ts'

const random = seededRandom(8)
const [volume, primary, mirror, other] = Array.from({ length: 4 }, () => formatUuid(random.bytes(16))) as [
  string,
  string,
  string,
  string,
]

const receiver: FrameReceiver = {
  receive: async () => {},
  hasAnswers: true,
  takeAnswers: () => [],
  onAnswer: () => () => {},
}

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
  const ask = askOf(fetchOf(receiver))
  const with_ = (material: Uint8Array) =>
    new Prover(ask, { volume, primary }, (side) => ({
      keyKind: 'code',
      key: keyOfPair('code', material, { primary, mirror: side }),
    }))
  return { clock, code, bytes, stored, ask, sessions, with_, door: fetchOf(receiver) }
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
    expect(late.stored.isEmpty).toBe(true)
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
    end.keys.give('http://mirror', wrongCode)
    const connect = async () => {
      const failed = Promise.withResolvers<string>()
      end.transport.connect(
        'http://mirror',
        {
          take: () => null,
          frame: () => {},
          received: () => {},
          failed: failed.resolve,
        },
        null,
      )
      return failed.promise
    }
    for (let i = 0; i < 3 * codeTriesMax; i++) expect(await connect()).toContain('401')
    expect(proofs).toBe(3 * codeTriesMax)
    await with_(bytes).begin()
  })
})

describe('a crash', () => {
  /** A primary's end whose key file may fail, and its mirror. */
  const connectOnce = async (
    door: ReturnType<typeof codeScene>['door'],
    stored: MemoryKeys,
    code: Uint8Array | null,
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
    if (code) keys.give('http://mirror', code)
    const failed = Promise.withResolvers<string>()
    transport.connect(
      'http://mirror',
      {
        take: () => null,
        frame: () => {},
        received: () => {},
        failed: failed.resolve,
      },
      null,
    )
    return failed.promise
  }

  test('of the primary before its key is durable: the code makes another one', async () => {
    const { door, bytes, stored } = codeScene()
    const broken = new MemoryKeys()
    broken.put = () => Promise.reject(new Error('the power went'))
    expect(await connectOnce(door, broken, bytes)).toBe('the power went')
    expect(broken.isEmpty).toBe(true)
    const lost = stored.get(primary)
    expect(lost).not.toBeNull()
    const keys = new MemoryKeys()
    expect(await connectOnce(door, keys, bytes)).toBe('a session has begun')
    expect(keys.get(mirror)).toEqual(stored.get(primary))
    expect(stored.get(primary)).not.toEqual(lost)
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
    stored.put = () => Promise.reject(new Error('the power went'))
    const keys = new MemoryKeys()
    expect(await connectOnce(door, keys, bytes)).toContain('the power went')
    expect(keys.isEmpty).toBe(true)
    expect(stored.isEmpty).toBe(true)
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

test("a mirror's key opens no other mirror, and no other primary has it", async () => {
  const key = random.bytes(32)
  const [stored, others] = [new MemoryKeys(), new MemoryKeys()]
  await stored.put(primary, key)
  await others.put(primary, concatBytes(key.subarray(1), key.subarray(0, 1)))
  const knock = async (side: string, keys: MemoryKeys, as: string) => {
    const ask = askOf(mirrorEnd({ side, secret: null, stored: keys }).fetchOf(receiver))
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
  const door = mirrorEnd({ side: other, secret: 'a secret of all' }).fetchOf(receiver)
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
