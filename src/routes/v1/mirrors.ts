/** /v1/mirrors: routes that list, add and remove the mirrors of a primary. */
import { z } from '@hono/zod-openapi'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { toRfc3339 } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import { jsonBody, jsonBytesMax } from '../http/body.ts'
import type { MirrorRecord, PrimaryDependencies } from '../http/dependencies.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import { json } from '../http/problem.ts'
import { Query } from '../http/raw-url.ts'
import { senderOf } from '../http/sender.ts'
import { MirrorBody, MirrorItem, MirrorList, jsonContent, parseShape, problems } from './schemas.ts'
import { mirrorExamples } from '../examples/mirrors.ts'

const tags = ['mirrors']

const itemOf = (record: MirrorRecord) => ({
  id: record.id,
  url: record.url,
  state: record.state,
  cp: record.cp,
  lagCps: record.lagCps,
  lagMs: record.lagMs,
  needs: record.needs,
  heldBytes: record.heldBytes,
  lastSeen: record.lastSeenMs === null ? null : toRfc3339(record.lastSeenMs),
})

const listHandler =
  ({ mirrors }: PrimaryDependencies): Handler =>
  async (_request, target) => {
    Query.parse(target.query, [])
    return json(200, { items: (await mirrors.list()).map(itemOf) })
  }

const addHandler =
  ({ mirrors, limits, audit, resources }: PrimaryDependencies): Handler =>
  async (request, target, permit) => {
    Query.parse(target.query, [])
    const { url, code } = parseShape(MirrorBody, await jsonBody(request, jsonBytesMax, permit))
    const checked = checkUrl(url, limits.mirrorUrlBytesMax)
    const { reached, record } = await permit.change(() => mirrors.add(checked, code ?? null))
    audit({
      event: 'mirror-added',
      ...senderOf(request, permit.who, { resources }),
      what: `mirror ${record.id} at ${record.url}`,
    })
    return json(reached ? 201 : 202, itemOf(record))
  }

function checkUrl(text: string, bytesMax: number): string {
  const url = URL.parse(text)
  const fits = encodeUtf8(text).length <= bytesMax
  if (fits && url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') {
    if (url.search === '' && url.hash === '' && url.pathname === '/') return url.origin
  }
  throw new StillpointError('bad-json', `url: http://HOST:PORT of at most ${bytesMax} bytes`)
}

const removeHandler =
  ({ mirrors, audit, resources }: PrimaryDependencies): Handler =>
  async (request, target, permit) => {
    Query.parse(target.query, [])
    const id = target.rest ?? ''
    if (!(await permit.change(() => mirrors.remove(id))))
      throw new StillpointError('not-found', 'there is no mirror with this id')
    audit({ event: 'mirror-removed', ...senderOf(request, permit.who, { resources }), what: `mirror ${id}` })
    return new Response(null, { status: 204 })
  }

export const mirrorsEndpoints: readonly Endpoint[] = [
  {
    on: 'primary',
    method: 'get',
    path: '/v1/mirrors',
    access: { action: 'monitor' },
    handler: listHandler,
    examples: mirrorExamples.list,
    contract: {
      operationId: 'listMirrors',
      tags,
      summary: 'The mirrors of this volume',
      description:
        'How far each is, how many bytes this primary holds back for it, and in `needs` what it waits for, if anything.',
      responses: {
        200: { description: 'All of them', content: jsonContent(MirrorList) },
        ...problems(),
      },
    },
  },
  {
    on: 'primary',
    method: 'post',
    path: '/v1/mirrors',
    access: { action: 'administer' },
    handler: addHandler,
    examples: mirrorExamples.add,
    contract: {
      operationId: 'addMirror',
      tags,
      summary: 'Add a mirror',
      description:
        'An empty mirror is adopted at the first meeting. Where no secret is shared, `code` is the pairing code that the ' +
        'new mirror has shown.',
      request: { body: { required: true, content: jsonContent(MirrorBody) } },
      responses: {
        201: { description: 'Adopted', content: jsonContent(MirrorItem) },
        202: { description: 'Known, not reached yet', content: jsonContent(MirrorItem) },
        ...problems('bad-json', 'too-large', 'unsupported-media-type', 'poisoned', 'fenced'),
      },
    },
  },
  {
    on: 'primary',
    method: 'delete',
    path: '/v1/mirrors/{id}',
    access: { action: 'administer' },
    handler: removeHandler,
    examples: mirrorExamples.remove,
    contract: {
      operationId: 'removeMirror',
      tags,
      summary: 'Forget a mirror',
      description: 'Nothing is held back for it any more. Works as well when it cannot be reached.',
      request: { params: z.object({ id: z.string() }) },
      responses: {
        204: { description: 'Forgotten' },
        ...problems('not-found', 'poisoned', 'fenced'),
      },
    },
  },
]
