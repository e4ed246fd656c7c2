/**
 * /v1/files/{path}: routes for the content of files. These routes are hot: no handler here validates through schemas,
 * and the usual request of each kind takes one pass over its headers. `read-file.ts` has the handler of reads.
 */
import { z } from '@hono/zod-openapi'
import type { Written } from '../../fs/contract.ts'
import { formatPath } from '../../fs/paths.ts'
import { StillpointError } from '../../lib/errors.ts'
import { parseAttributes, parseLinkTarget } from './attributes.ts'
import { contentLength, fileBody, hasBody } from '../http/body.ts'
import type { PrimaryDependencies } from '../http/dependencies.ts'
import {
  answerMutation,
  durabilityParameters,
  parseWish,
  wishParser,
  writtenAnswers,
  writtenMutation,
} from './durability.ts'
import { headerValues } from '../http/header-values.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import {
  attributeHeaders,
  contentHeaders,
  durabilityQuery,
  metaAnswer,
  metaRequest,
  metaSentence,
  mutationHeaders,
  pathParam,
  rangeHeaders,
  readConditionHeaders,
  readingQuery,
  writeConditionHeaders,
} from './parameters.ts'
import { conditionsOf } from '../http/preconditions.ts'
import { Query } from '../http/raw-url.ts'
import { uploadBytes } from '../limits/resources.ts'
import { filePathOf, readHandler } from './read-file.ts'
import { PatchedFile, WrittenEntry, jsonContent, problems } from './schemas.ts'
import { fileExamples } from '../examples/files.ts'

/** A type without a schema is plain bytes: a generator that gets one makes text or JSON of them. */
const bytes = { 'application/octet-stream': { schema: {} } }
/** A file comes back with the type that it was stored with. */
const storedBytes = { ...bytes, '*/*': { schema: {} } }
const tags = ['files']
const address = '/v1/files/{path}'

const putHandler = (dependencies: PrimaryDependencies): Handler => {
  const { files, limits, resources } = dependencies
  const wishOf = wishParser(limits.mirrorsMax)
  const answerWritten = writtenAnswers()
  return async (request, target, permit) => {
    const path = filePathOf(target)
    const wish = wishOf(target.query)
    const headers = headerValues(request.headers)
    const link = headers['stillpoint-link']
    const attributes = parseAttributes(headers, link === undefined)
    const known = conditionsOf(headers, path, dependencies)
    const conditions = known instanceof Promise ? await known : known
    let written: Written
    if (link === undefined) {
      const coming = fileBody(request, headers, true, permit, resources.traffic)
      const body = coming instanceof Promise ? await coming : coming
      if (body instanceof Uint8Array)
        written = await permit.change(() => files.putFile(path, body, attributes, conditions))
      else {
        const lengthHint = contentLength(headers)
        const options = { ...conditions, lengthHint }
        written = await resources.upload(request, uploadBytes(lengthHint), () =>
          permit.change(() => files.putFile(path, body, attributes, options)),
        )
      }
    } else {
      const linkTarget = parseLinkTarget(link)
      if (await hasBody(request, headers)) {
        throw new StillpointError('bad-parameter', 'a link has no body', { parameter: 'Stillpoint-Link' })
      }
      written = await permit.change(() => files.putLink(path, linkTarget, attributes, conditions))
    }
    return answerWritten(formatPath(path), written, await dependencies.reach(written.applied, wish))
  }
}

const patchHandler = (dependencies: PrimaryDependencies): Handler => {
  const { files, limits, resources } = dependencies
  return async (request, target, permit) => {
    const path = filePathOf(target)
    const query = Query.parse(target.query, [...durabilityParameters, 'offset', 'size'])
    const wish = parseWish(query, limits.mirrorsMax)
    const size = query.integer('size', 0, Number.MAX_SAFE_INTEGER)
    const offset =
      query.text('offset') === 'end' ? 'end' : query.integer('offset', 0, Number.MAX_SAFE_INTEGER)
    if ((size === null) === (offset === null)) {
      throw new StillpointError('bad-parameter', 'give either offset or size', { parameter: 'offset' })
    }
    const headers = headerValues(request.headers)
    const conditions = await conditionsOf(headers, path, dependencies)
    if (offset === null) {
      if (await hasBody(request, headers)) {
        throw new StillpointError('bad-parameter', 'size goes with an empty body', { parameter: 'size' })
      }
      const written = await permit.change(() => files.resizeFile(path, size!, conditions))
      const mutation = writtenMutation(formatPath(path), written, { offset: written.stat.size })
      return answerMutation(dependencies, wish, { ...mutation, status: 200 })
    }
    const body = await fileBody(request, headers, false, permit, resources.traffic)
    const patch = () => permit.change(() => files.patchFile(path, offset, body, conditions))
    const written = await (body instanceof Uint8Array
      ? patch()
      : resources.upload(request, uploadBytes(contentLength(headers)), patch))
    const mutation = writtenMutation(formatPath(path), written, { offset: written.offset })
    return answerMutation(dependencies, wish, { ...mutation, status: 200 })
  }
}

const deleteHandler = (dependencies: PrimaryDependencies): Handler => {
  const { files, limits } = dependencies
  const wishOf = wishParser(limits.mirrorsMax)
  return async (request, target, permit) => {
    const path = filePathOf(target)
    const wish = wishOf(target.query)
    const conditions = await conditionsOf(headerValues(request.headers), path, dependencies)
    const applied = await permit.change(() => files.deleteFile(path, conditions))
    return answerMutation(dependencies, wish, { status: 204, applied, etag: null, fields: {} })
  }
}

const writeProblems = [
  'not-a-directory',
  'is-a-directory',
  'precondition-failed',
  'disk-full',
  'poisoned',
  'fenced',
  'corrupt',
  'newer-format',
] as const
const readProblems = [
  'not-found',
  'is-a-directory',
  'not-a-directory',
  'is-a-link',
  'precondition-failed',
  'cp-gone',
  'range-not-satisfiable',
  'not-yet',
  'too-many-pins',
  'corrupt',
  'newer-format',
] as const

const contentSentence =
  'The bytes, with the type that they were stored with. `Range` asks for a part of them; conditions, `?cp`, `?at` and ' +
  '`?minCp` say which version'

const readContract = (head: boolean): Endpoint['contract'] => ({
  operationId: head ? 'headFile' : 'getFile',
  tags,
  summary: head ? 'Headers of a file' : 'Read a file',
  description: `${head ? 'Those that a GET would answer with, without the content' : contentSentence}. ${metaSentence}`,
  ...metaAnswer,
  request: {
    params: pathParam,
    query: z.object(readingQuery),
    headers: z.object({ ...readConditionHeaders, ...(head ? {} : rangeHeaders) }),
  },
  responses: {
    200: { description: 'The file', headers: contentHeaders, ...(head ? {} : { content: storedBytes }) },
    ...(head ? {} : { 206: { description: 'The range', headers: contentHeaders, content: storedBytes } }),
    304: { description: 'Not modified', headers: contentHeaders },
    ...problems(...readProblems.filter((code) => !head || code !== 'range-not-satisfiable')),
  },
})

const writtenResponse = (description: string) => ({
  description,
  headers: mutationHeaders,
  content: jsonContent(WrittenEntry),
})

export const fileEndpoints: readonly Endpoint[] = [
  {
    on: 'both',
    method: 'get',
    path: address,
    access: { action: 'read', paths: 'in the address' },
    handler: readHandler('GET'),
    examples: fileExamples.get,
    contract: readContract(false),
  },
  {
    on: 'both',
    method: 'head',
    path: address,
    access: { action: 'read', paths: 'in the address' },
    handler: readHandler('HEAD'),
    examples: fileExamples.head,
    contract: readContract(true),
  },
  {
    on: 'primary',
    method: 'put',
    path: address,
    access: { action: 'write', paths: 'in the address' },
    handler: putHandler,
    examples: fileExamples.put,
    contract: {
      operationId: 'putFile',
      tags,
      summary: 'Write a whole file, or make a symbolic link',
      description:
        'In one step, and the parents that are missing with it: a reader sees the file of before or the whole new one. ' +
        'The bytes of the body are stored as they are, whatever `Content-Type` says, and the type is kept beside them. ' +
        `With \`Stillpoint-Link\` the entry is a symbolic link, and the request has no body. ${metaSentence}`,
      ...metaRequest,
      request: {
        params: pathParam,
        query: z.object(durabilityQuery),
        headers: z.object({
          ...writeConditionHeaders,
          ...attributeHeaders,
          'Repr-Digest': z.string().optional().openapi({ description: 'sha-256 or sha-512, checked' }),
          'Stillpoint-Link': z.string().optional().openapi({ description: 'Target of a symbolic link' }),
        }),
        body: { required: false, content: bytes },
      },
      responses: {
        200: writtenResponse('Replaced'),
        201: writtenResponse('Created'),
        ...problems(
          ...writeProblems,
          'digest-mismatch',
          'metadata-too-large',
          'too-large',
          'unsupported-media-type',
        ),
      },
    },
  },
  {
    on: 'primary',
    method: 'patch',
    path: address,
    access: { action: 'write', paths: 'in the address' },
    handler: patchHandler,
    examples: fileExamples.patch,
    contract: {
      operationId: 'patchFile',
      tags,
      summary: 'Write a range, append, truncate or extend',
      description:
        'One step. `offset` says where the body goes, with `end` behind the last byte; a gap before it reads as zeros. ' +
        '`size` truncates or extends, without a body. Type, mode and metadata stay.',
      request: {
        params: pathParam,
        query: z.object({
          offset: z.string().optional().openapi({ description: 'A number of bytes, or `end`' }),
          size: z.int().min(0).optional().openapi({ description: 'The new size; with an empty body' }),
          ...durabilityQuery,
        }),
        headers: z.object(writeConditionHeaders),
        body: { required: false, content: bytes },
      },
      responses: {
        200: { description: 'Written', headers: mutationHeaders, content: jsonContent(PatchedFile) },
        ...problems(
          ...writeProblems,
          'not-found',
          'is-a-link',
          'digest-mismatch',
          'too-large',
          'unsupported-media-type',
        ),
      },
    },
  },
  {
    on: 'primary',
    method: 'delete',
    path: address,
    access: { action: 'write', paths: 'in the address' },
    handler: deleteHandler,
    examples: fileExamples.delete,
    contract: {
      operationId: 'deleteFile',
      tags,
      summary: 'Delete a file or a symbolic link',
      description:
        'The directories above it stay, also empty ones. A link is deleted, not what it points to.',
      request: {
        params: pathParam,
        query: z.object(durabilityQuery),
        headers: z.object(writeConditionHeaders),
      },
      responses: {
        204: { description: 'Deleted', headers: mutationHeaders },
        ...problems(...writeProblems, 'not-found'),
      },
    },
  },
]
