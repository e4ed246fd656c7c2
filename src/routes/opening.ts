/**
 * The opening of a primary: one run of a server on its volume.
 *
 * Every answer to a mutation names the opening. A write that was answered `buffered` is lost when the server ends before
 * the next consistency point; a client that finds another opening afterwards sends again.
 */
import type { Dependencies } from './http/dependencies.ts'
import type { Endpoint } from './http/endpoint.ts'
import { openingHeader } from './http/opening-header.ts'

const isMutation = ({ on, method }: Endpoint): boolean =>
  on === 'primary' && method !== 'get' && method !== 'head'

/** Null where answers name no opening. */
export const openingOf = (endpoint: Endpoint, dependencies: Dependencies): string | null =>
  dependencies.role === 'primary' && isMutation(endpoint) ? dependencies.taker.opening : null

/** Somebody who may not come in learns nothing about restarts. */
export function nameOpening(answer: Response, opening: string): Response {
  if (answer.status !== 401) answer.headers.set(openingHeader, opening)
  return answer
}

const header = {
  description: 'The run of the server on its volume; another one may have lost what was `buffered`',
  schema: { type: 'string' as const },
}

export function withOpening(endpoint: Endpoint): Endpoint {
  if (!isMutation(endpoint)) return endpoint
  const { responses } = endpoint.contract
  const named = Object.fromEntries(
    Object.entries(responses).map(([status, response]): [string, (typeof responses)[string]] => {
      if (Number(status) >= 300 || '$ref' in response) return [status, response]
      const headers = response.headers as Record<string, typeof header> | undefined
      return [status, { ...response, headers: { ...headers, [openingHeader]: header } }]
    }),
  )
  return { ...endpoint, contract: { ...endpoint.contract, responses: named } }
}
