/**
 * Memory and work that requests share beyond their number: bodies that arrive, long answers that leave, consistency
 * points that are forced. Each has a bound in all and a share for each client.
 */
import type { Clock } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import { Pot } from '../../lib/gates/pot.ts'
import { RateLimit } from '../../lib/gates/rate-limit.ts'
import { type GateRefusal, SharedGate } from '../../lib/gates/shared-gate.ts'
import { clientsRememberedMax } from './clients.ts'
import type { Refusals } from './refusals.ts'
import { Traffic } from './traffic.ts'

/** Memory that one long body takes at most until it is stored, in bytes: records on their way, and what the socket has read. */
const uploadHeldBytesMax = 3 * 2 ** 20
export const uploadsLimits = {
  /** The runtime reads up to 1.2 MiB of a body that nobody reads yet (measured), so few may wait. */
  waitingMax: 256,
  clientWaitingMax: 64,
} as const
/** The number of long answers is bounded, so any of them may wait. */
const answersLimits = { waitingMax: Infinity, clientWaitingMax: Infinity } as const
/** Long answers that are on their way. */
export const streamsLimits = { most: 2048, mostOfClient: 512 } as const
/** Streams of events. */
export const eventStreamsLimits = { most: 256, mostOfClient: 16 } as const
export const forcedCpsRate = { burst: 500, perSecond: 50 } as const
/**
 * With more requests than this in progress, an answer above `crowdedBufferedBytesMax` is streamed: one that is made
 * whole stays in memory until its client has read it, and nobody hears of that.
 */
export const crowdedRequests = 128
export const crowdedBufferedBytesMax = 64 * 1024

interface ResourcesOptions {
  readonly clock: Clock
  readonly refusals: Refusals
  /** Memory for long bodies that arrive, and for long answers that leave, in bytes; one client gets half of each. */
  readonly uploadBytesMax: number
  readonly downloadBytesMax: number
  clientOf(request: Request): string
  /** Number of requests in progress, those included whose answer is being sent. */
  requests(): number
  /** Keeps the connection of a request open, however little it moves, or no longer. */
  keepOpen(request: Request, isKept: boolean): void
}

/** Room for the pieces of one long answer. */
export interface AnswerRoom {
  /** Null: the bytes may be sent at once. False: the client has left. */
  enter(bytes: number): Promise<boolean> | null
  letGo(bytes: number): void
  /** Counts bytes that have left. */
  sent(bytes: number): void
  /** True as long as there is memory for larger pieces. */
  readonly isRoomy: boolean
  end(): void
}

/** Place of one stream of events. */
export interface EventRoom {
  end(): void
}

export class Resources {
  readonly uploads: SharedGate
  readonly answers: SharedGate
  readonly traffic = new Traffic()
  private readonly streams: Pot<Request>
  private readonly events: Pot<Request>
  private readonly forced: RateLimit

  constructor(private readonly options: ResourcesOptions) {
    const { uploadBytesMax, downloadBytesMax } = options
    this.uploads = new SharedGate({ ...uploadsLimits, ...halves(uploadBytesMax) })
    this.answers = new SharedGate({ ...answersLimits, ...halves(downloadBytesMax) })
    this.streams = new Pot(streamsLimits, (request) => this.clientOf(request))
    this.events = new Pot(eventStreamsLimits, (request) => this.clientOf(request))
    this.forced = new RateLimit(options.clock, forcedCpsRate, clientsRememberedMax)
  }

  get refusals(): Refusals {
    return this.options.refusals
  }

  clientOf(request: Request): string {
    return this.options.clientOf(request)
  }

  /** Long answers that are on their way. */
  get streaming(): number {
    return this.streams.size
  }

  /** Clients that follow the events. */
  get following(): number {
    return this.events.size
  }

  /** True when answers that are made whole, and wait for slow clients, would take too much memory together. */
  get isCrowded(): boolean {
    return this.options.requests() - this.events.size > crowdedRequests
  }

  /** Limit for an answer that is made in one piece, where `usual` is the limit while few requests are in progress. */
  bufferedBytesMax(usual: number): number {
    return this.isCrowded ? Math.min(usual, crowdedBufferedBytesMax) : usual
  }

  /**
   * Stores a long body when there is memory for it; until then the body stays with its client. `bytes` is the memory
   * that the work takes. Throws `busy`, `too-many-requests`.
   */
  async upload<T>(request: Request, bytes: number, work: () => Promise<T>): Promise<T> {
    const client = this.clientOf(request)
    const waiting = this.uploads.enter(client, bytes, () => request.signal)
    const refusal = waiting && (await waiting)
    if (refusal) throw this.uploadRefused(refusal)
    try {
      return await work()
    } finally {
      this.uploads.letGo(client, bytes)
    }
  }

  private uploadRefused(why: GateRefusal): StillpointError {
    if (why === 'left') return new StillpointError('bad-parameter', 'the body was cut short')
    this.refusals.count(why === 'full' ? 'uploads' : 'uploads-of-client')
    return why === 'full'
      ? new StillpointError('busy', `${uploadsLimits.waitingMax} uploads wait for memory already`)
      : new StillpointError(
          'too-many-requests',
          `${uploadsLimits.clientWaitingMax} uploads of this client wait for memory already`,
        )
  }

  /** Throws `busy`, `too-many-requests`. The caller ends the room when the answer has been sent or its client has left. */
  answerRoom(request: Request): AnswerRoom {
    const why = this.streams.refusal(request)
    if (why !== null) {
      this.refusals.count(why === 'full' ? 'answers' : 'answers-of-client')
      throw why === 'full'
        ? new StillpointError('busy', `at most ${streamsLimits.most} long answers at once`)
        : new StillpointError(
            'too-many-requests',
            `at most ${streamsLimits.mostOfClient} long answers of one client at once`,
          )
    }
    const client = this.clientOf(request)
    const { answers, streams, traffic } = this
    streams.enter(request)
    let isOver = false
    return {
      enter(bytes) {
        const waiting = answers.enter(client, bytes, () => request.signal)
        return waiting && waiting.then((refusal) => refusal === null)
      },
      letGo: (bytes) => answers.letGo(client, bytes),
      sent: (bytes) => void (traffic.sentBytes += bytes),
      get isRoomy() {
        return answers.isRoomy
      },
      end() {
        if (!isOver) streams.leave(request)
        isOver = true
      },
    }
  }

  /** Throws `busy`, `too-many-requests`. The caller ends the room when the stream has ended. */
  eventRoom(request: Request): EventRoom {
    const { events, options } = this
    const why = events.refusal(request)
    if (why !== null) {
      this.refusals.count(why === 'full' ? 'events' : 'events-of-client')
      throw why === 'full'
        ? new StillpointError('busy', `at most ${eventStreamsLimits.most} streams of events at once`)
        : new StillpointError(
            'too-many-requests',
            `at most ${eventStreamsLimits.mostOfClient} streams of events of one client at once`,
          )
    }
    events.enter(request)
    options.keepOpen(request, true)
    let isOver = false
    return {
      end() {
        if (isOver) return
        isOver = true
        events.leave(request)
        // A client that has not taken what it was sent has as long as any other connection.
        options.keepOpen(request, false)
      },
    }
  }

  /** Throws `too-many-requests` for a client that forces consistency points faster than `forcedCpsRate`. */
  forceCp(request: Request): void {
    if (this.forced.take(this.clientOf(request))) return
    this.refusals.count('forced-cps')
    throw new StillpointError(
      'too-many-requests',
      `a client takes at most ${forcedCpsRate.perSecond} consistency points a second`,
    )
  }
}

/** Memory that a body of this length takes while it is stored. Null is a length that nobody has declared. */
export const uploadBytes = (length: number | null): number => Math.min(length ?? Infinity, uploadHeldBytesMax)

const halves = (bytesMax: number) => ({ bytesMax, clientBytesMax: bytesMax / 2 })
