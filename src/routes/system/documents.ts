/** /openapi.json and /docs: the contract for programs and for people. The page loads nothing from another host. */
import { z } from '@hono/zod-openapi'
import type { Dependencies } from '../http/dependencies.ts'
import type { AppParts, Endpoint, Handler } from '../http/endpoint.ts'
import { dataGuards, mayChange, pageGuards } from '../http/guards.ts'
import { Query } from '../http/raw-url.ts'
import { problems } from '../v1/schemas.ts'
import { assetsPolicy } from './docs-assets.ts'
import { systemExamples } from '../examples/system.ts'

const tags = ['system']

const openApiHandler =
  (_dependencies: Dependencies, app: AppParts): Handler =>
  (_request, target) => {
    Query.parse(target.query, [])
    return new Response(app.openApi(), {
      headers: { ...dataGuards, 'Content-Type': 'application/json', 'Cache-Control': mayChange },
    })
  }

const docsHandler =
  (_dependencies: Dependencies, app: AppParts): Handler =>
  (_request, target) => {
    Query.parse(target.query, [])
    return new Response(app.docs(), {
      headers: {
        ...pageGuards(assetsPolicy),
        'Content-Type': 'text/html; charset=utf-8',
        'Cache-Control': mayChange,
      },
    })
  }

/** A browser asks for HTML by name, and a program rarely does. */
const rootHandler = (): Handler => (request, target) => {
  Query.parse(target.query, [])
  const isPerson = /\btext\/html\b/.test(request.headers.get('Accept') ?? '')
  return new Response(null, {
    status: 302,
    headers: { ...dataGuards, Location: isPerson ? '/docs' : '/openapi.json', Vary: 'Accept' },
  })
}

export const documentEndpoints: readonly Endpoint[] = [
  {
    on: 'both',
    method: 'get',
    path: '/',
    access: { action: 'ask' },
    handler: rootHandler,
    examples: systemExamples.root,
    contract: {
      // Linters of documents want an answer 2xx of every operation.
      hide: true,
      operationId: 'getRoot',
      tags,
      summary: 'Where the contract is',
      description: 'Sends a person to `/docs` and a program to `/openapi.json`.',
      request: {
        headers: z.object({
          Accept: z
            .string()
            .optional()
            .openapi({ description: 'With `text/html` the answer leads to the page' }),
        }),
      },
      responses: {
        302: {
          description: 'The page or the document',
          headers: { Location: { description: 'Its address', schema: { type: 'string' } } },
        },
        ...problems(),
      },
    },
  },
  {
    on: 'both',
    method: 'get',
    path: '/openapi.json',
    access: { action: 'ask' },
    handler: openApiHandler,
    examples: systemExamples.openApi,
    contract: {
      operationId: 'getOpenApi',
      tags,
      summary: 'This document',
      description: 'The contract of this server, for programs and for generators of clients.',
      responses: {
        200: {
          description: 'OpenAPI 3.1',
          content: { 'application/json': { schema: z.looseObject({ openapi: z.string() }) } },
        },
        ...problems(),
      },
    },
  },
  {
    on: 'both',
    method: 'get',
    path: '/docs',
    access: { action: 'ask' },
    handler: docsHandler,
    examples: systemExamples.docs,
    contract: {
      operationId: 'getDocs',
      tags,
      summary: 'This document as a page',
      description: 'For people. The page loads nothing from anywhere else.',
      responses: {
        200: { description: 'HTML', content: { 'text/html': { schema: z.string() } } },
        ...problems(),
      },
    },
  },
]
