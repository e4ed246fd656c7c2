/** /v1/stat/{path}: attributes; without a path the root. */
import { z } from '@hono/zod-openapi'
import { type Path, formatPath, parseUrlPath, rootPath } from '../../fs/paths.ts'
import { StillpointError } from '../../lib/errors.ts'
import { statFields } from './attributes.ts'
import type { Dependencies } from '../http/dependencies.ts'
import type { Handler, Operation } from '../http/endpoint.ts'
import { cpHeader, pathParam, readingQuery } from './parameters.ts'
import { json } from '../http/problem.ts'
import { Query, type Target } from '../http/raw-url.ts'
import { answerFrom, parseWanted, readingParameters } from './reading.ts'
import { StatShape, jsonContent, problems } from './schemas.ts'

/** A route that may be called without a path, then it is the root; a slash behind it is an empty segment. */
export function pathOrRoot({ rest }: Target): Path {
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
  async (_request, target) => {
    const path = pathOrRoot(target)
    const wanted = parseWanted(Query.parse(target.query, readingParameters))
    return answerFrom(dependencies, wanted, async (view) => {
      const stat = await view.stat(path)
      const { cp } = view
      return json(200, { path: formatPath(path), ...statFields(stat, cp) }, { 'Stillpoint-CP': String(cp) })
    })
  }

const contract = (root: boolean): Operation['contract'] => ({
  operationId: root ? 'getRootStat' : 'getStat',
  tags: ['files'],
  summary: root ? 'Attributes of the root' : 'Attributes of a file, directory or link',
  request: { ...(root ? {} : { params: pathParam }), query: z.object(readingQuery) },
  responses: {
    200: { description: 'The attributes', headers: cpHeader, content: jsonContent(StatShape) },
    ...problems(
      ...(root ? ([] as const) : (['bad-path', 'not-found', 'not-a-directory'] as const)),
      'cp-gone',
      'cp-lost',
      'not-yet',
      'too-many-pins',
      'corrupt',
      'newer-format',
    ),
  },
})

export const statOperations: readonly Operation[] = [
  { on: 'both', method: 'get', path: '/v1/stat', handler: statHandler, contract: contract(true) },
  { on: 'both', method: 'get', path: '/v1/stat/{path}', handler: statHandler, contract: contract(false) },
]
