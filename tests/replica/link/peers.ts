/** Both ends of proofs for tests: keys in memory, a mirror's door on any receiver, and a primary's end by hand. */
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { type Random, formatUuid, systemRandom } from '../../../src/lib/random.ts'
import {
  decodeChallenge,
  decodeProofAnswer,
  decodeSealedHead,
  encodeIntroduction,
  encodeProof,
  nonceBytes,
  sealedLayout,
} from '../../../src/format/wire/handshake.ts'
import { createReplicaFetch } from '../../../src/replica/link/http-receiver.ts'
import { HttpTransport, type HttpTransportOptions } from '../../../src/replica/link/http-transport.ts'
import type { PairingCode } from '../../../src/replica/link/pairing-code.ts'
import {
  type KeptKeys,
  MirrorKeyRing,
  PrimaryKeyRing,
  type StoredKeys,
} from '../../../src/replica/link/peer-keys.ts'
import {
  type Handshake,
  type SessionKeys,
  lastingKeyOf,
  noChannel,
  proofOf,
  sealedHeadOf,
  sessionOf,
} from '../../../src/replica/link/peer-proof.ts'
import { PeerSessions } from '../../../src/replica/link/peer-sessions.ts'
import { binaryType, introductionPath, proofPath } from '../../../src/replica/link/replica-paths.ts'
import type { FrameReceiver } from '../../../src/replica/link/transport.ts'
import { problem } from '../../../src/routes/http/problem.ts'

/** Takes whatever comes, and has answers, without one in them. */
export const taker: FrameReceiver = {
  receive: () => Promise.resolve(),
  hasAnswers: true,
  takeAnswers: () => [],
  onAnswer: () => () => {},
}

/** Connects with nothing to say; resolves with the reason for which the connection has failed. */
export function failureOf(transport: HttpTransport, url: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  transport.connect(url, { take: () => null, frame: () => {}, received: () => {}, failed: resolve }, null)
  return promise
}

export class MemoryKeys implements StoredKeys {
  kept: KeptKeys = { keys: new Map(), toPair: [], unused: [] }
  /** The power goes instead of the next changes. */
  isBroken = false
  get keys(): KeptKeys['keys'] {
    return this.kept.keys
  }
  async change(edit: (kept: KeptKeys) => KeptKeys): Promise<void> {
    if (this.isBroken) throw new Error('the power went')
    this.kept = edit(this.kept)
  }
  put(side: string, key: Uint8Array): Promise<void> {
    return this.change((kept) => ({ ...kept, keys: new Map([...kept.keys, [side, key]]) }))
  }
}

/** Names the client of a request that comes by no socket. */
export const fromHeader = 'x-from'
const clientOf = (request: Request): string => request.headers.get(fromHeader) ?? ''

interface MirrorEnd {
  readonly side: string
  /** Null: open, as on loopback. */
  readonly secret: string | null
  readonly clock?: Clock
  readonly random?: Random
  readonly stored?: StoredKeys
  readonly code?: PairingCode | null
  readonly isOnLoopback?: boolean
  readonly certificates?: readonly Uint8Array[]
}

export function mirrorEnd({ side, secret, ...end }: MirrorEnd) {
  const { clock = systemClock, random = systemRandom, stored = new MemoryKeys(), code = null } = end
  const keys = new MirrorKeyRing({ secret, stored, code, isOnLoopback: end.isOnLoopback ?? true })
  const sessions = new PeerSessions({
    clock,
    random,
    side,
    keys,
    certificates: () => end.certificates ?? [],
  })
  const fetchOf = (receiver: FrameReceiver) =>
    createReplicaFetch(receiver, { clock, sessions, problem, clientOf })
  return { sessions, stored, fetchOf }
}

interface PrimaryEnd extends Partial<HttpTransportOptions> {
  readonly volume: string
  readonly side: string
  readonly secret: string | null
  readonly stored?: StoredKeys
}

export function primaryEnd({ secret, stored = new MemoryKeys(), ...rest }: PrimaryEnd) {
  const keys = new PrimaryKeyRing({ secret, stored, isOpen: () => secret === null })
  const transport = new HttpTransport({ clock: systemClock, random: systemRandom, keys, ...rest })
  return { keys, stored, transport }
}

export type Ask = (path: string, body: Uint8Array, headers?: Record<string, string>) => Promise<Response>

/** Asks an address. */
export const askAt =
  (url: string): Ask =>
  (path, body, headers = {}) =>
    fetch(url + path, {
      method: 'POST',
      body: body as Uint8Array<ArrayBuffer>,
      headers: { 'content-type': binaryType, ...headers },
    })

/** Asks the function of a door. */
export const askOf =
  (door: (request: Request) => Promise<Response | null>): Ask =>
  async (path, body, headers = {}) =>
    (await door(
      new Request(`http://mirror${path}`, {
        method: 'POST',
        body: body as Uint8Array<ArrayBuffer>,
        headers: { 'content-type': binaryType, ...headers },
      }),
    ))!

export const bytesOf = async (answer: Response): Promise<Uint8Array> => {
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`)
  return answer.bytes()
}

/** A primary's end without a primary: what it says is what a test wants said. */
export class Prover {
  session!: SessionKeys
  /** What was sent for the session that was begun last. */
  proof!: Uint8Array
  private counter = 0

  constructor(
    private readonly ask: Ask,
    private readonly parties: { readonly volume: string; readonly primary: string },
    private readonly keyOf: (mirror: string) => Pick<Handshake, 'keyKind'> & { readonly key: Uint8Array },
  ) {}

  async begin(): Promise<this> {
    const introduction = { ...this.parties, nonce: systemRandom.bytes(nonceBytes) }
    const challenge = decodeChallenge(
      await bytesOf(await this.ask(introductionPath, encodeIntroduction(introduction))),
    )
    const { key, keyKind } = this.keyOf(challenge.mirror)
    const handshake: Handshake = {
      ...this.parties,
      mirror: challenge.mirror,
      primaryNonce: introduction.nonce,
      mirrorNonce: challenge.nonce,
      keyKind,
      channel: noChannel,
    }
    const proof = proofOf(key, 'to the mirror', handshake)
    this.proof = encodeProof({ introduction, challenge, keyKind, channel: noChannel, proof })
    const answer = decodeProofAnswer(await bytesOf(await this.ask(proofPath, this.proof)))
    if (!Buffer.from(answer).equals(proofOf(key, 'to the primary', handshake))) throw new Error('no proof')
    this.session = sessionOf(keyKind === 'code' ? lastingKeyOf(key, handshake) : key, handshake)
    this.counter = 0
    return this
  }

  sealed(path: string, body: Uint8Array = new Uint8Array(0), counter = ++this.counter): Uint8Array {
    return Buffer.concat([sealedHeadOf(this.session, 'to the mirror', counter, path, [body]), body])
  }

  post(path: string, body?: Uint8Array): Promise<Response> {
    return this.ask(path, this.sealed(path, body))
  }
}

/** The frames of an answer whose MAC is right. */
export function openAnswer(session: SessionKeys, path: string, answer: Uint8Array): Uint8Array {
  const { counter } = decodeSealedHead(answer)
  const body = answer.subarray(sealedLayout.bytes)
  const expected = sealedHeadOf(session, 'to the primary', counter, path, [body])
  if (!Buffer.from(answer.subarray(0, sealedLayout.bytes)).equals(expected))
    throw new Error('the MAC of the answer is wrong')
  return body
}

/** An answer as a mirror gives it. */
export function sealedAnswer(
  session: SessionKeys,
  path: string,
  request: Uint8Array,
  body: Uint8Array,
): Uint8Array {
  const { counter } = decodeSealedHead(request)
  return Buffer.concat([sealedHeadOf(session, 'to the primary', counter, path, [body]), body])
}

export const someUuid = (random: Random): string => formatUuid(random.bytes(16))
