/**
 * The door: a hono app whose only entrance is `fetch`.
 *
 * - The app has exactly the endpoints of its role. A method that the role lacks at a known address is 405 with
 *   `Allow`. An unknown address is 404, and so is a read of an address that only the other role has.
 * - Paths are matched raw: nothing is decoded before a handler parses the path strictly.
 * - Requests for the content of files are found by their prefix, before the router: the match and hono's context cost
 *   a fifth of a small read (measured).
 * - Every request of an endpoint is decided before its handler runs.
 * - Every failure is a problem with a code. `fetch` never throws.
 * - HEAD is answered with the length that GET would have, where the length is known.
 */
import { Hono } from 'hono'
import { AssertionError } from '../lib/assert.ts'
import { StillpointError, hasCode } from '../lib/errors.ts'
import type { Dependencies } from './http/dependencies.ts'
import { type Document, renderDocs } from './system/docs-page.ts'
import { AppMetrics, type EndpointCounts } from './system/metrics.ts'
import { buildDocument, documentedAddresses } from './openapi.ts'
import { type AppParts, type Endpoint, isServedBy, makeHandler } from './http/endpoint.ts'
import { endpoints } from './endpoints.ts'
import { type Guarded, guarded } from './http/guard.ts'
import { methodNotAllowed, problem } from './http/problem.ts'
import { nameOpening, openingOf } from './opening.ts'
import { splitUrl } from './http/raw-url.ts'

export interface App {
  /** `url` is the URL of the request, when the caller has read it already. */
  fetch(request: Request, url?: string): Response | Promise<Response>
}

/** Splits off the fixed part of a path. `pattern` is for the router; `deep` means a parameter of several segments. */
function prefixOf(path: string): {
  readonly prefix: string
  readonly pattern: string
  readonly deep: boolean
} {
  const brace = path.indexOf('{')
  if (brace === -1) return { prefix: path, pattern: path, deep: false }
  const deep = path.endsWith('{path}')
  const prefix = path.slice(0, brace)
  return { prefix, pattern: deep ? `${prefix}*` : `${prefix}:name`, deep }
}

export function makeApp(dependencies: Dependencies): App {
  const { refusals, traffic } = dependencies.resources
  const metrics = new AppMetrics(dependencies.role, () => dependencies.metrics(), refusals, traffic)
  const unknown = metrics.endpoint('none')
  const document = lazy(() => buildDocument(dependencies.role))
  const openApi = lazy(() => `${JSON.stringify(document(), null, 2)}\n`)
  const docs = lazy(() =>
    renderDocs(document() as unknown as Document, documentedAddresses[dependencies.role]),
  )
  const parts: AppParts = { openApi, docs, metrics: () => metrics.text() }

  const hono = new Hono({ getPath: (request) => splitUrl(request.url).pathname })
  const direct = new Map<string, Run>()
  for (const endpoint of endpoints) {
    const handler = makeHandler(endpoint, dependencies, parts)
    if (!handler) continue
    const counts = metrics.endpoint(endpoint.contract.operationId ?? endpoint.path)
    const run = runner(endpoint, guarded(endpoint, handler, dependencies), dependencies, counts)
    const method = endpoint.method.toUpperCase()
    if (endpoint.path === contentPath) direct.set(method, run)
    // hono answers HEAD through GET, so the handlers look at the method of the request itself.
    else if (method !== 'HEAD') {
      hono.on(method, prefixOf(endpoint.path).pattern, ({ req }) =>
        withLength(req.raw, run(req.raw, splitUrl(req.url))),
      )
    }
  }
  hono.notFound(({ req }) => {
    const answer = answerUnknown(req.raw, dependencies)
    unknown.count(answer.status, 0)
    return withLength(req.raw, answer)
  })
  hono.onError((error, { req }) => withLength(req.raw, failed(error, dependencies)))
  const routed = async (request: Request): Promise<Response> => {
    try {
      return await hono.fetch(request)
    } catch (error) {
      return failed(error, dependencies)
    }
  }
  return {
    fetch(request, url) {
      try {
        const target = splitUrl(url ?? request.url)
        const run = target.pathname.startsWith(contentPrefix) ? direct.get(request.method) : undefined
        return run ? run(request, target) : routed(request)
      } catch (error) {
        return failed(error, dependencies)
      }
    },
  }
}

const contentPath = '/v1/files/{path}'
const { prefix: contentPrefix } = prefixOf(contentPath)

type Run = (
  request: Request,
  url: { readonly pathname: string; readonly query: string },
) => Response | Promise<Response>

/**
 * An answer that a handler gives without a promise is returned without one: an extra promise would only cost time.
 */
function runner(
  endpoint: Endpoint,
  handler: Guarded,
  dependencies: Dependencies,
  counts: EndpointCounts,
): Run {
  const { clock } = dependencies
  const { prefix } = prefixOf(endpoint.path)
  const hasParameter = prefix !== endpoint.path
  const opening = openingOf(endpoint, dependencies)
  const counted = (answer: Response, start: number): Response => {
    if (opening !== null) nameOpening(answer, opening)
    counts.count(answer.status, clock.monotonic() - start)
    return answer
  }
  const settled = async (answer: Promise<Response>, start: number): Promise<Response> => {
    try {
      return counted(await answer, start)
    } catch (error) {
      return counted(failed(error, dependencies), start)
    }
  }
  return (request, { pathname, query }) => {
    const start = clock.monotonic()
    try {
      // The router also matches `/v1/stat` with the pattern `/v1/stat/*`.
      if (hasParameter && !pathname.startsWith(prefix)) return answerUnknown(request, dependencies)
      const rest = hasParameter ? pathname.slice(prefix.length) : null
      const answer = handler(request, { pathname, query, rest })
      return answer instanceof Promise ? settled(answer, start) : counted(answer, start)
    } catch (error) {
      return counted(failed(error, dependencies), start)
    }
  }
}

function failed(error: unknown, dependencies: Dependencies): Response {
  if (error instanceof AssertionError) dependencies.reportBug(error)
  if (hasCode(error, 'too-many-pins')) dependencies.resources.refusals.count('pins')
  return problem(error)
}

/** hono drops the body of an answer to HEAD, and with the body its length. A stream of events has none, and never ends. */
async function withLength(request: Request, coming: Response | Promise<Response>): Promise<Response> {
  const answer = await coming
  const { body, headers } = answer
  if (request.method !== 'HEAD' || body === null || headers.has('Content-Length')) return answer
  if (headers.get('Content-Type') === 'text/event-stream') {
    await body.cancel()
    return new Response(null, answer)
  }
  headers.set('Content-Length', String((await answer.arrayBuffer()).byteLength))
  return new Response(null, answer)
}

/** Each role knows the addresses of both roles, so a client of a mirror learns that a mirror takes no writes. */
function answerUnknown(request: Request, dependencies: Dependencies): Response {
  const { pathname } = splitUrl(request.url)
  const here = endpoints.filter(({ path }) => matchesPath(path, pathname))
  const served = here.filter((endpoint) => isServedBy(endpoint, dependencies.role))
  const allow = [...new Set(served.map(({ method }) => method.toUpperCase()))]
  if (allow.includes('GET') && !allow.includes('HEAD')) allow.push('HEAD')
  const reads = request.method === 'GET' || request.method === 'HEAD'
  if (here.length === 0 || (served.length === 0 && reads)) {
    return problem(new StillpointError('not-found', 'there is no such address'))
  }
  allow.push('OPTIONS')
  if (request.method === 'OPTIONS')
    return new Response(null, { status: 204, headers: { Allow: allow.join(', ') } })
  return methodNotAllowed(request.method, allow)
}

function matchesPath(path: string, pathname: string): boolean {
  const { prefix, deep } = prefixOf(path)
  if (prefix === path) return pathname === path
  if (!pathname.startsWith(prefix)) return false
  return deep || (pathname.length > prefix.length && !pathname.includes('/', prefix.length))
}

function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null
  return () => (made ??= { value: make() }).value
}
