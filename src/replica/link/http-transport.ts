/**
 * Sends and receives frames over HTTP; no other file of this folder knows HTTP.
 *
 * The primary POSTs batches to `/replica/v1/frames`, two in flight, and keeps one POST to `/replica/v1/answers`
 * waiting. The mirror answers both kinds of request with all the frames that it has to send. So the mirror needs no
 * way to the primary, and an answer that is lost with its connection is given again after the next hello.
 */
import { timingSafeEqual } from 'node:crypto'
import { AssertionError } from '../../lib/assert.ts'
import type { Clock } from '../../lib/clock.ts'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { sha256 } from '../../lib/checksum.ts'
import { type ErrorCode, StillpointError, hasCode } from '../../lib/errors.ts'
import { Breaks } from '../../lib/breaks.ts'
import { FrameStream } from './frame-stream.ts'
import type { Connection, ConnectionEvents, FrameReceiver, ReplicaTransport } from './transport.ts'

const framesPath = '/replica/v1/frames'
const answersPath = '/replica/v1/answers'
const requestsInFlightMax = 2
/** Limit for a request, in bytes: a batch and one more frame fit. */
const requestBytesMax = 16 * 2 ** 20
const answerBytesMax = 16 * 2 ** 20
/** The wait is shorter than the idle timeouts of servers and proxies. */
const answerWaitMs = 5000
const requestMsMax = 30_000
/** Bytes of an answer that are searched for frames without a break. */
const lookedThroughBytes = 64 * 1024

interface HttpTransportOptions {
  readonly clock: Clock
  /** The shared secret of both sides; null on loopback. */
  readonly secret: string | null
}

export class HttpTransport implements ReplicaTransport {
  constructor(private readonly options: HttpTransportOptions) {}

  connect(url: string, events: ConnectionEvents): Connection {
    return new HttpConnection(url, events, this.options)
  }
}

class HttpConnection implements Connection {
  private readonly abort = new AbortController()
  private inFlight = 0
  private isOver = false

  constructor(
    private readonly url: string,
    private readonly events: ConnectionEvents,
    private readonly options: HttpTransportOptions,
  ) {
    this.listen().catch((error: unknown) => this.fail(error))
  }

  wake(): void {
    if (this.isOver || this.inFlight >= requestsInFlightMax) return
    this.inFlight++
    this.pump()
      .catch((error: unknown) => this.fail(error))
      .finally(() => this.inFlight--)
  }

  close(): void {
    this.isOver = true
    this.abort.abort()
  }

  private async pump(): Promise<void> {
    // The pump starts a moment later: frames that the caller queues meanwhile go along, and `wake` itself calls no
    // event.
    await Promise.resolve()
    for (;;) {
      const batch = this.isOver ? null : this.events.take()
      if (!batch) return
      const answers = await this.post(framesPath, Buffer.concat(batch.parts))
      if (this.isOver) return
      this.events.received()
      await this.hear(answers)
      // Frames behind a barrier may leave now, also through the other request.
      this.wake()
    }
  }

  private async listen(): Promise<void> {
    await Promise.resolve()
    while (!this.isOver) await this.hear(await this.post(answersPath, null))
  }

  private async hear(answers: Uint8Array): Promise<void> {
    const frames = new FrameStream()
    const breaks = new Breaks(this.options.clock)
    for (let at = 0; at < answers.length; at += lookedThroughBytes) {
      for (const { message } of frames.push(answers.subarray(at, at + lookedThroughBytes))) {
        if (this.isOver) return
        this.events.frame(message)
        await breaks.maybe()
      }
      await breaks.maybe()
    }
  }

  private async post(path: string, body: Uint8Array<ArrayBuffer> | null): Promise<Uint8Array> {
    const request = new AbortController()
    const stop = () => request.abort()
    const cancel = this.options.clock.after(requestMsMax, stop)
    this.abort.signal.addEventListener('abort', stop)
    try {
      const response = await fetch(this.url + path, {
        method: 'POST',
        body,
        headers: headersOf(this.options.secret),
        signal: request.signal,
        redirect: 'error',
      })
      if (response.status !== 200) {
        await response.body?.cancel()
        throw new Error(refusals[response.status] ?? `it answers ${response.status}`)
      }
      return await readLimited(response.body, answerBytesMax)
    } finally {
      cancel()
      this.abort.signal.removeEventListener('abort', stop)
    }
  }

  private fail(error: unknown): void {
    if (this.isOver) return
    this.close()
    this.events.failed(reasonOf(error))
  }
}

const refusals: Readonly<Record<number, string>> = {
  401: 'it has another secret (401)',
  404: 'no mirror answers at this address (404)',
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? error.code : null
  return code === 'ConnectionRefused' || code === 'ECONNREFUSED'
    ? 'nobody listens at this address'
    : error.message
}

function headersOf(secret: string | null): Record<string, string> {
  const type = { 'content-type': 'application/octet-stream' }
  return secret === null ? type : { ...type, authorization: `Bearer ${secret}` }
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

interface ReplicaFetchOptions {
  readonly clock: Clock
  /** Null means that every client is believed; the server then listens on loopback only. */
  readonly secret: string | null
  /** Makes the response for an error; `headers` go with the response. */
  readonly problem: (error: StillpointError, headers?: Readonly<Record<string, string>>) => Response
  /** Hears of each peer that was refused, in words. */
  readonly onRefused?: (what: string) => void
}

/** The mirror's side: answers requests under `/replica/`, and gives null for every other request. */
export function createReplicaFetch(
  receiver: FrameReceiver,
  options: ReplicaFetchOptions,
): (request: Request) => Promise<Response | null> {
  const waiting = new AnswerQueue(receiver, options.clock)
  const expected = options.secret === null ? null : sha256(encodeUtf8(`Bearer ${options.secret}`))
  const refuse = (code: ErrorCode, detail: string, headers?: Readonly<Record<string, string>>): Response =>
    options.problem(new StillpointError(code, detail), headers)
  return async (request) => {
    const { pathname } = new URL(request.url)
    if (!pathname.startsWith('/replica/')) return null
    const isKnown = pathname === framesPath || pathname === answersPath
    if (!isKnown) return refuse('not-found', 'there is no such address')
    if (request.method !== 'POST') return refuse('method-not-allowed', 'only POST', { Allow: 'POST' })
    if (expected) {
      const given = sha256(encodeUtf8(request.headers.get('authorization') ?? ''))
      // All hashes have one length, so the comparison tells nothing about the length of the secret.
      if (!timingSafeEqual(given, expected)) {
        options.onRefused?.('a peer without the shared secret')
        return refuse('unauthorized', 'the shared secret is needed')
      }
    }
    if (pathname === answersPath) return frames(await waiting.next(request.signal))
    const refusal = await receive(request, receiver)
    return refusal ? options.problem(refusal) : frames(receiver.takeAnswers())
  }
}

const cut = (detail: string): StillpointError => new StillpointError('bad-parameter', detail)
const noChunks: readonly Uint8Array[] = []

async function receive(request: Request, receiver: FrameReceiver): Promise<StillpointError | null> {
  const stream = new FrameStream()
  let bytes = 0
  try {
    const body: AsyncIterable<Uint8Array> | null = request.body
    for await (const chunk of body ?? noChunks) {
      bytes += chunk.length
      if (bytes > requestBytesMax) return new StillpointError('too-large', 'the request is too long')
      for (const frame of stream.push(chunk)) await receiver.receive(frame)
    }
  } catch (error) {
    // After a damaged frame the frames before it count, and the primary begins a new session.
    if (hasCode(error, 'corrupt')) return cut(error.message)
    if (error instanceof StillpointError || error instanceof AssertionError) throw error
    return cut('the request was cut')
  }
  return stream.isAtBoundary ? null : cut('the last frame was cut')
}

/**
 * At most one request waits for answers. The next request takes the place of the waiting one, because the old
 * connection may be dead.
 */
class AnswerQueue {
  private endWait: (() => void) | null = null

  constructor(
    private readonly receiver: FrameReceiver,
    private readonly clock: Clock,
  ) {}

  async next(signal: AbortSignal): Promise<Uint8Array[]> {
    this.endWait?.()
    if (!this.receiver.hasAnswers) {
      const isReplaced = await new Promise<boolean>((resolve) => {
        const end = (replaced: boolean) => {
          stopListening()
          cancel()
          if (this.endWait === replace) this.endWait = null
          resolve(replaced)
        }
        const replace = () => end(true)
        const stopListening = this.receiver.onAnswer(() => end(false))
        const cancel = this.clock.after(answerWaitMs, () => end(false))
        signal.addEventListener('abort', replace, { once: true })
        this.endWait = replace
      })
      if (isReplaced) return []
    }
    return this.receiver.takeAnswers()
  }
}

const frames = (answers: readonly Uint8Array[]): Response =>
  new Response(Buffer.concat(answers), { headers: { 'content-type': 'application/octet-stream' } })
