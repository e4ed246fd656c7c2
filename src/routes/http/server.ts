/**
 * The socket side of the door: one listener and several fetch handlers by prefix. The listener itself refuses
 * requests that no handler may see: an unknown method, a Host that is not of this server, a web page of another
 * origin, a client that guesses credentials, too many requests at once.
 *
 * - Every failure is a problem with a code; no page of the runtime ever reaches a client.
 * - A body has no limit here: uploads stream, and every other route has a limit of its own.
 * - `stop` lets answers in progress end, for at most `graceMs`.
 */
import type { Clock } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import { logger } from '../../lib/log.ts'
import { type Rate, RateLimit } from '../../lib/gates/rate-limit.ts'
import { clientOfAddress, clientsRememberedMax } from '../limits/clients.ts'
import { hostRule } from './host-rule.ts'
import { isPreflight, originRule, preflightAnswer, showTo } from './origin-rule.ts'
import { Pots, type PotsLimits, potOf, potsDefault } from '../limits/pots.ts'
import { methodNotAllowed, problem } from './problem.ts'
import { Refusals } from '../limits/refusals.ts'

const log = logger('routes')

export interface Mount {
  /** Prefix of the raw path, for example `/replica/v1/`; `/` takes every other path. */
  readonly prefix: string
  /**
   * Refuses whatever a browser sends, and every body but `application/octet-stream`. The mount bounds its requests itself:
   * it knows which of them belong to somebody, and no pot may be filled by those that do not.
   */
  readonly onlyPeers?: boolean
  /** `url` is the URL of the request: reading `request.url` a second time costs as much as the first time. */
  fetch(request: Request, url: string): Response | Promise<Response>
}

/** Certificate and key in PEM. TLS 1.2 is the oldest version that the runtime takes. */
interface Tls {
  readonly cert: string
  readonly key: string
}

export interface HttpServerOptions {
  readonly hostname: string
  /** 0 means any free port. */
  readonly port: number
  /** The first mount whose prefix fits answers the request. */
  readonly mounts: readonly Mount[]
  readonly clock: Clock
  /** Names that a Host header may have; null means any. */
  readonly hosts?: readonly string[] | null
  /** Origins of other web pages that may use this server. */
  readonly corsOrigins?: readonly string[]
  readonly pots?: PotsLimits
  readonly refusals?: Refusals
  /** Null means plain HTTP. */
  readonly tls?: Tls | null
  readonly wrongCredentials?: Rate
  /** Time until an idle connection is closed; must be longer than a request may wait. */
  readonly idleSeconds?: number
}

export interface HttpServer {
  readonly hostname: string
  readonly port: number
  readonly url: string
  /** Number of requests in progress, until the last byte of their answers has been sent. */
  requests(): number
  /** Name of the client of a request that is in progress. */
  clientOf(request: Request): string
  /** Keeps the connection of a request open, however little it moves, or no longer. */
  keepOpen(request: Request, isKept: boolean): void
  /** Serves new connections with another certificate; connections that are open keep theirs until they end. */
  renew(tls: Tls): void
  stop(graceMs?: number): Promise<void>
}

/** One line for people: the port is taken, the address is not of this machine, the port number is privileged. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}

const idleSecondsDefault = 120
const graceMsDefault = 10_000

const methods = ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE', 'OPTIONS']
const knownMethods: ReadonlySet<string> = new Set(methods)

/**
 * Wrong credentials of one client. Above the rate the client hears nothing but that; right credentials are taken all the
 * same, because a guesser may share the client's address.
 */
export const wrongCredentials = { burst: 100, perSecond: 5 } as const

export function startHttpServer(options: HttpServerOptions): HttpServer {
  const { hostname, mounts, clock, hosts = null, corsOrigins = [], refusals = new Refusals() } = options
  const { tls = null } = options
  const scheme = tls ? 'https' : 'http'
  const hostVerdict = hostRule(hosts)
  const origins = originRule(scheme, corsOrigins)
  const clientOf = (request: Request) => clientOfAddress(addressOf(request))
  const pots = new Pots(options.pots ?? potsDefault, clientOf, refusals)
  const wrong = new RateLimit(clock, options.wrongCredentials ?? wrongCredentials, clientsRememberedMax)

  const answer = (request: Request): Response | Promise<Response> => {
    const { url } = request
    const path = url.indexOf('/', url.indexOf('://') + 3)
    const mount = mounts.find(({ prefix }) => url.startsWith(prefix, path))
    if (!mount) return problem(new StillpointError('not-found', 'there is no such address'))
    const { headers } = request
    if (mount.onlyPeers) {
      if (isOfBrowser(headers)) return refuseOrigin(refusals)
      if (headers.get('Content-Type') !== 'application/octet-stream')
        return problem(new StillpointError('unsupported-media-type', 'peers send application/octet-stream'))
      return later(mount.fetch(request, url), (given) => judged(given, request))
    }
    const shows = headers.has('Authorization')
    const name = potOf(request.method, url, path)
    const refusal = pots.refusal(name, request)
    if (refusal) return problem(refusal)
    const given = mount.fetch(request, url)
    if (given instanceof Promise) {
      pots.enter(name, request)
      const leave = () => pots.leave(name, request)
      given.then(leave, leave)
      return shows ? given.then((settled) => judged(settled, request)) : given
    }
    return shows ? judged(given, request) : given
  }

  const judged = (given: Response, request: Request): Response => {
    if (given.status !== 401 || wrong.take(clientOf(request))) return given
    refusals.count('credentials')
    return problem(new StillpointError('too-many-requests', 'too many wrong credentials from this client'))
  }

  /** A page of a named origin may read the answer, whatever the answer is. */
  const answerPage = (request: Request, host: string): Response | Promise<Response> => {
    const verdict = origins.verdict(request, host, targetOf(request.url))
    if (verdict === 'foreign') return refuseOrigin(refusals)
    if (verdict === 'own') return answer(request)
    const given = isPreflight(request) ? preflightAnswer() : answer(request)
    return later(given, (response) => showTo(request.headers.get('Origin')!, response))
  }

  /** Host of the request before: the next request rarely has another one. */
  let goodHost: string | null = null
  const handle = (request: Request): Response | Promise<Response> => {
    const { headers, method } = request
    if (!knownMethods.has(method)) return methodNotAllowed(method, methods)
    const host = headers.get('Host') ?? ''
    if (host !== goodHost) {
      const verdict = hostVerdict(host)
      if (verdict !== 'answered') return refuseHost(verdict, refusals)
      goodHost = host
    }
    const given = isOfBrowser(headers) ? answerPage(request, host) : answer(request)
    // A cache must not give a page the answer that another page got.
    return origins.named.size === 0 ? given : later(given, varying)
  }
  if (tls) options = { ...options, port: freePort(options) }
  let current = listen(options, handle, tls)
  /** Listeners that take no new connections, and have open ones. */
  const retiring = new Set<Listener>()
  const all = () => [current, ...retiring]
  const addressOf = (request: Request): string => {
    for (const listener of all()) {
      const found = listener.requestIP(request)
      if (found) return found.address
    }
    return ''
  }
  const port = current.port ?? options.port
  const host = hostname.includes(':') ? `[${hostname}]` : hostname
  return {
    hostname,
    port,
    url: `${scheme}://${host}:${port}`,
    requests: () => all().reduce((sum, { pendingRequests }) => sum + pendingRequests, 0),
    clientOf,
    keepOpen: (request, isKept) =>
      current.timeout(request, isKept ? 0 : (options.idleSeconds ?? idleSecondsDefault)),
    async stop(graceMs = graceMsDefault) {
      const listeners = all()
      const cancel = clock.after(graceMs, () => {
        for (const listener of listeners) listener.stop(true).catch(stopFailed)
      })
      await Promise.all(listeners.map((listener) => listener.stop()))
      cancel()
    },
    renew(next) {
      const before = current
      current = listen({ ...options, port }, handle, next)
      retiring.add(before)
      before.stop().then(() => retiring.delete(before), stopFailed)
    },
  }
}

const targetOf = (url: string): string => url.slice(url.indexOf('/', url.indexOf('://') + 3))

const stopFailed = (error: unknown): void => log.warning('a listener does not stop: {error}', { error })

const isOfBrowser = (headers: Headers): boolean => headers.has('Origin') || headers.has('Sec-Fetch-Site')

function refuseHost(verdict: 'unknown' | 'malformed', refusals: Refusals): Response {
  refusals.count('host')
  return problem(
    verdict === 'malformed'
      ? new StillpointError('bad-parameter', 'Host is not one host', { parameter: 'Host' })
      : new StillpointError(
          'wrong-host',
          'this server has no such name: ask by its address, or start it with --allowed-host',
        ),
  )
}

function refuseOrigin(refusals: Refusals): Response {
  refusals.count('origin')
  return problem(
    new StillpointError(
      'forbidden',
      'a web page of another origin may not ask this: start the server with --cors-origin',
    ),
  )
}

const later = (
  given: Response | Promise<Response>,
  change: (response: Response) => Response,
): Response | Promise<Response> => (given instanceof Promise ? given.then(change) : change(given))

function varying(answer: Response): Response {
  answer.headers.append('Vary', 'Origin')
  return answer
}

/**
 * Throws the same errors as `startHttpServer`, for a caller that has to make something before the server can start.
 */
export async function probeAddress(hostname: string, port: number): Promise<void> {
  const server = listen({ hostname, port }, () => new Response(null, { status: 503 }))
  await server.stop(true)
}

/** Two listeners share the port while a certificate is renewed; this one finds out whether another process has it. */
function freePort(options: HttpServerOptions): number {
  const probe = listen(options, () => new Response(null, { status: 503 }))
  const port = probe.port ?? options.port
  probe.stop(true).catch(stopFailed)
  return port
}

type Listener = ReturnType<typeof listen>

function listen(
  options: Pick<HttpServerOptions, 'hostname' | 'port' | 'idleSeconds'>,
  handle: (request: Request) => Response | Promise<Response>,
  tls: Tls | null = null,
) {
  const { hostname, port, idleSeconds = idleSecondsDefault } = options
  try {
    return Bun.serve({
      hostname,
      port,
      development: false,
      // The runtime's default is true outside of development mode: two processes would share the port without a word.
      reusePort: tls !== null,
      ...(tls ? { tls: { cert: tls.cert, key: tls.key } } : {}),
      idleTimeout: idleSeconds,
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      fetch: handle,
      error: hostRefused,
    })
  } catch (error) {
    throw new ListenError(`cannot listen on ${hostname}:${port}: ${reasonOf(error)}`, { cause: error })
  }
}

/** A Host header that makes no URL is noticed only here, as a TypeError of `request.url`. */
function hostRefused(error: unknown): Response {
  if (error instanceof TypeError && error.message === 'Invalid URL') {
    return problem(new StillpointError('bad-parameter', 'the request target and Host make no URL'))
  }
  return problem(error)
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'EADDRINUSE') return 'the port is taken'
  if (code === 'EACCES') return 'this user may not use the port'
  if (code === 'EADDRNOTAVAIL') return 'the address is not of this machine'
  return error instanceof Error ? error.message : String(error)
}
