/**
 * /v1/tokens: routes that list, make and revoke tokens; /v1/whoami says whose token a request carries.
 *
 * - A token itself is in the answer that made the token, and in no other one.
 * - A revocation waits for every mirror, unless asked for less, and names the mirrors that have not confirmed it.
 */
import { z } from '@hono/zod-openapi'
import { tokenNameBytesMax, tokenPrefixBytesMax } from '../../format/items/token-setting.ts'
import { formatPath } from '../../fs/paths.ts'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { toRfc3339 } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import { jsonBody, jsonBytesMax } from '../http/body.ts'
import type { Dependencies, PrimaryDependencies, TokenRecord, TokenWish } from '../http/dependencies.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import type { Permit } from '../http/permit.ts'
import { json } from '../http/problem.ts'
import { Query, parseTime } from '../http/raw-url.ts'
import { senderOf } from '../http/sender.ts'
import { durabilityParameters, parseWish } from './durability.ts'
import { durabilityQuery, mutationHeaders } from './parameters.ts'
import {
  NewTokenShape,
  RevokedShape,
  TokenBody,
  TokenList,
  WhoamiShape,
  jsonContent,
  parseShape,
  problems,
} from './schemas.ts'
import { tokenExamples } from '../examples/tokens.ts'

const tags = ['access']
const noStore = { 'Cache-Control': 'no-store' }

const timeOrNull = (ms: number | null): string | null => (ms === null ? null : toRfc3339(ms))

const itemOf = (record: TokenRecord) => ({
  id: record.id,
  name: record.name,
  role: record.role,
  prefix: record.prefix,
  createdAt: toRfc3339(record.createdMs),
  expiresAt: timeOrNull(record.expiresMs),
  lastUsed: timeOrNull(record.lastUsedMs)?.slice(0, 'YYYY-MM-DD'.length) ?? null,
})

const listHandler =
  ({ access }: Dependencies): Handler =>
  (_request, target) => {
    Query.parse(target.query, [])
    return json(200, { items: access.tokens().map(itemOf) }, noStore)
  }

const bad = (detail: string): never => {
  throw new StillpointError('bad-json', detail)
}

function wishOf(value: unknown, permit: Permit): TokenWish {
  const { name, role, prefix = '', expiresAt } = parseShape(TokenBody, value)
  const isName = name.isWellFormed() && !/\p{Cc}/u.test(name)
  if (!isName || name === '' || encodeUtf8(name).length > tokenNameBytesMax)
    bad(`name: 1 to ${tokenNameBytesMax} bytes without control characters`)
  const path = formatPath(permit.path(prefix))
  if (encodeUtf8(path).length > tokenPrefixBytesMax) bad(`prefix: at most ${tokenPrefixBytesMax} bytes`)
  if (path !== '' && role !== 'reader' && role !== 'writer')
    bad(`prefix: a ${role} is not about paths, so only readers and writers have a prefix`)
  const expires =
    expiresAt === undefined ? null : (parseTime(expiresAt) ?? bad('expiresAt: RFC 3339 with a zone'))
  return { name, role, prefix: path, expiresMs: expires?.ms ?? null }
}

const createHandler =
  (dependencies: PrimaryDependencies): Handler =>
  async (request, target, permit) => {
    const { tokens, limits } = dependencies
    const wish = parseWish(Query.parse(target.query, durabilityParameters), limits.mirrorsMax)
    const asked = wishOf(await jsonBody(request, jsonBytesMax, permit), permit)
    const { applied, token, record } = await permit.change(() => tokens.create(asked))
    const { id, name, role, prefix } = record
    dependencies.audit({
      event: 'token-created',
      ...senderOf(request, permit.who, dependencies),
      what: `token ${id}, ${role} of /${prefix}: ${name}`,
    })
    const durability = await dependencies.reach(applied, wish)
    const { lastUsed: _, ...item } = itemOf(record)
    const body = { ...item, token, cp: applied.cp, durability }
    return json(201, body, {
      ...noStore,
      ...reached(applied.cp, durability),
      Location: `/v1/tokens/${record.id}`,
    })
  }

const revokeHandler =
  (dependencies: PrimaryDependencies): Handler =>
  async (request, target, permit) => {
    const { tokens, limits, mirrors } = dependencies
    const query = Query.parse(target.query, durabilityParameters)
    const there = (await mirrors.list()).length
    const level = there > 0 ? 'mirrored' : 'committed'
    const wish = parseWish(query, limits.mirrorsMax, level)
    const isGiven = query.text('mirrors') !== null
    const tokenId = target.rest ?? ''
    const applied = await permit.change(() => tokens.revoke(tokenId))
    if (!applied) throw new StillpointError('not-found', 'there is no token with this id')
    dependencies.audit({
      event: 'token-revoked',
      ...senderOf(request, permit.who, dependencies),
      what: `token ${tokenId}`,
    })
    const durability = await dependencies.reach(
      applied,
      isGiven ? wish : { ...wish, mirrors: Math.max(there, 1) },
    )
    const unconfirmed = (await mirrors.list())
      .filter(({ cp }) => cp === null || cp < applied.cp)
      .map(({ id }) => id)
    const body = { cp: applied.cp, durability, unconfirmed }
    return json(200, body, { ...noStore, ...reached(applied.cp, durability) })
  }

const reached = (cp: number, durability: string) => ({
  'Stillpoint-CP': String(cp),
  'Stillpoint-Durability': durability,
})

const whoamiHandler =
  (): Handler =>
  (_request, target, { who }) => {
    Query.parse(target.query, [])
    const { token, role, prefix } = who
    const body = {
      id: token?.id ?? null,
      name: token?.name ?? null,
      role,
      prefix: formatPath(prefix),
      expiresAt: timeOrNull(token?.expiresMs ?? null),
    }
    return json(200, body, noStore)
  }

const writeProblems = ['disk-full', 'poisoned', 'fenced', 'corrupt', 'newer-format'] as const
const { ETag: _, ...headers } = mutationHeaders

export const tokenEndpoints: readonly Endpoint[] = [
  {
    on: 'both',
    method: 'get',
    path: '/v1/tokens',
    access: { action: 'administer' },
    handler: listHandler,
    examples: tokenExamples.list,
    contract: {
      operationId: 'listTokens',
      tags,
      summary: 'The tokens of this volume',
      description: 'Without what is secret. A mirror lists those of its newest consistency point.',
      responses: { 200: { description: 'All of them', content: jsonContent(TokenList) }, ...problems() },
    },
  },
  {
    on: 'primary',
    method: 'post',
    path: '/v1/tokens',
    access: { action: 'administer' },
    handler: createHandler,
    examples: tokenExamples.create,
    contract: {
      operationId: 'createToken',
      tags,
      summary: 'Make a token',
      description:
        'The answer is the only place that shows the token. The first token of a volume has the role `admin`: from then on nobody gets in without a token, on loopback ' +
        'too. A prefix opens the entry of that path and all below it.',
      request: {
        query: z.object(durabilityQuery),
        body: { required: true, content: jsonContent(TokenBody) },
      },
      responses: {
        201: { description: 'Made', headers, content: jsonContent(NewTokenShape) },
        ...problems(...writeProblems, 'bad-json', 'forbidden', 'too-large', 'unsupported-media-type'),
      },
    },
  },
  {
    on: 'primary',
    method: 'delete',
    path: '/v1/tokens/{id}',
    access: { action: 'administer' },
    handler: revokeHandler,
    examples: tokenExamples.revoke,
    contract: {
      operationId: 'revokeToken',
      tags,
      summary: 'Revoke a token',
      description:
        'Waits for all mirrors unless `durability` asks for less, and names those that have not confirmed: they take the ' +
        'token until they hear from their primary.',
      request: { params: z.object({ id: z.string() }), query: z.object(durabilityQuery) },
      responses: {
        200: { description: 'Revoked', headers, content: jsonContent(RevokedShape) },
        ...problems(...writeProblems, 'not-found'),
      },
    },
  },
  {
    on: 'both',
    method: 'get',
    path: '/v1/whoami',
    access: { action: 'identify' },
    handler: whoamiHandler,
    examples: tokenExamples.whoami,
    contract: {
      operationId: 'whoami',
      tags,
      summary: 'Whose token this request carries',
      description: 'And what it opens. Without a token, where none is needed: the role that everybody has.',
      responses: { 200: { description: 'The token', content: jsonContent(WhoamiShape) }, ...problems() },
    },
  },
]
