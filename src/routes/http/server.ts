/**
 * The socket side of the door: one listener and several fetch handlers by prefix. The listener itself refuses
 * requests that no handler may see: an unknown method, a Host that is no host, too many requests at once.
 *
 * - Every failure is a problem with a code; no page of the runtime ever reaches a client.
 * - A body has no limit here: uploads stream, and every other route has a limit of its own.
 * - `stop` lets answers in progress end, for at most `graceMs`.
 */
import type { Clock } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import { methodNotAllowed, problem } from './problem.ts'

export interface Mount {
  /** Prefix of the raw path, for example `/replica/v1/`; `/` takes every other path. */
  readonly prefix: string
  /** `url` is the URL of the request: reading `request.url` a second time costs as much as the first time. */
  fetch(request: Request, url: string): Response | Promise<Response>
}

export interface HttpServerOptions {
  readonly hostname: string
  /** 0 means any free port. */
  readonly port: number
  /** The first mount whose prefix fits answers the request. */
  readonly mounts: readonly Mount[]
  readonly clock: Clock
  readonly requestsMax?: number
  /** Time until an idle connection is closed; must be longer than a request may wait. */
  readonly idleSeconds?: number
}

export interface HttpServer {
  readonly hostname: string
  readonly port: number
  readonly url: string
  /** Number of requests in progress. */
  requests(): number
  stop(graceMs?: number): Promise<void>
}

/** One line for people: the port is taken, the address is not of this machine, the port number is privileged. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}

const requestsMaxDefault = 4096
const idleSecondsDefault = 120
const graceMsDefault = 10_000

const methods = ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE', 'OPTIONS']
const knownMethods: ReadonlySet<string> = new Set(methods)
const hostForm = /^[A-Za-z0-9._~%:[\]-]*$/

export function startHttpServer(options: HttpServerOptions): HttpServer {
  const { hostname, mounts, clock, requestsMax = requestsMaxDefault } = options
  /** Host of the request before: the next request rarely has another one. */
  let goodHost = ''
  const handle = (request: Request): Response | Promise<Response> => {
    if (server.pendingRequests > requestsMax) {
      return problem(new StillpointError('busy', `at most ${requestsMax} requests at once`))
    }
    if (!knownMethods.has(request.method)) return methodNotAllowed(request.method, methods)
    const host = request.headers.get('Host') ?? ''
    if (host !== goodHost) {
      // Two Host headers arrive joined by a comma, which the form refuses.
      if (!hostForm.test(host)) {
        return problem(new StillpointError('bad-parameter', 'Host is not one host', { parameter: 'Host' }))
      }
      goodHost = host
    }
    const { url } = request
    const path = url.indexOf('/', url.indexOf('://') + 3)
    for (const mount of mounts) if (url.startsWith(mount.prefix, path)) return mount.fetch(request, url)
    return problem(new StillpointError('not-found', 'there is no such address'))
  }
  const server = listen(options, handle)
  const port = server.port ?? options.port
  const host = hostname.includes(':') ? `[${hostname}]` : hostname
  return {
    hostname,
    port,
    url: `http://${host}:${port}`,
    requests: () => server.pendingRequests,
    async stop(graceMs = graceMsDefault) {
      const cancel = clock.after(graceMs, () => void server.stop(true))
      await server.stop()
      cancel()
    },
  }
}

/**
 * Throws the same errors as `startHttpServer`, for a caller that has to make something before the server can start.
 */
export async function probeAddress(hostname: string, port: number): Promise<void> {
  const server = listen({ hostname, port }, () => new Response(null, { status: 503 }))
  await server.stop(true)
}

function listen(
  options: Pick<HttpServerOptions, 'hostname' | 'port' | 'idleSeconds'>,
  handle: (request: Request) => Response | Promise<Response>,
) {
  const { hostname, port, idleSeconds = idleSecondsDefault } = options
  try {
    return Bun.serve({
      hostname,
      port,
      development: false,
      // The runtime's default is true outside of development mode: two processes would share the port without a word.
      reusePort: false,
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
