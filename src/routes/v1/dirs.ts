/**
 * /v1/dirs/{path}: routes that make, list and delete directories; the address without a path is the root.
 *
 * - All pages of a listing are of one CP.
 * - A listing that fits one page may come from the open tree. Otherwise the first page already comes from a CP that
 *   contains everything written before; that CP is kept while the client asks for the other pages.
 */
import { z } from '@hono/zod-openapi'
import {
  type Listing,
  type Preconditions,
  type ReadView,
  listLimitMax,
  listedContentBytesMax,
} from '../../fs/contract.ts'
import { type Path, formatPath, parseListedPath } from '../../fs/paths.ts'
import { StillpointError } from '../../lib/errors.ts'
import { Breaks } from '../../lib/breaks.ts'
import { parseAttributes, statFields } from './attributes.ts'
import { hasBody } from '../http/body.ts'
import { badCursor, makeCursor, readCursor } from '../http/cursor.ts'
import type { Dependencies, PrimaryDependencies } from '../http/dependencies.ts'
import { answerMutation, durabilityParameters, parseWish, writtenMutation } from './durability.ts'
import { headerValues } from '../http/header-values.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import {
  attributeHeaders,
  cpHeader,
  durabilityQuery,
  metaRequest,
  metaSentence,
  mutationHeaders,
  pathParam,
  readingQuery,
  writeConditionHeaders,
} from './parameters.ts'
import { conditionsOf, parseTags } from '../http/preconditions.ts'
import { json, problem } from '../http/problem.ts'
import { Query } from '../http/raw-url.ts'
import { openWanted, parseWanted, readingParameters } from './reading.ts'
import { ListingShape, WrittenEntry, jsonContent, problems } from './schemas.ts'
import { pathOrRoot } from './stat.ts'
import { directoryExamples } from '../examples/directories.ts'

const limitDefault = 100
const tags = ['directories']
const address = '/v1/dirs/{path}'

interface Position {
  readonly cp: number
  /** Name of one listing; the CP of the listing is kept under this name until the listing ends. */
  readonly listing: string
  readonly after: readonly string[]
}

interface Page {
  readonly path: Path
  readonly limit: number
  readonly recursive: boolean
  readonly contentBytesMax: number
  readonly pause: () => Promise<void>
}

const scopeOf = ({ path, recursive }: Page): readonly unknown[] => ['dirs', formatPath(path), recursive]

function parsePosition(page: Page, cursor: string): Position {
  const [cp, listing, after] = readCursor(scopeOf(page), cursor)
  if (typeof cp !== 'number' || typeof listing !== 'string' || typeof after !== 'string') throw badCursor()
  return { cp, listing, after: parseListedPath(after) }
}

const listingNameBytes = 12

const listHandler = (dependencies: Dependencies): Handler => {
  const { views, clock, random, resources } = dependencies
  return async (request, target, permit) => {
    const query = Query.parse(target.query, [...readingParameters, 'limit', 'cursor', 'recursive', 'content'])
    const breaks = new Breaks(clock)
    // A client that misses a content reads the file itself.
    const contentOf = (bytes: number | null) => (resources.isCrowded ? 0 : (bytes ?? 0))
    const page: Page = {
      path: pathOrRoot(target),
      limit: query.integer('limit', 1, listLimitMax) ?? limitDefault,
      recursive: query.flag('recursive'),
      contentBytesMax: contentOf(query.integer('content', 1, listedContentBytesMax)),
      pause: () => breaks.maybe(),
    }
    const wanted = parseWanted(query)
    const cursor = query.text('cursor')
    if (cursor !== null) {
      const position = parsePosition(page, cursor)
      if (wanted.minCp !== null || wanted.atMs !== null) {
        throw new StillpointError('bad-parameter', 'a cursor has its consistency point', {
          parameter: 'cursor',
        })
      }
      if (wanted.cp !== null && wanted.cp !== position.cp) throw badCursor()
      const view = views.atListing(position.cp, position.listing, resources.clientOf(request))
      const { response, ended } = await answerPage(view, page, position.listing, position.after)
      if (ended) views.endListing(position.cp, position.listing)
      return response
    }
    // The name is random: a client that knows the name of a listing can end the listing.
    const listing = Buffer.from(random.bytes(listingNameBytes)).toString('base64url')
    const view = await openWanted(dependencies, wanted, request, permit)
    // A CP that the request named is kept already. The newest image is not kept, and the open tree moves on.
    if (wanted.cp !== null || wanted.atMs !== null) {
      const { response, ended, cp } = await answerPage(view, page, listing, null)
      if (!ended) {
        await permit.renew()
        views.atListing(cp, listing, resources.clientOf(request)).release()
      }
      return response
    }
    const first = await answerPage(view, page, listing, null)
    if (first.ended) return first.response
    // This takes a consistency point when something has been written since the last one.
    const settled = await permit.change(() => {
      resources.forceCp(request)
      return views.settled(listing, resources.clientOf(request))
    })
    return (await answerPage(settled, page, listing, null)).response
  }
}

/** Releases the view. A StillpointError becomes an answer that names the CP of the view. */
async function answerPage(
  view: ReadView,
  page: Page,
  listing: string,
  after: readonly string[] | null,
): Promise<{ readonly response: Response; readonly ended: boolean; readonly cp: number }> {
  try {
    const { limit, recursive, contentBytesMax, pause } = page
    const found = await view.list(page.path, { after, limit, recursive, contentBytesMax, pause })
    const { cp } = view
    const body = listingBody(page, found, cp, listing)
    const response = json(200, body, { 'Stillpoint-CP': String(cp) })
    return { response, ended: found.next === null, cp }
  } catch (error) {
    if (!(error instanceof StillpointError)) throw error
    return { response: problem(error, { 'Stillpoint-CP': String(view.cp) }), ended: true, cp: view.cp }
  } finally {
    view.release()
  }
}

function listingBody(page: Page, found: Listing, cp: number, listing: string) {
  const entries = found.entries.map((entry) => ({
    name: entry.path[entry.path.length - 1],
    path: entry.path.join('/'),
    ...statFields(entry.stat, cp),
    ...(entry.content ? { content: toBase64(entry.content) } : {}),
  }))
  const next = found.next === null ? null : makeCursor(scopeOf(page), [cp, listing, found.next.join('/')])
  return { cp, path: formatPath(page.path), entries, next }
}

const toBase64 = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString('base64')

const makeDirectoryHandler =
  (dependencies: PrimaryDependencies): Handler =>
  async (request, target, permit) => {
    const { files, limits } = dependencies
    const path = pathOrRoot(target)
    const wish = parseWish(Query.parse(target.query, durabilityParameters), limits.mirrorsMax)
    const headers = headerValues(request.headers)
    const attributes = parseAttributes(headers, false)
    if (await hasBody(request, headers)) throw new StillpointError('bad-parameter', 'a directory has no body')
    if (headers['if-match'] !== undefined) throw saysNothing('If-Match')
    if (headers['if-unmodified-since'] !== undefined) throw saysNothing('If-Unmodified-Since')
    const ifNoneMatch = headers['if-none-match']
    const createOnly = ifNoneMatch !== undefined
    if (createOnly && parseTags(ifNoneMatch, 'If-None-Match') !== '*') throw saysNothing('If-None-Match')
    const conditions: Preconditions = createOnly ? { ifNoneMatch: '*' } : {}
    const written = await permit.change(() => files.makeDirectory(path, attributes, conditions))
    return answerMutation(dependencies, wish, writtenMutation(formatPath(path), written))
  }

/**
 * A directory exists or not: a request to make one never changes a version, so a condition on a version says nothing.
 * Such a request is refused, because a condition must not be lost.
 */
const saysNothing = (parameter: string): StillpointError =>
  new StillpointError(
    'bad-parameter',
    `${parameter} says nothing about making a directory; If-None-Match: * makes only a new one`,
    { parameter },
  )

const deleteDirectoryHandler =
  (dependencies: PrimaryDependencies): Handler =>
  async (request, target, permit) => {
    const { files, limits } = dependencies
    const path = pathOrRoot(target)
    const query = Query.parse(target.query, [...durabilityParameters, 'recursive'])
    const wish = parseWish(query, limits.mirrorsMax)
    const recursive = query.flag('recursive')
    const conditions = await conditionsOf(headerValues(request.headers), path, dependencies)
    const applied = await permit.change(() => files.deleteDirectory(path, { ...conditions, recursive }))
    return answerMutation(dependencies, wish, { status: 204, applied, etag: null, fields: {} })
  }

const listContract = (root: boolean): Endpoint['contract'] => ({
  operationId: root ? 'listRoot' : 'listDirectory',
  tags,
  summary: root ? 'List the root' : 'List a directory',
  description:
    'Entries come in the order of the bytes of their names. `next` is the cursor of the next page, null on the last one; ' +
    'all pages of a listing are of one consistency point, whatever is written meanwhile.',
  request: {
    ...(root ? {} : { params: pathParam }),
    query: z.object({
      limit: z
        .int()
        .min(1)
        .max(listLimitMax)
        .optional()
        .openapi({ description: `Entries of a page; ${limitDefault} unless given` }),
      cursor: z.string().optional().openapi({ description: '`next` of the page before' }),
      recursive: z
        .boolean()
        .optional()
        .openapi({ description: 'Also list what lies below, each directory before its content' }),
      content: z.int().min(1).max(listedContentBytesMax).optional().openapi({
        description:
          'Bytes: files up to this size bring their content, where it is one record. A page may then be shorter',
      }),
      ...readingQuery,
    }),
  },
  responses: {
    200: { description: 'One page', headers: cpHeader, content: jsonContent(ListingShape) },
    ...problems(
      ...(root ? [] : (['not-found', 'not-a-directory'] as const)),
      'bad-cursor',
      'cp-gone',
      'not-yet',
      'too-many-pins',
      'corrupt',
      'newer-format',
    ),
  },
})

export const directoryEndpoints: readonly Endpoint[] = [
  {
    on: 'both',
    method: 'get',
    path: '/v1/dirs',
    access: { action: 'read', paths: 'in the address' },
    handler: listHandler,
    examples: directoryExamples.listRoot,
    contract: listContract(true),
  },
  {
    on: 'both',
    method: 'get',
    path: address,
    access: { action: 'read', paths: 'in the address' },
    handler: listHandler,
    examples: directoryExamples.list,
    contract: listContract(false),
  },
  {
    on: 'primary',
    method: 'put',
    path: address,
    access: { action: 'write', paths: 'in the address' },
    handler: makeDirectoryHandler,
    examples: directoryExamples.make,
    contract: {
      operationId: 'makeDirectory',
      tags,
      summary: 'Make a directory and the parents that are missing',
      description: `A directory that exists is left as it is. The request has no body. ${metaSentence}`,
      ...metaRequest,
      request: {
        params: pathParam,
        query: z.object(durabilityQuery),
        headers: z.object({
          'If-None-Match': z.literal('*').optional().openapi({ description: 'Only a new one' }),
          ...attributeHeaders,
        }),
      },
      responses: {
        200: { description: 'It exists', headers: mutationHeaders, content: jsonContent(WrittenEntry) },
        201: { description: 'Made', headers: mutationHeaders, content: jsonContent(WrittenEntry) },
        ...problems(
          'not-a-directory',
          'precondition-failed',
          'metadata-too-large',
          'disk-full',
          'poisoned',
          'fenced',
          'corrupt',
          'newer-format',
        ),
      },
    },
  },
  {
    on: 'primary',
    method: 'delete',
    path: address,
    access: { action: 'write', paths: 'in the address' },
    handler: deleteDirectoryHandler,
    examples: directoryExamples.delete,
    contract: {
      operationId: 'deleteDirectory',
      tags,
      summary: 'Delete a directory',
      description:
        'An empty one, unless `recursive` is given: then everything below goes in the same step, whatever its size. The ' +
        'root cannot be deleted.',
      request: {
        params: pathParam,
        query: z.object({
          recursive: z.boolean().optional().openapi({ description: 'Also delete what the directory holds' }),
          ...durabilityQuery,
        }),
        headers: z.object(writeConditionHeaders),
      },
      responses: {
        204: { description: 'Deleted', headers: mutationHeaders },
        ...problems(
          'not-found',
          'not-a-directory',
          'directory-not-empty',
          'precondition-failed',
          'disk-full',
          'poisoned',
          'fenced',
          'corrupt',
          'newer-format',
        ),
      },
    },
  },
]
