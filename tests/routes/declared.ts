/** What endpoints declare that they answer, and a look at answers that are something else. */
import { expect } from 'bun:test'
import { type ErrorCode, errorCodes } from '../../src/lib/errors.ts'
import { endpoints } from '../../src/routes/endpoints.ts'
import { type Endpoint, isServedBy } from '../../src/routes/http/endpoint.ts'
import type { ServerRole } from '../../src/routes/http/dependencies.ts'

export const idOf = (endpoint: Endpoint): string => endpoint.contract.operationId!

/** The codes under every status of an endpoint. */
export const declaredCodes = (endpoint: Endpoint): ErrorCode[] =>
  Object.values(endpoint.contract.responses as Record<string, { description: string }>).flatMap(
    ({ description }) => [...description.matchAll(/`([a-z-]+)`:/g)].map(([, code]) => code as ErrorCode),
  )

const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replace('{path}', '.*').replaceAll(/\{\w+\}/g, '[^/]+')}$`)
const patterns = new Map(endpoints.map((endpoint) => [endpoint, patternOf(endpoint.path)]))

/** Null where nothing of the contract is at this address, for these roles. */
export function endpointOf(method: string, url: string, roles: readonly ServerRole[]): Endpoint | null {
  const pathname = url.replace(/^[a-z]+:\/\/[^/]*/, '').replace(/[?#].*$/s, '')
  const here = endpoints.filter((endpoint) => patterns.get(endpoint)!.test(pathname))
  const served = here.filter((endpoint) => roles.some((role) => isServedBy(endpoint, role)))
  const found = (wanted: string) => served.find((endpoint) => endpoint.method === wanted)
  const lower = method.toLowerCase()
  return found(lower) ?? (lower === 'head' ? found('get') : undefined) ?? null
}

/** Null when the answer is one that the endpoint declares; else what is wrong. Looks at a copy of the answer. */
export async function undeclared(endpoint: Endpoint, response: Response): Promise<string | null> {
  const { status } = response
  const declared = endpoint.contract.responses as Record<string, unknown>
  if (!(String(status) in declared)) return `${idOf(endpoint)} answers ${status}, which it does not declare`
  if (status < 400 || response.headers.get('Content-Type') !== 'application/problem+json') return null
  // HEAD has no body to look at.
  const text = await response.clone().text()
  if (text === '') return null
  const { code } = JSON.parse(text) as { code: ErrorCode }
  const isDeclared = errorCodes[code][0] === status && declaredCodes(endpoint).includes(code)
  return isDeclared ? null : `${idOf(endpoint)} answers ${code}, which it does not declare`
}

/** Fails the test when an endpoint answers what it does not declare. `roles` are those of the servers that may have answered. */
export async function expectDeclared(
  method: string,
  url: string,
  roles: readonly ServerRole[],
  response: Response,
): Promise<Response> {
  const endpoint = endpointOf(method, url, roles)
  // Which of them has answered is not known: the other does not have it.
  const isElsewhere = roles.length > 1 && endpoint?.on !== 'both' && [404, 405].includes(response.status)
  if (endpoint && !isElsewhere) expect(await undeclared(endpoint, response)).toBeNull()
  return response
}
