/** POST /v1/move: moves an entry in one step, whatever the size of the entry. */
import { z } from '@hono/zod-openapi'
import { depthMax, formatPath, pathBytesMax } from '../../fs/paths.ts'
import { jsonBody, jsonBytesMax } from '../http/body.ts'
import type { PrimaryDependencies } from '../http/dependencies.ts'
import { answerMutation, durabilityParameters, parseWish, writtenMutation } from './durability.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import { durabilityQuery, mutationHeaders } from './parameters.ts'
import { toConditions } from '../http/preconditions.ts'
import { Query } from '../http/raw-url.ts'
import { MoveBody, WrittenEntry, jsonContent, parseShape, problems } from './schemas.ts'
import { moveExamples } from '../examples/several.ts'

const moveHandler =
  (dependencies: PrimaryDependencies): Handler =>
  async (request, target, permit) => {
    const { files, limits } = dependencies
    const wish = parseWish(Query.parse(target.query, durabilityParameters), limits.mirrorsMax)
    const body = parseShape(MoveBody, await jsonBody(request, jsonBytesMax, permit))
    const from = permit.path(body.from)
    const to = permit.path(body.to)
    const conditions = toConditions(body.ifMatch)
    const written = await permit.change(() =>
      files.move(from, to, { ...conditions, overwrite: body.overwrite ?? false }),
    )
    return answerMutation(dependencies, wish, writtenMutation(formatPath(to), written))
  }

export const moveEndpoints: readonly Endpoint[] = [
  {
    on: 'primary',
    method: 'post',
    path: '/v1/move',
    access: { action: 'write', paths: 'in the body' },
    handler: moveHandler,
    examples: moveExamples,
    contract: {
      operationId: 'move',
      tags: ['several'],
      summary: 'Rename a file, link or directory',
      description:
        'One step, whatever lies below, so nobody looks how deep that is. What comes to lie deeper than a path can ' +
        `name (${depthMax} segments, ${pathBytesMax} bytes) keeps its content, and is listed and deleted with the ` +
        'directories above it; to be named again it has to be moved up, with one of them.',
      request: {
        query: z.object(durabilityQuery),
        body: { required: true, content: jsonContent(MoveBody) },
      },
      responses: {
        200: {
          description: 'Moved over what was there, or onto itself',
          headers: mutationHeaders,
          content: jsonContent(WrittenEntry),
        },
        201: { description: 'Moved', headers: mutationHeaders, content: jsonContent(WrittenEntry) },
        ...problems(
          'bad-json',
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
