/**
 * Makes the OpenAPI documents from the endpoints, the version of the program and nothing else: the same input gives
 * the same bytes.
 */
import { OpenAPIHono } from '@hono/zod-openapi'
import { build } from '../lib/build.ts'
import type { ServerRole } from './http/dependencies.ts'
import { securitySchemes } from './access-contract.ts'
import { type DocumentedOperation, addExamples } from './examples/documented.ts'
import { sampleSentence } from './examples/volume.ts'
import { type Endpoint, isServedBy } from './http/endpoint.ts'
import { endpoints } from './endpoints.ts'

const descriptions: Record<ServerRole, string> = {
  primary:
    'A file server whose mirrors always show one consistency point. Every answer about data carries Stillpoint-CP; ' +
    'a write says the consistency point that first contains it. Failures are problem+json with a code.',
  mirror:
    'A mirror: the files of one consistency point at a time, read-only. ?minCp with ?wait gives read-your-writes ' +
    'after a write to the primary. Failures are problem+json with a code.',
}

const tagNames = {
  files: 'Content and attributes',
  directories: 'Making, listing and deleting directories',
  several: 'Operations on more than one path',
  'consistency points': 'The images that readers and mirrors see',
  mirrors: 'Who has a copy, and how far it is',
  access: 'Tokens: who may do what',
  system: 'The process itself',
} as const

/** Where `npm start` and a server without `--listen` serve: what the lines for a shell ask. */
export const documentedAddresses: Record<ServerRole, string> = {
  primary: 'http://127.0.0.1:7070',
  mirror: 'http://127.0.0.1:7071',
}

/** The library's types know no `identifier`, which is of OpenAPI 3.1. */
const license = { name: 'MIT', identifier: 'MIT' }

/** The path parameter that stands for several segments. */
const multiSegment = '{path}'

export function buildDocument(role: ServerRole): Record<string, unknown> {
  const hono = new OpenAPIHono()
  for (const [name, scheme] of Object.entries(securitySchemes))
    hono.openAPIRegistry.registerComponent('securitySchemes', name, scheme)
  for (const endpoint of endpoints) {
    if (isServedBy(endpoint, role) && !endpoint.contract.hide)
      hono.openAPIRegistry.registerPath(toRoute(endpoint))
  }
  const document = hono.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: role === 'primary' ? 'Stillpoint' : 'Stillpoint mirror',
      version: build.version,
      description: `${descriptions[role]} ${sampleSentence}`,
      contact: { name: 'Stillpoint' },
      license,
    },
    servers: [{ url: '/' }],
    tags: Object.entries(tagNames).map(([name, description]) => ({ name, description })),
  })
  const plain = JSON.parse(JSON.stringify(document)) as Record<string, unknown>
  dropUnusedTags(plain)
  dropEmptySchemas(plain)
  markMultiSegment(plain)
  showExamples(plain, role)
  return plain
}

/** The document as committed under openapi/. */
export const documentText = (role: ServerRole): string => `${JSON.stringify(buildDocument(role), null, 2)}\n`

const toRoute = ({ method, path, contract }: Endpoint) => ({ method, path, ...contract })

type Content = Record<string, { schema?: object }>
interface OperationObject {
  tags?: string[]
  parameters?: Record<string, unknown>[]
  requestBody?: { content?: Content }
  responses?: Record<string, { content?: Content }>
}
type PathItems = Record<string, Record<string, OperationObject>>

function dropUnusedTags(document: Record<string, unknown>): void {
  const used = new Set<string>()
  for (const item of Object.values(document['paths'] as PathItems)) {
    for (const endpoint of Object.values(item)) for (const tag of endpoint.tags ?? []) used.add(tag)
  }
  document['tags'] = (document['tags'] as { name: string }[]).filter(({ name }) => used.has(name))
}

/** Plain bytes have no schema; the library wants one of every type. */
function dropEmptySchemas(document: Record<string, unknown>): void {
  for (const item of Object.values(document['paths'] as PathItems)) {
    for (const { requestBody, responses = {} } of Object.values(item)) {
      for (const { content = {} } of [requestBody ?? {}, ...Object.values(responses)])
        for (const media of Object.values(content))
          if (Object.keys(media.schema ?? {}).length === 0) delete media.schema
    }
  }
}

function showExamples(document: Record<string, unknown>, role: ServerRole): void {
  const paths = document['paths'] as Record<string, Record<string, DocumentedOperation>>
  for (const endpoint of endpoints) {
    const operation = paths[endpoint.path]?.[endpoint.method]
    if (operation) addExamples(operation, endpoint, endpoint.examples ?? [], documentedAddresses[role])
  }
}

/** OpenAPI has no word for a parameter with slashes, so `x-multi-segment` tells the readers of the document. */
function markMultiSegment(document: Record<string, unknown>): void {
  for (const [path, item] of Object.entries(document['paths'] as PathItems)) {
    if (!path.endsWith(multiSegment)) continue
    for (const endpoint of Object.values(item)) {
      for (const parameter of endpoint.parameters ?? []) {
        if (parameter['in'] === 'path') parameter['x-multi-segment'] = true
      }
    }
  }
}
