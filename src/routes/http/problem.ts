/**
 * Answers every failure with problem+json (RFC 9457) and a code of the closed list. An error that is no
 * StillpointError becomes `internal`: the error is logged here, and the client learns nothing about it.
 */
import { type ErrorCode, StillpointError, errorCodes } from '../../lib/errors.ts'
import { logger } from '../../lib/log.ts'
import { dataGuards } from './guards.ts'

const log = logger('routes')

/** Both schemes take a token; a browser asks a person for it. */
const challenge = 'Bearer realm="stillpoint", Basic realm="stillpoint", charset="UTF-8"'

const reserved = new Set(['type', 'title', 'status', 'code', 'detail', 'instance'])
const retryAfterSeconds: Partial<Record<ErrorCode, string>> = {
  'not-yet': '1',
  busy: '1',
  'catalog-unready': '2',
  'too-many-pins': '5',
  'too-many-requests': '1',
}

function toStillpointError(error: unknown): StillpointError {
  if (error instanceof StillpointError) return error
  log.error('a request failed: {error}', { error })
  return new StillpointError('internal', 'the server failed to do this; its log says why')
}

export function problem(error: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const known = toStillpointError(error)
  const [status, title] = errorCodes[known.code]
  const help: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(known.help)) if (!reserved.has(name)) help[name] = value
  const { code, message: detail } = known
  const body = { type: `urn:stillpoint:${code}`, title, status, code, detail, ...help }
  const retryAfter = retryAfterSeconds[code]
  return new Response(`${JSON.stringify(body)}\n`, {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      ...dataGuards,
      ...(code === 'unauthorized' ? { 'WWW-Authenticate': challenge } : {}),
      ...(retryAfter === undefined ? {} : { 'Retry-After': retryAfter }),
      ...headers,
    },
  })
}

export function methodNotAllowed(method: string, allow: readonly string[]): Response {
  const allowed = allow.join(', ')
  return problem(new StillpointError('method-not-allowed', `${method} is not allowed here`, { allow }), {
    Allow: allowed,
  })
}

export const json = (
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', ...dataGuards, ...headers },
  })
