/**
 * Requests to one server. The token goes to the address of the server alone, in a header: a redirect is an error.
 *
 * Errors: ClientError, and the reason of the caller's signal.
 */
import { Answer } from './answer.ts'
import { AnswerWait, type Body } from './answer-wait.ts'
import { ClientError, type ClientErrorCode, isServerCode } from './client-error.ts'
import type { Opened } from './contract.ts'
import { isBrowser } from './runtime.ts'
import { type Shape, shaped } from './shapes.ts'
import type { Timers } from './timers.ts'

/**
 * The part of `fetch` that is used. `duplex` is for streams on Node, `timeout` and `decompress` for Bun; others ignore
 * them.
 */
export type Fetch = (
  url: string,
  init: RequestInit & {
    readonly duplex?: 'half'
    readonly timeout?: false
    readonly decompress?: false
  },
) => Promise<Response>

export type RequestQuery = Readonly<Record<string, string | number | boolean | undefined>>

export interface Asked {
  readonly method: string
  /** Percent-encoded, from `/v1/` on. */
  readonly address: string
  readonly query?: RequestQuery | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Body
  /** Statuses of success; any other status is a refusal. */
  readonly statuses?: readonly number[] | undefined
  readonly bytesMax?: number | undefined
  /** Hears of each piece of a body that is a stream. */
  readonly onSent?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The cache of a browser keeps no copy of large files, and hides the body of a 416.
 */
const ownInit = isBrowser ? ({ cache: 'no-store' } as const) : {}

/**
 * No answer is packed: a few packed bytes may be gigabytes. A browser packs and unpacks as it likes.
 */
const plain: Readonly<Record<string, string>> = isBrowser ? {} : { 'Accept-Encoding': 'identity' }

/** Limit for the text of a refusal: an error page of another kind of server may be long. */
const errorBytesMax = 64 * 1024
/** A sentence that a person reads is no longer than this, in characters. */
const detailMax = 500
const answerBytesMax = 2 ** 20

export class Transport {
  readonly url: string
  private readonly authorization: Readonly<Record<string, string>>

  constructor(
    url: string,
    private readonly fetch: Fetch,
    private readonly timers: Timers,
    token: string | null,
  ) {
    this.url = baseOf(url)
    this.authorization = token === null ? {} : { Authorization: `Bearer ${token}` }
  }

  /** The answer of a success; its body is still to be read. */
  async request(asked: Asked): Promise<Answer> {
    const { statuses = [200] } = asked
    const answer = await this.send(asked)
    if (statuses.includes(answer.status)) return answer
    if (answer.status < 400) {
      answer.cancel()
      throw this.senseless()
    }
    throw await refusal(answer)
  }

  async json<T>(shape: Shape<T>, asked: Asked): Promise<T> {
    return this.read(shape, asked, await this.request(asked))
  }

  /** Does the same as `json`, for a change. */
  async changed<T extends object>(shape: Shape<T>, asked: Asked): Promise<Opened<T>> {
    const answer = await this.request(asked)
    return { ...(await this.read(shape, asked, answer)), opening: openingOf(answer) }
  }

  private async read<T>(shape: Shape<T>, asked: Asked, answer: Answer): Promise<T> {
    const { text, isWhole } = await answer.text(asked.bytesMax ?? answerBytesMax)
    const value = isWhole && isJson(answer.headers) ? parsed(text) : undefined
    if (value === undefined)
      throw new ClientError('bad-answer', `${this.url} did not answer with JSON: is it a Stillpoint server?`)
    const found = shaped(shape, value)
    if (found === null) throw this.senseless()
    return found
  }

  expect(isSensible: boolean): void {
    if (!isSensible) throw this.senseless()
  }

  senseless(): ClientError {
    return new ClientError(
      'bad-answer',
      `${this.url} gave an answer to something else: is it a Stillpoint server?`,
    )
  }

  private async send(asked: Asked): Promise<Answer> {
    const { method, address, query = {}, signal, onSent = () => {} } = asked
    signal?.throwIfAborted()
    const parameters = new URLSearchParams()
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) parameters.set(name, String(value))
    const url = `${this.url}${address}${parameters.size > 0 ? `?${parameters.toString()}` : ''}`
    const aborting = new AbortController()
    const abort = (reason: Error): void => aborting.abort(reason)
    const askedMs = Number(query['wait'] ?? 0) * 1000
    const wait = new AnswerWait(this.timers, askedMs, () => abort(new Error('the server does not answer')))
    let bodyFailure: { readonly error: unknown } | null = null
    try {
      const body = wait.watched(asked.body, onSent, (error) => {
        bodyFailure = { error }
      })
      const response = await this.fetch(url, {
        method,
        headers: { ...asked.headers, ...plain, ...this.authorization },
        redirect: 'error',
        ...ownInit,
        timeout: false,
        decompress: false,
        signal: signal ? AbortSignal.any([signal, aborting.signal]) : aborting.signal,
        ...(body === undefined ? {} : { body }),
        ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
      })
      const answer = new Answer(response, this.timers, abort, signal)
      if (!isBrowser && isPacked(answer.headers)) {
        answer.cancel()
        throw new ClientError('bad-answer', `${this.url} packed its answer, which nobody asked for`)
      }
      return answer
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof ClientError) throw error
      throw bodyFailure === null ? noAnswer(this.url, error) : noBody(bodyFailure)
    } finally {
      wait.end()
    }
  }
}

export const jsonBody = (value: unknown) => ({
  body: JSON.stringify(value),
  headers: { 'Content-Type': 'application/json' },
})

function baseOf(url: string): string {
  const address = URL.canParse(url) ? new URL(url) : null
  if (address === null || (address.protocol !== 'http:' && address.protocol !== 'https:'))
    throw new ClientError('bad-parameter', `not an http or https URL: ${url}`)
  return `${address.origin}${address.pathname.replace(/\/+$/, '')}`
}

const isPacked = (headers: Headers): boolean =>
  !/^(?:identity)?$/i.test((headers.get('Content-Encoding') ?? '').trim())

/** The run of the server that has given an answer to a change. */
export const openingOf = ({ headers }: Answer): string | null => headers.get('Stillpoint-Opening')

const isJson = (headers: Headers): boolean =>
  /^application\/json\s*(?:;|$)/i.test(headers.get('Content-Type') ?? '')

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

async function refusal(answer: Answer): Promise<ClientError> {
  const { status } = answer
  const retryAfterMs = retryAfterOf(answer.headers)
  const details = { status, ...(retryAfterMs === null ? {} : { retryAfterMs }) }
  const { text } = await answer.text(errorBytesMax)
  const problem = parsed(text)
  if (typeof problem === 'object' && problem !== null && 'code' in problem) {
    const { code } = problem
    const detail =
      'detail' in problem ? problem.detail : 'title' in problem ? problem.title : 'the server refused'
    // A code is a word; anything else comes from another program.
    if (typeof code === 'string' && /^[a-z-]{1,40}$/.test(code)) {
      const known: ClientErrorCode = isServerCode(code) ? code : 'unknown'
      const told = problem as Record<string, unknown>
      return new ClientError(known, `${oneLine(detail)} (${code})`, { ...details, problem: told })
    }
  }
  return new ClientError('unknown', `the server refused without saying why (${status})`, details)
}

/** Seconds; a date says nothing here, because clocks differ. */
function retryAfterOf(headers: Headers): number | null {
  const text = headers.get('Retry-After') ?? ''
  return /^\d{1,6}$/.test(text) ? Number(text) * 1000 : null
}

function oneLine(value: unknown): string {
  const text = String(value).replace(/\s+/g, ' ')
  return text.length > detailMax ? `${text.slice(0, detailMax)}…` : text
}

/** Codes of the file system for a body that is a local file. */
const localCodes: ReadonlySet<string> = new Set(['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'EIO'])

function noAnswer(url: string, cause: unknown): ClientError {
  const code = systemCodeOf(cause)
  if (localCodes.has(code))
    return new ClientError('bad-body', `the file could not be read: ${code}`, { cause })
  const said = code !== '' ? code : cause instanceof Error ? oneLine(cause.message) : String(cause)
  const reason = Object.hasOwn(inWords, code) ? `${inWords[code]} (${code})` : said
  return new ClientError('unreachable', `cannot reach ${url}: ${reason}`, { cause })
}

/** Codes of the runtimes for a connection that did not come about. */
const inWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; is a server running?',
  ConnectionRefused: 'nothing listens there; is a server running?',
  ECONNRESET: 'the connection broke',
  ECONNCLOSED: 'the connection broke',
  EPIPE: 'the connection broke',
  ENOTFOUND: 'no host has this name',
  EAI_AGAIN: 'the name of the host could not be looked up',
  EHOSTUNREACH: 'no way leads to this host',
  ENETUNREACH: 'no way leads to this network',
  ETIMEDOUT: 'the host does not answer',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed, and not one that was given',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is self-signed, and not one that was given',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'nobody known vouches for its certificate',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for other names',
}

const noBody = ({ error }: { readonly error: unknown }): ClientError =>
  new ClientError('bad-body', error instanceof Error ? oneLine(error.message) : String(error), {
    cause: error,
  })

/** On Node the code is that of the cause of the cause. */
function systemCodeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  return 'code' in error && typeof error.code === 'string' ? error.code : systemCodeOf(error.cause)
}
