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

export function withOpening(endpoint: Endpoint): Endpoint {
  if (!isMutation(endpoint)) return endpoint
  const header = {
    description: 'The run of the server on its volume; another one may have lost what was `buffered`',
    schema: { type: 'string' as const },
  }
  const responses = Object.entries(endpoint.contract.responses).map(([status, response]) => {
    if (Number(status) >= 300) return [status, response]
    const headers = 'headers' in response ? response.headers : {}
    return [status, { ...response, headers: { ...headers, [openingHeader]: header } }]
  })
  return {
    ...endpoint,
    contract: { ...endpoint.contract, responses: Object.fromEntries(responses) },
  } as Endpoint
}
