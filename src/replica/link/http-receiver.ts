/**
 * The mirror's end of HTTP: answers the requests under `/replica/`.
 *
 * - A browser cannot speak here: a request with an Origin is refused, and so is a body that is not declared as bytes.
 * - The head of a body is proved before the body takes a place of its session, and before the rest is waited for. Each
 *   counter of a session is taken once: a copy of a head is of no use.
 * - A body is taken in whole, and its MAC is checked, before the first frame is looked at. So a request that was recorded,
 *   cut, changed or sent to another address does nothing.
 */
import { AssertionError } from '../../lib/assert.ts'
import type { Clock } from '../../lib/clock.ts'
import { type ErrorCode, StillpointError, hasCode } from '../../lib/errors.ts'
import { type SealedHead, decodeSealedHead, sealedLayout } from '../../format/wire/handshake.ts'
import type { Message } from '../../format/wire/messages.ts'
import { FrameStream } from './frame-stream.ts'
import { beginMac, headMacOf, isSameMac, sealedHeadOf } from './peer-proof.ts'
import { type PeerSession, type PeerSessions, bodiesMax, notProved } from './peer-sessions.ts'
import * as replica from './replica-paths.ts'
import { type Stranger, Strangers } from './strangers.ts'
import type { FrameReceiver } from './transport.ts'

/** The wait is shorter than the idle timeouts of servers and proxies. */
const answerWaitMs = 5000

const { introductionPath, proofPath, framesPath, answersPath } = replica
const paths: ReadonlySet<string> = new Set([introductionPath, proofPath, framesPath, answersPath])

interface ReplicaFetchOptions {
  readonly clock: Clock
  readonly sessions: PeerSessions
  /** Name of the client of a request. */
  readonly clientOf: (request: Request) => string
  /** Called for each body that was given up because too many others have proved nothing either. */
  readonly onCrowd?: () => void
  /** Hears of each peer that was refused, in words. */
  readonly onRefused?: (what: string, request: Request) => void
  /** Makes the response for an error; `headers` go with the response. */
  readonly problem: (error: StillpointError, headers?: Readonly<Record<string, string>>) => Response
}

/** Answers requests under `/replica/`, and gives null for every other request. */
export function createReplicaFetch(
  receiver: FrameReceiver,
  { clock, sessions, problem, clientOf, onCrowd, onRefused }: ReplicaFetchOptions,
): (request: Request) => Promise<Response | null> {
  const waiting = new AnswerQueue(receiver, clock)
  const strangers = new Strangers({ clock, ...(onCrowd ? { onCrowd } : {}) })
  const refuse = (code: ErrorCode, detail: string, headers?: Readonly<Record<string, string>>): Response =>
    problem(new StillpointError(code, detail), headers)
  async function answer(request: Request, path: string): Promise<Response> {
    const stranger = strangers.enter(clientOf(request))
    const opening = new Opening(path, sessions, stranger)
    try {
      await chunksOf(request, replica.sealedBytesMax, stranger, (chunk) => opening.push(chunk))
      const { session, counter, chunks } = opening.finish()
      let answers: readonly Uint8Array[]
      if (path === answersPath) answers = await waiting.next(request.signal)
      else {
        await receive(chunks, receiver, session)
        answers = receiver.takeAnswers()
      }
      return binary(...seal(session, counter, path, answers))
    } finally {
      opening.end()
      stranger.leave()
    }
  }
  async function handshakeBody(request: Request): Promise<Uint8Array> {
    const stranger = strangers.enter(clientOf(request))
    try {
      return Buffer.concat(await chunksOf(request, replica.handshakeBytesMax, stranger, () => {}))
    } finally {
      stranger.leave()
    }
  }
  return async (request) => {
    const { pathname } = new URL(request.url)
    if (!pathname.startsWith('/replica/')) return null
    if (!paths.has(pathname)) return refuse('not-found', 'there is no such address')
    if (request.method !== 'POST') return refuse('method-not-allowed', 'only POST', { Allow: 'POST' })
    if (request.headers.has('origin')) return refuse('forbidden', 'no page of a browser may speak here')
    if (request.headers.get('content-type') !== replica.binaryType)
      return refuse('unsupported-media-type', `only ${replica.binaryType}`)
    try {
      if (pathname === introductionPath) return binary(sessions.challenge(await handshakeBody(request)))
      if (pathname === proofPath) return binary(await sessions.prove(await handshakeBody(request)))
      return await answer(request, pathname)
    } catch (error) {
      if (hasCode(error, 'corrupt')) return refuse('bad-parameter', error.message)
      if (hasCode(error, 'unauthorized')) onRefused?.('a peer that has proved nothing', request)
      if (isAnswer(error)) return problem(error)
      throw error
    }
  }
}

class Refused extends StillpointError {}

const isAnswer = (error: unknown): error is StillpointError =>
  error instanceof Refused ||
  hasCode(error, 'unauthorized') ||
  hasCode(error, 'bad-parameter') ||
  hasCode(error, 'busy') ||
  hasCode(error, 'internal')

/** Hands each chunk on as the chunk arrives. The body is given up when its time as a stranger is over. */
async function chunksOf(
  request: Request,
  bytesMax: number,
  stranger: Stranger,
  onChunk: (chunk: Uint8Array) => void,
): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  const body: ReadableStream<Uint8Array> | null = request.body
  if (!body) return chunks
  const reader = body.getReader()
  const over = stranger.over.then((error) => ({ error }))
  let isWhole = false
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), over])
      if ('error' in next) throw next.error
      if (next.done) break
      bytes += next.value.length
      if (bytes > bytesMax) throw new Refused('too-large', 'the request is too long')
      onChunk(next.value)
      chunks.push(next.value)
    }
    isWhole = true
    return chunks
  } catch (error) {
    if (error instanceof StillpointError || error instanceof AssertionError) throw error
    throw new Refused('bad-parameter', 'the request was cut')
  } finally {
    if (!isWhole) reader.cancel().catch(() => {})
  }
}

interface OpenedBody {
  readonly session: PeerSession
  readonly counter: number
  /** The frames. */
  readonly chunks: readonly Uint8Array[]
}

/**
 * One body on its way in. The head is read as soon as the head is there, and nothing more is taken in when its MAC is
 * wrong. Only then is the body no stranger any more, and takes one of the places of its session until it has been answered.
 */
class Opening {
  private head = new Uint8Array(0)
  private found: { readonly session: PeerSession; readonly head: SealedHead } | null = null
  private hash: ReturnType<typeof beginMac> | null = null
  private bytes = 0
  private readonly chunks: Uint8Array[] = []

  constructor(
    private readonly path: string,
    private readonly sessions: PeerSessions,
    private readonly stranger: Stranger,
  ) {}

  push(chunk: Uint8Array): void {
    if (this.hash) return this.add(chunk)
    this.head = Buffer.concat([this.head, chunk])
    if (this.head.length < sealedLayout.bytes) return
    const { session, head } = this.prove()
    if (head.framesBytes + sealedLayout.bytes > replica.sealedBytesMax)
      throw new Refused('too-large', 'the request is too long')
    if (session.bodies >= bodiesMax)
      throw new StillpointError('busy', `at most ${bodiesMax} bodies of a session at once`)
    session.bodies++
    this.stranger.leave()
    this.found = { session, head }
    this.hash = beginMac(session, 'to the mirror', head.counter, this.path)
    this.add(this.head.subarray(sealedLayout.bytes))
  }

  private prove(): { readonly session: PeerSession; readonly head: SealedHead } {
    const session = this.sessions.find(this.head.subarray(0, sealedLayout.size.session))
    if (!session) throw notProved()
    const head = decodeSealedHead(this.head)
    const expected = headMacOf(session, 'to the mirror', head, this.path)
    // The MAC is checked first: a head with a wrong one must not use up a counter.
    if (!isSameMac(head.headMac, expected) || !session.window.take(head.counter)) throw notProved()
    return { session, head }
  }

  private add(chunk: Uint8Array): void {
    this.bytes += chunk.length
    if (this.bytes > this.found!.head.framesBytes) throw notProved()
    this.hash!.update(chunk)
    this.chunks.push(chunk)
  }

  finish(): OpenedBody {
    const { found, hash, chunks } = this
    if (!found || !hash) throw notProved()
    const { session, head } = found
    if (this.bytes !== head.framesBytes || !isSameMac(head.mac, hash.digest())) throw notProved()
    this.sessions.heard(session)
    return { session, counter: head.counter, chunks }
  }

  end(): void {
    if (this.found) this.found.session.bodies--
  }
}

async function receive(
  chunks: readonly Uint8Array[],
  receiver: FrameReceiver,
  session: PeerSession,
): Promise<void> {
  const stream = new FrameStream()
  for (const chunk of chunks)
    for (const frame of stream.push(chunk)) {
      if (speaksForAnother(frame.message, session)) throw notProved()
      await receiver.receive(frame)
    }
  if (!stream.isAtBoundary) throw new Refused('bad-parameter', 'the last frame was cut')
}

/** A session brings frames of the volume, and a hello of the side, that its proof was about. */
const speaksForAnother = (message: Message, { volume, primary }: PeerSession): boolean =>
  message.volume !== volume || (message.kind === 'hello' && message.side !== primary)

const seal = (
  session: PeerSession,
  counter: number,
  path: string,
  answers: readonly Uint8Array[],
): readonly Uint8Array[] => [sealedHeadOf(session, 'to the primary', counter, path, answers), ...answers]

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

const binary = (...parts: readonly Uint8Array[]): Response =>
  new Response(Buffer.concat(parts), { headers: { 'content-type': replica.binaryType } })
