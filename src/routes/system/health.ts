/**
 * /healthz says that the process answers, /readyz that the server serves reads; /metrics has numbers for Prometheus.
 */
import { z } from '@hono/zod-openapi'
import { StillpointError } from '../../lib/errors.ts'
import type { AppParts, Endpoint, Handler } from '../http/endpoint.ts'
import type { Dependencies } from '../http/dependencies.ts'
import { dataGuards } from '../http/guards.ts'
import { json } from '../http/problem.ts'
import { Query } from '../http/raw-url.ts'
import { Health, jsonContent, problems } from '../v1/schemas.ts'
import { systemExamples } from '../examples/system.ts'

const tags = ['system']

const healthHandler = (): Handler => (_request, target) => {
  Query.parse(target.query, [])
  return json(200, { status: 'ok' })
}

const readyHandler =
  (dependencies: Dependencies): Handler =>
  async (request, target) => {
    Query.parse(target.query, [])
    const { ok, reason } = dependencies.ready()
    const isTold = reason !== '' && (await isKnown(request, dependencies))
    // A server that takes no writes still serves reads; the answer then says why writes are refused.
    const body = isTold ? { status: 'ok', fenced: reason } : { status: 'ok' }
    if (ok) return json(200, body)
    throw new StillpointError('not-yet', isTold ? reason : 'this server is not ready; a token is told why')
  }

/** Reasons name addresses and devices, so they are for callers with a token, where there are tokens. */
async function isKnown({ headers }: Request, { access }: Dependencies): Promise<boolean> {
  try {
    const { token, role } = await access.who(headers)
    return token !== null || role === 'admin'
  } catch {
    return false
  }
}

const metricsHandler =
  (_dependencies: Dependencies, app: AppParts): Handler =>
  async (_request, target) => {
    Query.parse(target.query, [])
    const { contentType, text } = await app.metrics()
    return new Response(text, { headers: { ...dataGuards, 'Content-Type': contentType } })
  }

const healthResponse = { description: 'It does', content: jsonContent(Health) }

export const healthEndpoints: readonly Endpoint[] = [
  {
    on: 'both',
    method: 'get',
    path: '/healthz',
    access: { action: 'ask' },
    handler: healthHandler,
    examples: systemExamples.health,
    contract: {
      operationId: 'getHealth',
      tags,
      summary: 'Whether the process answers',
      description: 'Says nothing about the data.',
      responses: { 200: healthResponse, ...problems() },
    },
  },
  {
    on: 'both',
    method: 'get',
    path: '/readyz',
    access: { action: 'ask' },
    handler: readyHandler,
    examples: systemExamples.readiness,
    contract: {
      operationId: 'getReadiness',
      tags,
      summary: 'Whether reads are served',
      description:
        'On a mirror also while its primary is away. To a request with a token `fenced` says why a primary takes no ' +
        'writes.',
      responses: { 200: healthResponse, ...problems('not-yet') },
    },
  },
  {
    on: 'both',
    method: 'get',
    path: '/metrics',
    access: { action: 'monitor' },
    handler: metricsHandler,
    examples: systemExamples.metrics,
    contract: {
      operationId: 'getMetrics',
      tags,
      summary: 'Metrics',
      description: 'In the text format of Prometheus.',
      responses: {
        200: { description: 'All of them', content: { 'text/plain': { schema: z.string() } } },
        ...problems(),
      },
    },
  },
]
