/**
 * Decides which web pages get an answer. Programs send neither Origin nor Sec-Fetch-Site; browsers send at least one of
 * them with everything that a page can bring about, except with plain reads from an old browser or without TLS.
 *
 * - A page of this origin gets answers, and so does a page of an origin that the operator has named (CORS).
 * - Every other page is refused, whatever the method: a read may wait, pin a consistency point, or take one.
 * - Another page may open in a tab, and only there, the newest content of a file and the documents: these do not wait,
 *   and keep nothing. Other addresses open only when a person types them.
 * - `Origin: null` is a page without an origin (a sandboxed file of this very server, too), and is nobody's own.
 */

type OriginVerdict = 'own' | 'named' | 'foreign'

interface OriginRule {
  /** Origins that the operator has named. */
  readonly named: ReadonlySet<string>
  /** `target` is path and query of the request. */
  verdict(request: Request, host: string, target: string): OriginVerdict
}

/** `scheme` is that of the listener. */
export function originRule(scheme: 'http' | 'https', origins: readonly string[]): OriginRule {
  const named = new Set(origins)
  return {
    named,
    verdict({ headers, method }, host, target) {
      const origin = headers.get('Origin')
      if (origin !== null) {
        if (named.has(origin)) return 'named'
        return isSameOrigin(origin, host, scheme) ? 'own' : 'foreign'
      }
      const site = headers.get('Sec-Fetch-Site')
      if (site === null || site === 'same-origin' || site === 'none') return 'own'
      const reads = method === 'GET' || method === 'HEAD'
      const opens =
        headers.get('Sec-Fetch-Mode') === 'navigate' && headers.get('Sec-Fetch-Dest') === 'document'
      return reads && opens && forTabs.test(target) ? 'own' : 'foreign'
    },
  }
}

/** An address without a query asks for nothing but the newest. */
const forTabs = /^\/(?:v1\/files\/[^?]*|docs|openapi\.json)?$/

/** A proxy that ends TLS makes https of what this listener serves as http; the other way round is another origin. */
function isSameOrigin(origin: string, host: string, scheme: 'http' | 'https'): boolean {
  const page = URL.parse(origin)
  if (page === null || page.origin !== origin) return false
  if (page.protocol !== 'https:' && page.protocol !== `${scheme}:`) return false
  return URL.parse(`${page.protocol}//${host}`)?.origin === origin
}

const methods = 'GET, HEAD, PUT, PATCH, POST, DELETE'
/** `*` alone would leave out Authorization, which has to be named, and metadata has names of its own. */
const askedHeaders = '*, Authorization'
const shownHeaders = [
  '*',
  'Accept-Ranges',
  'Allow',
  'Content-Disposition',
  'Content-Length',
  'Content-Range',
  'ETag',
  'Location',
  'Retry-After',
  'Stillpoint-CP',
  'Stillpoint-Durability',
  'Stillpoint-Mode',
  'Stillpoint-Modified',
  'Stillpoint-Opening',
  'WWW-Authenticate',
].join(', ')
const preflightSeconds = '600'

export const isPreflight = ({ method, headers }: Request): boolean =>
  method === 'OPTIONS' && headers.has('Access-Control-Request-Method')

export const preflightAnswer = (): Response =>
  new Response(null, {
    status: 204,
    headers: {
      'Access-Control-Allow-Methods': methods,
      'Access-Control-Allow-Headers': askedHeaders,
      'Access-Control-Max-Age': preflightSeconds,
    },
  })

/** Lets the page of a named origin read the answer. No credential of the browser goes along: a page sends its token. */
export function showTo(origin: string, answer: Response): Response {
  answer.headers.set('Access-Control-Allow-Origin', origin)
  answer.headers.set('Access-Control-Expose-Headers', shownHeaders)
  return answer
}
