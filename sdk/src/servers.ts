/**
 * The primary and its mirrors, and who is asked.
 *
 * - A change goes to the primary alone, and is sent again only when the primary has refused the change for now: a
 *   change in doubt is the caller's to decide.
 * - A read goes to the first server of the wished order; where that server is away or in trouble, to the next one. A
 *   server that has failed comes last for `restMs`.
 * - No server shows this client less than the client has written or read: `minCp` goes along with each read of a server
 *   that may be behind. A mirror always may; the primary may where it answers from its catalog, which follows the files.
 *   What another client has handed on goes to the first address too, which may be that of a mirror.
 */
import type { Answer } from './answer.ts'
import { ClientError, isClientError } from './client-error.ts'
import { checkNumbers } from './numbers.ts'
import { delayMs, isInDoubt, isRefusedForNow, mayGoElsewhere } from './retry.ts'
import { type Timers, pause } from './timers.ts'
import type { Asked, RequestQuery, Transport } from './transport.ts'
import type { Reading } from './wishes.ts'

/** A server that has failed is asked last for so long. */
const restMs = 10_000

export interface Server {
  readonly transport: Transport
  readonly isMirror: boolean
}

/** Particular wishes of one kind of read. */
export interface ReadingRules {
  /** The one that has what is asked for, such as the next page of a listing. */
  readonly only?: Server | undefined
  /** The primary may be behind its own changes too. */
  readonly primaryFollows?: boolean
}

export interface ServersOptions {
  readonly retriesMax: number
  readonly readsFrom: 'primary' | 'mirrors'
  /** Longest wait of a server that is behind for what this client has seen, in seconds. */
  readonly mirrorWait: number
  readonly cp: number
  readonly timers: Timers
  readonly random: () => number
}

export class Servers {
  /** The newest CP that this client has heard of, by a write or by a read. */
  cp: number
  /** The primary as one that reads may be asked of. */
  readonly first: Server
  private readonly order: readonly Server[]
  private readonly restsUntil = new Map<Server, number>()

  constructor(
    readonly primary: Transport,
    mirrors: readonly Transport[],
    private readonly options: ServersOptions,
  ) {
    this.cp = options.cp
    this.first = { transport: primary, isMirror: false }
    const others = mirrors.map((transport) => ({ transport, isMirror: true }))
    this.order = options.readsFrom === 'mirrors' ? [...others, this.first] : [this.first, ...others]
  }

  /** Remembers the CP of an answer. */
  saw<T extends { readonly cp: number }>(answer: T): T {
    this.cp = Math.max(this.cp, answer.cp)
    return answer
  }

  /**
   * Asks the primary. A body that is a stream is sent once. `isHarmless` says that the request may be sent again when
   * it is in doubt.
   */
  async change<T>(asked: Asked, use: (primary: Transport) => Promise<T>, isHarmless = false): Promise<T> {
    const isSentOnce = asked.body instanceof ReadableStream
    for (let attempt = 0; ; attempt++) {
      try {
        return await use(this.primary)
      } catch (error) {
        const isWorth = isRefusedForNow(error) || (isHarmless && isInDoubt(error))
        if (isSentOnce || !isWorth || attempt >= this.options.retriesMax) throw error
        await this.delay(attempt, error, asked.signal)
      }
    }
  }

  /** Asks the servers in turn. */
  async read<T>(
    reading: Reading,
    use: (server: Server, query: RequestQuery) => Promise<T>,
    { only, primaryFollows = false }: ReadingRules = {},
  ): Promise<T> {
    const { signal, ...wished } = reading
    checkNumbers(wished)
    for (let attempt = 0; ; attempt++) {
      let failure: unknown
      for (const server of only ? [only] : this.inOrder()) {
        try {
          return await use(
            server,
            this.noOlder(wished, server.isMirror || primaryFollows ? this.cp : this.options.cp),
          )
        } catch (error) {
          if (!mayGoElsewhere(error)) throw error
          if (!isClientError(error, 'not-yet')) this.rest(server)
          failure = worseOf(failure, error)
        }
      }
      const isWorth = isRefusedForNow(failure) || isInDoubt(failure)
      if (!isWorth || attempt >= this.options.retriesMax) throw failure
      await this.delay(attempt, failure, signal)
    }
  }

  delay(attempt: number, error: unknown, signal: AbortSignal | undefined): Promise<void> {
    const { timers, random } = this.options
    return pause(timers, delayMs(attempt, error, random()), signal)
  }

  get retriesMax(): number {
    return this.options.retriesMax
  }

  /** The wish of a caller for an older state than this client has seen is no wish of its own. */
  private noOlder(wished: RequestQuery, seen: number): RequestQuery {
    if (wished['cp'] !== undefined || wished['at'] !== undefined) return wished
    const minCp = Math.max(Number(wished['minCp'] ?? 0), seen)
    return minCp === 0 ? wished : { ...wished, minCp, wait: wished['wait'] ?? this.options.mirrorWait }
  }

  private rest(server: Server): void {
    this.restsUntil.set(server, this.options.timers.monotonic() + restMs)
  }

  private inOrder(): Server[] {
    const now = this.options.timers.monotonic()
    const isResting = (server: Server): boolean => (this.restsUntil.get(server) ?? 0) > now
    return [...this.order.filter((server) => !isResting(server)), ...this.order.filter(isResting)]
  }
}

/** A server that has said something tells more than one that is away. */
function worseOf(before: unknown, error: unknown): unknown {
  return before !== undefined && isInDoubt(error) && !isInDoubt(before) ? before : error
}

/** The CP that an answer names in its headers. Throws `bad-answer` where the answer names none. */
export function cpOf(answer: Answer): number {
  const text = answer.headers.get('Stillpoint-CP') ?? ''
  if (/^\d{1,16}$/.test(text)) return Number(text)
  answer.cancel()
  throw new ClientError('bad-answer', 'the answer names no consistency point: is it a Stillpoint server?')
}
