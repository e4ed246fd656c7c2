/**
 * Nobody gets anything from the peers' door of a mirror without a proof: no frame is taken, and no answer leaves, at
 * whatever address and by whatever method. The addresses come from the source, so that a new one is asked, too.
 */
import { describe, expect, test } from 'bun:test'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { formatUuid, seededRandom, systemRandom } from '../../../src/lib/random.ts'
import { encodeSealedHead, sealedLayout } from '../../../src/format/wire/handshake.ts'
import { encodeFrame } from '../../../src/format/wire/frames.ts'
import { nowhere } from '../../../src/format/wire/messages.ts'
import { keyOfPair } from '../../../src/replica/link/peer-proof.ts'
import { answersPath, binaryType, framesPath } from '../../../src/replica/link/replica-paths.ts'
import type { FrameReceiver } from '../../../src/replica/link/transport.ts'
import { expectProblem } from '../../routes/harness.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { Prover, askOf, bytesOf, mirrorEnd, openAnswer } from './peers.ts'

const secret = 'a secret of the two'
const source = await Bun.file(`${import.meta.dir}/../../../src/replica/link/replica-paths.ts`).text()
const addresses = [...source.matchAll(/'(\/replica\/v[^']+)'/g)].map(([, path]) => path!)
const sealedAddresses = [framesPath, answersPath]

/** Has an answer at any time, and says what it was asked. */
class Receiver implements FrameReceiver {
  readonly asked: string[] = []
  readonly hasAnswers = true
  async receive(): Promise<void> {
    this.asked.push('receive')
  }
  takeAnswers(): Uint8Array[] {
    this.asked.push('takeAnswers')
    return [new Uint8Array(8)]
  }
  onAnswer(): () => void {
    this.asked.push('onAnswer')
    return () => {}
  }
}

const random = seededRandom(3)
const [uuid, primary, mirror] = Array.from({ length: 3 }, () => formatUuid(random.bytes(16))) as [
  string,
  string,
  string,
]
const epoch = { number: 0, id: new Uint8Array(8) }
const head = { volume: uuid, session: uuid, epoch, cp: 1, base: nowhere, number: 0 }
const poll = encodeFrame({ ...head, kind: 'poll', remark: 'nothing' })

function door(of: string | null, side = mirror) {
  const receiver = new Receiver()
  const { fetchOf, sessions } = mirrorEnd({ side, secret: of, clock: new VirtualClock() })
  const replica = fetchOf(receiver)
  return { receiver, replica, ask: askOf(replica), sessions }
}

const prover = (ask: ReturnType<typeof askOf>, kind: 'secret' | 'open', material: string) =>
  new Prover(ask, { volume: uuid, primary }, (side) => ({
    keyKind: kind,
    key: keyOfPair(kind, encodeUtf8(material), { primary, mirror: side }),
  }))

/** Bodies that carry no MAC of a session, or one that nobody made. */
const bodies: readonly Uint8Array[] = [
  new Uint8Array(0),
  poll,
  Buffer.concat([new Uint8Array(sealedLayout.bytes), poll]),
  Buffer.concat([
    encodeSealedHead({
      session: random.bytes(16),
      counter: 1,
      framesBytes: poll.length,
      mac: random.bytes(32),
      headMac: random.bytes(32),
    }),
    poll,
  ]),
]
const headers: readonly Record<string, string>[] = [
  {},
  { authorization: `Bearer ${secret}` },
  { authorization: secret },
]

test('the source has addresses', () => {
  expect(addresses).toContain('/replica/v1/frames')
  expect(addresses).toContain('/replica/v1/proof')
})

describe('without a proof', () => {
  for (const path of sealedAddresses)
    test(`${path} takes and gives nothing`, async () => {
      for (const of of [secret, null]) {
        const { receiver, ask } = door(of)
        for (const body of bodies)
          for (const given of headers) await expectProblem(ask(path, body, given), 'unauthorized')
        expect(receiver.asked).toEqual([])
      }
    })

  test('no other address and no other method does', async () => {
    const { receiver, replica } = door(secret)
    const unknown = [
      '/replica/',
      '/replica/v1',
      '/replica/v1/other',
      '/replica/v2/frames',
      '/replica/v1/x/../frames2',
    ]
    const near = addresses.flatMap((path) => [
      `${path}/`,
      `${path}/x`,
      `/replica/${path.slice(9).toUpperCase()}`,
      `${path}%20`,
    ])
    const ask = async (path: string, method: string): Promise<number> => {
      const body = method === 'GET' || method === 'HEAD' ? {} : { body: poll as Uint8Array<ArrayBuffer> }
      const init = { method, headers: { 'content-type': binaryType }, ...body }
      return (await replica(new Request(`http://mirror${path}`, init)))!.status
    }
    for (const path of [...unknown, ...near])
      for (const method of ['GET', 'POST', 'PUT', 'DELETE'])
        expect([path, method, await ask(path, method)]).toEqual([path, method, 404])
    for (const path of addresses)
      for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
        expect([path, method, await ask(path, method)]).toEqual([path, method, 405])
    expect(receiver.asked).toEqual([])
  })
})

describe('a page of a browser', () => {
  for (const path of addresses) {
    test(`${path} refuses whatever carries an Origin, and other types`, async () => {
      const { receiver, ask } = door(null)
      for (const origin of ['null', 'http://mirror', 'https://elsewhere'])
        await expectProblem(ask(path, poll, { origin }), 'forbidden')
      // These are the types that a page may send without asking first, and those that only look like the right one.
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        `${binaryType}; charset=utf-8`,
        `text/plain, ${binaryType}`,
        '',
      ])
        await expectProblem(ask(path, poll, { 'content-type': type }), 'unsupported-media-type')
      expect(receiver.asked).toEqual([])
    })
  }
})

describe('with a proof', () => {
  for (const of of [secret, null])
    for (const path of sealedAddresses)
      test(`${path} answers ${of === null ? 'everybody on loopback' : 'the other side'}`, async () => {
        const { receiver, ask } = door(of)
        const peer = await prover(ask, of === null ? 'open' : 'secret', of ?? 'open').begin()
        const answer = await bytesOf(await peer.post(path, path === framesPath ? poll : undefined))
        expect(openAnswer(peer.session, path, answer).length).toBe(8)
        expect(receiver.asked).toContain('takeAnswers')
      })

  test('a proof with another secret, another kind of key, or for another side begins nothing', async () => {
    const { ask, sessions } = door(secret)
    for (const material of [`${secret}x`, secret.slice(0, -1), secret.toUpperCase(), ''])
      await expect(prover(ask, 'secret', material).begin()).rejects.toThrow('401')
    await expect(prover(ask, 'open', 'open').begin()).rejects.toThrow('401')
    await expect(prover(door(null).ask, 'secret', secret).begin()).rejects.toThrow('401')
    const others = formatUuid(systemRandom.bytes(16))
    const asOther = new Prover(ask, { volume: uuid, primary }, () => ({
      keyKind: 'secret',
      key: keyOfPair('secret', encodeUtf8(secret), { primary, mirror: others }),
    }))
    await expect(asOther.begin()).rejects.toThrow('401')
    const asAnother = new Prover(ask, { volume: uuid, primary }, (side) => ({
      keyKind: 'secret',
      key: keyOfPair('secret', encodeUtf8(secret), { primary: others, mirror: side }),
    }))
    await expect(asAnother.begin()).rejects.toThrow('401')
    expect(sessions.size).toBe(0)
  })
})
