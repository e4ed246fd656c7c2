/** /v1/cps: routes that list consistency points, newest first, and take one now. */
import { z } from '@hono/zod-openapi'
import { toRfc3339 } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import { hasBody } from '../http/body.ts'
import { badCursor, makeCursor, readCursor } from '../http/cursor.ts'
import type { CpRecord, Dependencies, PrimaryDependencies } from '../http/dependencies.ts'
import { headerValues } from '../http/header-values.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import { cpHeader } from './parameters.ts'
import { json } from '../http/problem.ts'
import { Query, parseInteger } from '../http/raw-url.ts'
import { CpItem, CpList, jsonContent, problems } from './schemas.ts'
import { cpExamples } from '../examples/history.ts'

const limitDefault = 100
const limitMax = 1000
const tags = ['consistency points']
const scope = ['cps']

const itemOf = ({ committedAtMs, ...record }: CpRecord) => ({
  cp: record.cp,
  epoch: record.epoch,
  rootHash: record.rootHash,
  cause: record.cause,
  committedAt: toRfc3339(committedAtMs),
  blocksWritten: record.blocksWritten,
  bytesWritten: record.bytesWritten,
  coalesced: record.coalesced,
  retained: record.retained,
})

const listHandler =
  ({ cps, views }: Dependencies): Handler =>
  async (_request, target) => {
    const query = Query.parse(target.query, ['limit', 'cursor'])
    const limit = query.integer('limit', 1, limitMax) ?? limitDefault
    const cursor = query.text('cursor')
    let before: number | null = null
    if (cursor !== null) {
      const [cp] = readCursor(scope, cursor)
      if (typeof cp !== 'number' || !Number.isSafeInteger(cp)) throw badCursor()
      before = cp
    }
    // One record more than the limit shows whether there is another page.
    const found = await cps.list(limit + 1, before)
    const items = found.slice(0, limit)
    const last = items[items.length - 1]
    const next = found.length > limit && last ? makeCursor(scope, [last.cp]) : null
    const headers = { 'Stillpoint-CP': String(views.publishedCp()) }
    return json(200, { items: items.map(itemOf), next }, headers)
  }

const getHandler =
  ({ cps }: Dependencies): Handler =>
  async (_request, target) => {
    Query.parse(target.query, [])
    const cp = parseInteger(target.rest ?? '', 'cp', 0, Number.MAX_SAFE_INTEGER)
    const record = await cps.get(cp)
    if (!record) throw new StillpointError('not-found', `consistency point ${cp} is not known`)
    return json(200, itemOf(record), { 'Stillpoint-CP': String(cp) })
  }

const takeHandler =
  ({ taker, resources }: PrimaryDependencies): Handler =>
  async (request, target, permit) => {
    const opening = Query.parse(target.query, ['opening']).text('opening')
    if (opening !== null && opening !== taker.opening)
      throw new StillpointError(
        'opening-changed',
        'the server was started anew: what an earlier run answered with `buffered` may be lost, send it again',
        { opening: taker.opening },
      )
    if (await hasBody(request, headerValues(request.headers)))
      throw new StillpointError('bad-parameter', 'taking one needs no body')
    const { taken, record } = await permit.change(() => {
      resources.forceCp(request)
      return taker.take()
    })
    const headers: Record<string, string> = { 'Stillpoint-CP': String(record.cp) }
    if (taken) headers['Location'] = `/v1/cps/${record.cp}`
    return json(taken ? 201 : 200, itemOf(record), headers)
  }

export const cpEndpoints: readonly Endpoint[] = [
  {
    on: 'both',
    method: 'get',
    path: '/v1/cps',
    access: { action: 'history' },
    handler: listHandler,
    examples: cpExamples.list,
    contract: {
      operationId: 'listCps',
      tags,
      summary: 'Consistency points, newest first',
      description:
        'Each is one image of the whole volume. `retained` says whether reads with `?cp=` find it; the others are ' +
        'history. Pages follow one another by `next`.',
      request: {
        query: z.object({
          limit: z
            .int()
            .min(1)
            .max(limitMax)
            .optional()
            .openapi({ description: `Items of a page; ${limitDefault} unless given` }),
          cursor: z.string().optional().openapi({ description: '`next` of the page before' }),
        }),
      },
      responses: {
        200: { description: 'One page', headers: cpHeader, content: jsonContent(CpList) },
        ...problems('bad-cursor'),
      },
    },
  },
  {
    on: 'both',
    method: 'get',
    path: '/v1/cps/{cp}',
    access: { action: 'history' },
    handler: getHandler,
    examples: cpExamples.get,
    contract: {
      operationId: 'getCp',
      tags,
      summary: 'One consistency point',
      description: 'Also one that is history, and that nobody can read any more.',
      request: { params: z.object({ cp: z.int().min(0).max(Number.MAX_SAFE_INTEGER) }) },
      responses: {
        200: { description: 'It is known', headers: cpHeader, content: jsonContent(CpItem) },
        ...problems('not-found'),
      },
    },
  },
  {
    on: 'primary',
    method: 'post',
    path: '/v1/cps',
    access: { action: 'checkpoint' },
    handler: takeHandler,
    examples: cpExamples.take,
    contract: {
      operationId: 'takeCp',
      tags,
      summary: 'Take a consistency point now and wait for it',
      description:
        'The answer comes when everything written before is in a published consistency point. The request has no body. ' +
        'With the `Stillpoint-Opening` of earlier answers, `opening-changed` says that the server was started anew in ' +
        'between: what was `buffered` may be lost, and has to be sent again.',
      request: {
        query: z.object({
          opening: z
            .string()
            .optional()
            .openapi({ description: '`Stillpoint-Opening` of the answers before' }),
        }),
      },
      responses: {
        200: {
          description: 'Nothing was dirty: the last one',
          headers: cpHeader,
          content: jsonContent(CpItem),
        },
        201: { description: 'Taken', headers: cpHeader, content: jsonContent(CpItem) },
        ...problems('poisoned', 'fenced', 'opening-changed'),
      },
    },
  },
]
