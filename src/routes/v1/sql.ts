/**
 * /v1/sql: one SELECT over the views of the catalog; /v1/sql/schema names the views and their columns.
 *
 * - Questions are about the whole volume, so a token with a prefix asks none. A view that shows more than files needs the
 *   right to see that: mirrors and what travelled to them, or the audit trail.
 * - Every answer names the consistency point that its files are true for, in a header, and in JSON in the body, too.
 */
import { z } from '@hono/zod-openapi'
import { concatBytes, encodeUtf8 } from '../../lib/bytes.ts'
import { jsonBody, jsonBytesMax } from '../http/body.ts'
import { streamBytes } from '../http/byte-stream.ts'
import { sqlExamples } from '../examples/sql.ts'
import type { Dependencies, SqlAnswer, SqlFormat, SqlView } from '../http/dependencies.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import { dataGuards } from '../http/guards.ts'
import type { Permit } from '../http/permit.ts'
import { json } from '../http/problem.ts'
import { Query } from '../http/raw-url.ts'
import { cpHeader, minCpQuery } from './parameters.ts'
import { notYet, parseWanted } from './reading.ts'
import { jsonContent, parseShape, problems, SqlAnswerShape, SqlBody, SqlSchemaShape } from './schemas.ts'

const tags = ['sql']

/** Action that a sender must be allowed for each view. A view without a row is the administrator's. */
const actionOf: Readonly<Record<string, Parameters<Permit['may']>[0]>> = {
  catalog: 'query',
  directories: 'query',
  files: 'query',
  changes: 'query',
  cps: 'history',
  events: 'history',
  mirrors: 'monitor',
  transfers: 'monitor',
  audit: 'administer',
}

const viewsFor = (permit: Permit, views: readonly SqlView[]): readonly SqlView[] =>
  views.filter(({ name }) => permit.may(actionOf[name] ?? 'administer'))

const mediaTypes: Readonly<Record<SqlFormat, string>> = {
  json: 'application/json',
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson',
}
const formatOf: Readonly<Record<string, SqlFormat>> = {
  'application/json': 'json',
  'application/*': 'json',
  '*/*': 'json',
  'text/csv': 'csv',
  'text/*': 'csv',
  'application/x-ndjson': 'ndjson',
}

/** The first one of the most wanted; JSON when nothing of the list is known here. */
function wantedFormat(accept: string | null): SqlFormat {
  let best: { readonly format: SqlFormat; readonly weight: number } | null = null
  for (const entry of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase())
    const weight = Number(parameters.find((each) => each.startsWith('q='))?.slice(2) ?? 1)
    const format = formatOf[type]
    if (format !== undefined && weight > (best?.weight ?? 0)) best = { format, weight }
  }
  return best?.format ?? 'json'
}

function bodyOf(format: SqlFormat, { cp, columns, truncated, body }: SqlAnswer): Uint8Array {
  if (format !== 'json') return body
  const head = JSON.stringify({ cp, columns })
  return concatBytes(
    encodeUtf8(`${head.slice(0, -1)},"rows":`),
    body,
    encodeUtf8(`,"truncated":${truncated}}\n`),
  )
}

const askHandler =
  (dependencies: Dependencies): Handler =>
  async (request, target, permit) => {
    const { sql, resources, views, clock } = dependencies
    const beganMs = clock.monotonic()
    const { minCp, waitMs } = parseWanted(Query.parse(target.query, ['minCp', 'wait']))
    const format = wantedFormat(request.headers.get('Accept'))
    const asked = parseShape(SqlBody, await jsonBody(request, jsonBytesMax, permit))
    if (minCp !== null && !(await views.waitFor(minCp, waitMs, request.signal)))
      throw notYet(minCp, views.publishedCp())
    const question = {
      query: asked.query,
      params: asked.params ?? [],
      rowsMax: asked.maxRows ?? null,
      format,
      views: viewsFor(permit, sql.views).map(({ name }) => name),
      minCp: minCp ?? 0,
      waitMs: Math.max(0, waitMs - (clock.monotonic() - beganMs)),
    }
    return sql.ask(question, resources.clientOf(request), request.signal, (answer) =>
      respond(format, answer, request, permit, dependencies),
    )
  }

async function respond(
  format: SqlFormat,
  answer: SqlAnswer,
  request: Request,
  permit: Permit,
  { resources, limits }: Dependencies,
): Promise<Response> {
  const headers = {
    'Content-Type': mediaTypes[format],
    'Stillpoint-CP': String(answer.cp),
    'Stillpoint-Truncated': String(answer.truncated),
    ...dataGuards,
  }
  const body = bodyOf(format, answer)
  if (body.length <= resources.bufferedBytesMax(limits.bufferedBytesMax))
    return new Response(body as Uint8Array<ArrayBuffer>, { headers })
  const stream = await streamBytes(body, resources.answerRoom(request), permit)
  return new Response(stream, { headers })
}

const schemaHandler =
  ({ sql }: Dependencies): Handler =>
  (_request, target, permit) => {
    Query.parse(target.query, [])
    return json(200, { views: viewsFor(permit, sql.views) })
  }

const access = { action: 'query', paths: 'in the address' } as const

export const sqlEndpoints: readonly Endpoint[] = [
  {
    on: 'both',
    method: 'post',
    path: '/v1/sql',
    access,
    handler: askHandler,
    examples: sqlExamples.ask,
    contract: {
      operationId: 'askSql',
      tags,
      summary: 'Ask one question in SQL',
      description:
        'One SELECT over the views that `GET /v1/sql/schema` names. `Accept` chooses JSON, `text/csv` or ' +
        '`application/x-ndjson`. A limit that ends the query is named in `limit`, with its value in `most`.',
      request: {
        query: z.object(minCpQuery),
        body: { required: true, content: jsonContent(SqlBody) },
      },
      responses: {
        200: {
          description: 'The rows',
          headers: {
            ...cpHeader,
            'Stillpoint-Truncated': {
              description: '`true` when there are more rows',
              schema: { type: 'boolean' as const },
            },
          },
          content: {
            ...jsonContent(SqlAnswerShape),
            'text/csv': { schema: z.string() },
            'application/x-ndjson': { schema: z.string() },
          },
        },
        ...problems(
          'bad-json',
          'bad-sql',
          'too-large',
          'sql-limit',
          'unsupported-media-type',
          'not-yet',
          'catalog-unready',
        ),
      },
    },
  },
  {
    on: 'both',
    method: 'get',
    path: '/v1/sql/schema',
    access,
    handler: schemaHandler,
    examples: sqlExamples.schema,
    contract: {
      operationId: 'getSqlSchema',
      tags,
      summary: 'The views that this sender may ask, and their columns',
      description: 'In the words of the catalog: views, columns and types are those of `docs/sql.md`.',
      responses: {
        200: { description: 'The views', content: jsonContent(SqlSchemaShape) },
        ...problems(),
      },
    },
  },
]
