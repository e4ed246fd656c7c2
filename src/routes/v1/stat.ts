/** /v1/stat/{path}: the attributes of an entry; the address without a path is the root. */
import { z } from '@hono/zod-openapi'
import { type Path, formatPath, parseUrlPath, rootPath } from '../../fs/paths.ts'
import { StillpointError } from '../../lib/errors.ts'
import { statFields } from './attributes.ts'
import type { Dependencies } from '../http/dependencies.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import { cpHeader, pathParam, readingQuery } from './parameters.ts'
import { json } from '../http/problem.ts'
import { Query, type RequestTarget } from '../http/raw-url.ts'
import { answerFrom, parseWanted, readingParameters } from './reading.ts'
import { StatShape, jsonContent, problems } from './schemas.ts'
import { fileExamples } from '../examples/files.ts'

/**
 * Path of a route whose address without a path is the root. That address with a slash behind has an empty segment.
 */
export function pathOrRoot({ rest }: RequestTarget): Path {
  if (rest === null) return rootPath
  if (rest === '') {
    throw new StillpointError('bad-path', 'a segment is empty; the root is the address without the slash', {
      reason: 'a segment is empty',
    })
  }
  return parseUrlPath(rest)
}

const statHandler =
  (dependencies: Dependencies): Handler =>
  async (request, target, permit) => {
    const path = pathOrRoot(target)
    const wanted = parseWanted(Query.parse(target.query, readingParameters))
    return answerFrom(dependencies, wanted, request, permit, async (view) => {
      const stat = await view.stat(path)
      const { cp } = view
      return json(200, { path: formatPath(path), ...statFields(stat, cp) }, { 'Stillpoint-CP': String(cp) })
    })
  }

const contract = (root: boolean): Endpoint['contract'] => ({
  operationId: root ? 'getRootStat' : 'getStat',
  tags: ['files'],
  summary: root ? 'Attributes of the root' : 'Attributes of a file, directory or link',
  description: 'A link is not followed: `target` says where it points to.',
  request: { ...(root ? {} : { params: pathParam }), query: z.object(readingQuery) },
  responses: {
    200: { description: 'The attributes', headers: cpHeader, content: jsonContent(StatShape) },
    ...problems(
      ...(root ? [] : (['not-found', 'not-a-directory'] as const)),
      'cp-gone',
      'not-yet',
      'too-many-pins',
      'corrupt',
      'newer-format',
    ),
  },
})

export const statEndpoints: readonly Endpoint[] = [
  {
    on: 'both',
    method: 'get',
    path: '/v1/stat',
    access: { action: 'read', paths: 'in the address' },
    handler: statHandler,
    examples: fileExamples.rootStat,
    contract: contract(true),
  },
  {
    on: 'both',
    method: 'get',
    path: '/v1/stat/{path}',
    access: { action: 'read', paths: 'in the address' },
    handler: statHandler,
    examples: fileExamples.stat,
    contract: contract(false),
  },
]
