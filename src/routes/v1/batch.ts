/** POST /v1/batch: applies several operations in order, all of them or none, in one CP. */
import { z } from '@hono/zod-openapi'
import { type BatchOperation, batchBytesMax, batchOperationsMax } from '../../fs/contract.ts'
import { unreachable } from '../../lib/assert.ts'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import { checkContentType, checkMeta, noTime, parseModified, parseMode } from './attributes.ts'
import { contentLength, jsonBody } from '../http/body.ts'
import type { PrimaryDependencies } from '../http/dependencies.ts'
import { answerMutation, durabilityParameters, parseWish } from './durability.ts'
import { headerValues } from '../http/header-values.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import { durabilityQuery, mutationHeaders } from './parameters.ts'
import type { Permit } from '../http/permit.ts'
import { toConditions } from '../http/preconditions.ts'
import { Query } from '../http/raw-url.ts'
import { BatchAnswer, BatchBody, type BatchItem, jsonContent, parseShape, problems } from './schemas.ts'
import { batchExamples } from '../examples/several.ts'

/** A batch takes several times its length in memory while it is received and applied. */
const memoryPerByte = 3
/** A batch up to this size does not wait: beside large batches the memory of a small one does not count. */
const largeBytesMin = 64 * 1024

const batchHandler = (dependencies: PrimaryDependencies): Handler => {
  const { files, limits, resources } = dependencies
  const apply = async (request: Request, permit: Permit) => {
    const value = await jsonBody(request, batchBytesMax, permit)
    refuseTooMany(value)
    const { operations } = parseShape(BatchBody, value)
    const parsed = operations.map((item, index) => parseOperation(item, index, permit))
    for (const item of parsed) if (item.op === 'put') resources.traffic.receivedBytes += item.content.length
    return permit.change(() => files.batch(parsed))
  }
  return async (request, target, permit) => {
    const wish = parseWish(Query.parse(target.query, durabilityParameters), limits.mirrorsMax)
    const length = contentLength(headerValues(request.headers)) ?? batchBytesMax
    const isLarge = length > largeBytesMin && length <= batchBytesMax
    const applied = await (isLarge
      ? resources.upload(request, length * memoryPerByte, () => apply(request, permit))
      : apply(request, permit))
    const results = applied.result.map(({ status, etag }) => ({
      status,
      etag: etag === null ? null : `"${etag}"`,
    }))
    return answerMutation(dependencies, wish, { status: 200, applied, etag: null, fields: { results } })
  }
}

/** Refuses a batch before the schema looks at a million operations. */
function refuseTooMany(value: unknown): void {
  if (typeof value !== 'object' || value === null || !('operations' in value)) return
  const { operations } = value
  if (!Array.isArray(operations) || operations.length <= batchOperationsMax) return
  throw new StillpointError('too-large', `a batch has at most ${batchOperationsMax} operations`)
}

function parseOperation(item: BatchItem, index: number, permit: Permit): BatchOperation {
  try {
    return toOperation(item, permit)
  } catch (error) {
    if (!(error instanceof StillpointError)) throw error
    throw new StillpointError(error.code, error.message, { ...error.help, index })
  }
}

function toOperation(item: BatchItem, permit: Permit): BatchOperation {
  switch (item.op) {
    case 'put':
      return {
        op: 'put',
        path: permit.path(item.path),
        content: contentOf(item.content, item.text),
        contentType:
          item.contentType === undefined ? null : checkContentType(item.contentType, 'contentType'),
        ...attributesOf(item),
        ...toConditions(item.ifMatch, item.ifNoneMatch),
      }
    case 'delete':
      return {
        op: 'delete',
        path: permit.path(item.path),
        recursive: item.recursive ?? false,
        ...toConditions(item.ifMatch, item.ifNoneMatch),
      }
    case 'mkdir':
      return { op: 'mkdir', path: permit.path(item.path), ...attributesOf(item) }
    case 'move':
      return {
        op: 'move',
        from: permit.path(item.from),
        to: permit.path(item.to),
        overwrite: item.overwrite ?? false,
        ...toConditions(item.ifMatch, item.ifNoneMatch),
      }
    default:
      return unreachable(item)
  }
}

function attributesOf(item: {
  meta?: Record<string, string> | undefined
  mode?: string | undefined
  modified?: string | undefined
}) {
  return {
    meta: item.meta === undefined ? {} : checkMeta(lowerCase(item.meta)),
    mode: item.mode === undefined ? null : parseMode(item.mode, 'mode'),
    ...(item.modified === undefined ? noTime : parseModified(item.modified, 'modified')),
  }
}

/** Names of metadata have no case, because names of headers have none. */
function lowerCase(meta: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(meta).map(([name, value]) => [name.toLowerCase(), value]))
}

function contentOf(content: string | undefined, text: string | undefined): Uint8Array {
  if ((content === undefined) === (text === undefined)) {
    throw new StillpointError('bad-json', 'a put has either content (base64) or text')
  }
  if (text !== undefined) {
    if (!text.isWellFormed()) throw new StillpointError('bad-json', 'text has a lone surrogate')
    return encodeUtf8(text)
  }
  const encoded = content!
  const bytes = new Uint8Array(Buffer.from(encoded, 'base64'))
  // Buffer skips characters that are not base64, so only the exact form is accepted, with or without padding.
  const padded = encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '=')
  if (Buffer.from(bytes).toString('base64') !== padded) {
    throw new StillpointError('bad-json', 'content is not base64')
  }
  return bytes
}

export const batchEndpoints: readonly Endpoint[] = [
  {
    on: 'primary',
    method: 'post',
    path: '/v1/batch',
    access: { action: 'write', paths: 'in the body' },
    handler: batchHandler,
    examples: batchExamples,
    contract: {
      operationId: 'batch',
      tags: ['several'],
      summary: 'Several operations, all or nothing',
      description:
        `Up to ${batchOperationsMax} operations, applied in order: later ones see earlier ones, and a consistency point has all ` +
        'of them or none. When one fails, the answer is its problem with its `index`, and nothing is applied.',
      request: {
        query: z.object(durabilityQuery),
        body: { required: true, content: jsonContent(BatchBody) },
      },
      responses: {
        200: { description: 'All applied', headers: mutationHeaders, content: jsonContent(BatchAnswer) },
        ...problems(
          'bad-json',
          'metadata-too-large',
          'not-found',
          'exists',
          'into-itself',
          'is-a-directory',
          'not-a-directory',
          'directory-not-empty',
          'precondition-failed',
          'too-large',
          'unsupported-media-type',
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
