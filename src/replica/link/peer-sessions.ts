/**
 * The mirror's end of proofs: answers introductions, takes proofs, and keeps the sessions that proofs have begun.
 *
 * - An introduction leaves nothing behind: the challenge carries all that the mirror has to know again, under a key of
 *   this process. So nobody can fill a table with introductions.
 * - A challenge is taken once, and for a short time. A process that has started anew knows no challenge and no session.
 * - Every refusal of a proof is the same one.
 */
import { createHmac } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { concatBytes, toHex, writeU64 } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import {
  type Challenge,
  type Introduction,
  type KeyKind,
  decodeIntroduction,
  decodeProof,
  encodeChallenge,
  encodeIntroduction,
  encodeProofAnswer,
  nonceBytes,
} from '../../format/wire/handshake.ts'
import type { MirrorKeys } from './peer-keys.ts'
import {
  type Handshake,
  type SessionKeys,
  isSameMac,
  lastingKeyOf,
  noChannel,
  proofOf,
  sessionOf,
} from './peer-proof.ts'
import { RequestWindow } from './request-window.ts'

/** Time from a challenge to its proof. */
export const challengeMsMax = 15_000
/** A session without a request for so long is over; a primary asks for answers every five seconds. */
export const sessionIdleMsMax = 60_000
/** A primary has one; another one is left of a connection that has just ended, or belongs to another primary. */
export const sessionsMax = 4
/** Challenges that are remembered because they were taken; each of them has cost its sender a right proof. */
export const takenChallengesMax = 256
/** Bodies of one session that are taken in at once; a primary sends three. */
export const bodiesMax = 4

export interface PeerSession extends SessionKeys {
  readonly volume: string
  readonly primary: string
  readonly keyKind: KeyKind
  readonly window: RequestWindow
  bodies: number
  heardMs: number
}

interface PeerSessionsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly side: string
  readonly keys: MirrorKeys
  /** SHA-256 of each certificate that this mirror shows. */
  readonly certificates: () => readonly Uint8Array[]
}

export const notProved = (): StillpointError =>
  new StillpointError('unauthorized', 'the other side has not proved that it belongs to this mirror')

export class PeerSessions {
  private readonly sessions = new Map<string, PeerSession>()
  /** Nonces of taken challenges, with the time from which the challenge would be too old anyway. */
  private readonly taken = new Map<string, number>()
  private readonly cookieKey: Uint8Array

  constructor(private readonly options: PeerSessionsOptions) {
    this.cookieKey = options.random.bytes(nonceBytes)
  }

  get size(): number {
    return this.sessions.size
  }

  challenge(bytes: Uint8Array): Uint8Array {
    const introduction = decodeIntroduction(bytes)
    const { clock, random, side } = this.options
    const nonce = random.bytes(nonceBytes)
    const issuedMs = Math.floor(clock.monotonic())
    const cookie = this.cookieOf(introduction, nonce, issuedMs)
    return encodeChallenge({ mirror: side, nonce, issuedMs, cookie })
  }

  /** Resolves with the answer, after the session has begun. */
  async prove(bytes: Uint8Array): Promise<Uint8Array> {
    const { introduction, challenge, keyKind, channel, proof } = decodeProof(bytes)
    const { keys, side } = this.options
    const { volume, primary, nonce } = introduction
    if (!this.isOwn(introduction, challenge) || !this.isCertificate(channel)) throw notProved()
    const parties = { volume, primary, mirror: side }
    const handshake: Handshake = {
      ...parties,
      primaryNonce: nonce,
      mirrorNonce: challenge.nonce,
      keyKind,
      channel,
    }
    const key = keys.keyFor(keyKind, parties)
    if (!key) throw notProved()
    if (!isSameMac(proof, proofOf(key, 'to the mirror', handshake))) {
      keys.failed(keyKind)
      throw notProved()
    }
    this.take(challenge)
    const lasting = keyKind === 'code' ? lastingKeyOf(key, handshake) : null
    if (lasting) await keys.paired(parties, lasting)
    if (lasting) this.endPaired()
    this.open(sessionOf(lasting ?? key, handshake), parties, keyKind)
    return encodeProofAnswer(proofOf(key, 'to the primary', handshake))
  }

  /** Null when the session is not known, or was idle for too long. */
  find(id: Uint8Array): PeerSession | null {
    const name = toHex(id)
    const session = this.sessions.get(name)
    if (!session) return null
    if (this.options.clock.monotonic() - session.heardMs <= sessionIdleMsMax) return session
    this.sessions.delete(name)
    return null
  }

  /** A request of the session had the right MAC. */
  heard(session: PeerSession): void {
    session.heardMs = this.options.clock.monotonic()
    this.options.keys.used(session.keyKind, session.primary)
  }

  /** Ends what stands on the key of a pairing: another one has taken its place. */
  private endPaired(): void {
    for (const [name, { keyKind }] of this.sessions)
      if (keyKind === 'pair' || keyKind === 'code') this.sessions.delete(name)
  }

  private open(
    keys: SessionKeys,
    { volume, primary }: Pick<PeerSession, 'volume' | 'primary'>,
    keyKind: KeyKind,
  ): void {
    const name = toHex(keys.id)
    const heardMs = this.options.clock.monotonic()
    const window = new RequestWindow()
    this.sessions.set(name, { ...keys, volume, primary, keyKind, window, bodies: 0, heardMs })
    if (this.sessions.size <= sessionsMax) return
    const [oldest] = [...this.sessions].toSorted(([, a], [, b]) => a.heardMs - b.heardMs)
    this.sessions.delete(oldest![0])
  }

  private isOwn(introduction: Introduction, { nonce, issuedMs, cookie }: Omit<Challenge, 'mirror'>): boolean {
    const ageMs = this.options.clock.monotonic() - issuedMs
    return (
      isSameMac(cookie, this.cookieOf(introduction, nonce, issuedMs)) &&
      ageMs <= challengeMsMax &&
      !this.taken.has(toHex(nonce))
    )
  }

  private isCertificate(channel: Uint8Array): boolean {
    return [noChannel, ...this.options.certificates()].some((known) => isSameMac(known, channel))
  }

  private take({ nonce, issuedMs }: Omit<Challenge, 'mirror'>): void {
    const nowMs = this.options.clock.monotonic()
    for (const [name, endMs] of this.taken) if (endMs < nowMs) this.taken.delete(name)
    if (this.taken.size >= takenChallengesMax)
      throw new StillpointError('busy', 'too many sessions have begun just now')
    this.taken.set(toHex(nonce), issuedMs + challengeMsMax)
  }

  private cookieOf(introduction: Introduction, nonce: Uint8Array, issuedMs: number): Uint8Array {
    const time = new Uint8Array(8)
    writeU64(time, 0, issuedMs)
    return createHmac('sha256', this.cookieKey)
      .update(concatBytes(encodeIntroduction(introduction), nonce, time))
      .digest()
  }
}
