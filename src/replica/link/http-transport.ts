/**
 * The primary's end of HTTP: proves itself to a mirror, lets the mirror prove itself, and then exchanges frames.
 *
 * The primary POSTs batches to `/replica/v1/frames`, two in flight, and keeps one POST to `/replica/v1/answers`
 * waiting. The mirror answers both kinds of request with all the frames that it has to send. So the mirror needs no
 * way to the primary, and an answer that is lost with its connection is given again after the next hello.
 *
 * - No secret leaves this process, and no frame leaves before the mirror has proved itself.
 * - Every answer carries a MAC over its session, its request, its address and its body. The connection checks the
 *   MAC before it looks at a frame: nothing that anybody else says reaches the primary.
 */
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { Breaks } from '../../lib/breaks.ts'
import {
  type Challenge,
  type Introduction,
  decodeChallenge,
  decodeProofAnswer,
  encodeIntroduction,
  encodeProof,
  nonceBytes,
  sealedLayout,
} from '../../format/wire/handshake.ts'
import type { Message } from '../../format/wire/messages.ts'
import { type Channel, isTls, openly, pinnedChannel } from './channel.ts'
import { FrameStream } from './frame-stream.ts'
import type { PrimaryKeys } from './peer-keys.ts'
import {
  type Handshake,
  type SessionKeys,
  isSameMac,
  lastingKeyOf,
  proofOf,
  sealedHeadOf,
  sessionOf,
} from './peer-proof.ts'
import * as replica from './replica-paths.ts'
import type { Connection, ConnectionEvents, ReplicaTransport } from './transport.ts'

const requestsInFlightMax = 2
const requestMsMax = 30_000

interface PostOptions {
  readonly answerBytesMax?: number
  /** The other end takes no proof like this one. */
  readonly onRefused?: () => void
}

export interface HttpTransportOptions {
  readonly clock: Clock
  readonly random: Random
  /** Volume UUID. */
  readonly volume: string
  /** The primary's side UUID. */
  readonly side: string
  readonly keys: PrimaryKeys
  readonly fetch?: (url: string, init: BunFetchRequestInit) => Promise<Response>
}

export class HttpTransport implements ReplicaTransport {
  constructor(private readonly options: HttpTransportOptions) {}

  connect(url: string, events: ConnectionEvents, member: string | null): Connection {
    return new HttpConnection(url, events, member, this.options)
  }
}

interface Introduced {
  readonly introduction: Introduction
  readonly challenge: Challenge
}

/** A session that both proofs have begun. */
interface Proved extends SessionKeys {
  /** The mirror's side UUID. */
  readonly mirror: string
}

class HttpConnection implements Connection {
  private readonly abort = new AbortController()
  private channel: Channel = openly
  private proved: Proved | null = null
  private counter = 0
  private inFlight = 0
  private isOver = false

  constructor(
    private readonly url: string,
    private readonly events: ConnectionEvents,
    private readonly member: string | null,
    private readonly options: HttpTransportOptions,
  ) {
    this.begin().catch((error: unknown) => this.fail(error))
  }

  wake(): void {
    const { proved } = this
    if (this.isOver || !proved || this.inFlight >= requestsInFlightMax) return
    this.inFlight++
    this.pump(proved)
      .catch((error: unknown) => this.fail(error))
      .finally(() => this.inFlight--)
  }

  close(): void {
    this.isOver = true
    this.abort.abort()
  }

  private async begin(): Promise<void> {
    await Promise.resolve()
    const proved = await this.prove()
    if (this.isOver) return
    this.proved = proved
    this.wake()
    while (!this.isOver) await this.hear(await this.exchange(proved, replica.answersPath, []), proved)
  }

  private async pump(proved: Proved): Promise<void> {
    // The pump starts a moment later: frames that the caller queues meanwhile go along, and `wake` itself calls no
    // event.
    await Promise.resolve()
    for (;;) {
      const batch = this.isOver ? null : this.events.take()
      if (!batch) return
      const answers = await this.exchange(proved, replica.framesPath, batch.parts)
      if (this.isOver) return
      this.events.received()
      await this.hear(answers, proved)
      // Frames behind a barrier may leave now, also through the other request.
      this.wake()
    }
  }

  private async hear(answers: Uint8Array, { mirror }: Proved): Promise<void> {
    const frames = new FrameStream()
    const breaks = new Breaks(this.options.clock)
    for (let at = 0; at < answers.length; at += replica.bytesPerBreak) {
      for (const { message } of frames.push(answers.subarray(at, at + replica.bytesPerBreak))) {
        if (this.isOver) return
        if (speaksForAnother(message, mirror)) throw new Error(`the mirror ${mirror} speaks for another one`)
        this.events.frame(message)
        await breaks.maybe()
      }
      await breaks.maybe()
    }
  }

  // --- Proofs ---

  private async prove(): Promise<Proved> {
    const { keys, volume, side } = this.options
    const { introduction, challenge } = await this.introduce()
    // Nothing is proved to another side, which may take less for a proof than the member does.
    if (this.member !== null && challenge.mirror !== this.member)
      throw new Error(`another mirror (${challenge.mirror}) answers at this address`)
    const parties = { volume, primary: side, mirror: challenge.mirror }
    const found = keys.keyFor(this.url, parties)
    if (!found) throw new Error(keys.lackAt(this.url))
    const { kind, key } = found
    const handshake: Handshake = {
      ...parties,
      primaryNonce: introduction.nonce,
      mirrorNonce: challenge.nonce,
      keyKind: kind,
      channel: this.channel.binding,
    }
    const proof = proofOf(key, 'to the mirror', handshake)
    const channel = this.channel.binding
    const message = encodeProof({ introduction, challenge, keyKind: kind, channel, proof })
    const answer = await this.post(replica.proofPath, [message], {
      answerBytesMax: replica.handshakeBytesMax,
      onRefused: () => keys.refused(this.url, kind),
    })
    if (!isSameMac(decodeProofAnswer(answer), proofOf(key, 'to the primary', handshake)))
      throw new Error('the mirror does not prove that it has the key of this pair')
    const lasting = kind === 'code' ? lastingKeyOf(key, handshake) : null
    // A member that was removed meanwhile leaves no key behind.
    if (this.isOver) throw new Error('the connection was closed')
    if (lasting) await keys.paired(this.url, parties, lasting)
    return { ...sessionOf(lasting ?? key, handshake), mirror: challenge.mirror }
  }

  /** Where the system does not vouch for a certificate, the certificate is pinned, and the proofs vouch for it. */
  private async introduce(): Promise<Introduced> {
    if (!isTls(this.url)) return this.ask()
    try {
      return await this.ask()
    } catch (error) {
      if (this.isOver) throw error
      this.channel = await this.inTime((signal) => pinnedChannel(this.url, signal))
      return this.ask()
    }
  }

  private async ask(): Promise<Introduced> {
    const { volume, side, random } = this.options
    const introduction: Introduction = { volume, primary: side, nonce: random.bytes(nonceBytes) }
    const answer = await this.post(replica.introductionPath, [encodeIntroduction(introduction)], {
      answerBytesMax: replica.handshakeBytesMax,
    })
    return { introduction, challenge: decodeChallenge(answer) }
  }

  // --- Requests ---

  /** Sends a body with its MAC, and gives the body of the answer when the answer has its own. */
  private async exchange(
    session: SessionKeys,
    path: string,
    parts: readonly Uint8Array[],
  ): Promise<Uint8Array> {
    const counter = ++this.counter
    const head = sealedHeadOf(session, 'to the mirror', counter, path, parts)
    const answer = await this.post(path, [head, ...parts])
    const body = answer.subarray(sealedLayout.bytes)
    const expected = sealedHeadOf(session, 'to the primary', counter, path, [body])
    if (!isSameMac(answer.subarray(0, sealedLayout.bytes), expected))
      throw new Error('the MAC of an answer is wrong')
    return body
  }

  private async post(
    path: string,
    parts: readonly Uint8Array[],
    { answerBytesMax = replica.sealedBytesMax, onRefused }: PostOptions = {},
  ): Promise<Uint8Array> {
    const { fetch: send = fetch } = this.options
    return this.inTime(async (signal) => {
      const response = await send(this.url + path, {
        method: 'POST',
        body: Buffer.concat(parts),
        headers: { 'content-type': replica.binaryType },
        signal,
        redirect: 'error',
        ...(this.channel.tls ? { tls: this.channel.tls } : {}),
      })
      if (response.status !== 200) {
        await response.body?.cancel()
        if (response.status === 401) onRefused?.()
        throw new Error(refusals[response.status] ?? `it answers ${response.status}`)
      }
      return readLimited(response.body, answerBytesMax)
    })
  }

  /** Gives up work that takes too long, or whose connection ends. All of an answer is such work, also its body. */
  private async inTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const ended = this.abort.signal
    ended.throwIfAborted()
    const giving = new AbortController()
    const stop = () => giving.abort()
    const cancel = this.options.clock.after(requestMsMax, stop)
    ended.addEventListener('abort', stop)
    try {
      return await work(giving.signal)
    } finally {
      cancel()
      ended.removeEventListener('abort', stop)
    }
  }

  private fail(error: unknown): void {
    if (this.isOver) return
    this.close()
    this.events.failed(reasonOf(error))
  }
}

/** A mirror proves which side it is, and may name no other one. */
const speaksForAnother = (message: Message, mirror: string): boolean =>
  (message.kind === 'hello-answer' || message.kind === 'report') && message.side !== mirror

const refusals: Readonly<Record<number, string>> = {
  401: 'it does not know this primary, or has another key (401)',
  404: 'no mirror answers at this address (404)',
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? error.code : null
  return code === 'ConnectionRefused' || code === 'ECONNREFUSED'
    ? 'nobody listens at this address'
    : error.message
}

async function readLimited(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
