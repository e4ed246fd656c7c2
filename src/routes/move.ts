/** POST /v1/move: one step, whatever the size of what is moved. */
import { z } from '@hono/zod-openapi'
import { formatPath, parsePlainPath } from '../fs/paths.ts'
import { jsonBody, jsonBytesMax } from './body.ts'
import type { PrimaryDependencies } from './dependencies.ts'
import { answerMutation, durabilityParameters, parseWish, writtenMutation } from './durability.ts'
import type { Handler, Operation } from './operation.ts'
import { durabilityQuery, mutationHeaders } from './parameters.ts'
import { toConditions } from './preconditions.ts'
import { Query } from './raw-url.ts'
import { MoveBody, WrittenEntry, jsonContent, parseShape, problems } from './schemas.ts'

const moveHandler =
  (dependencies: PrimaryDependencies): Handler =>
  async (request, target) => {
    const { files, limits } = dependencies
    const wish = parseWish(Query.parse(target.query, durabilityParameters), limits.mirrorsMax)
    const body = parseShape(MoveBody, await jsonBody(request, jsonBytesMax))
    const from = parsePlainPath(body.from)
    const to = parsePlainPath(body.to)
    const conditions = toConditions(body.ifMatch)
    const written = await files.move(from, to, { ...conditions, overwrite: body.overwrite })
    return answerMutation(dependencies, wish, writtenMutation(formatPath(to), written))
  }

export const moveOperations: readonly Operation[] = [
  {
    on: 'primary',
    method: 'post',
    path: '/v1/move',
    handler: moveHandler,
    contract: {
      operationId: 'move',
      tags: ['several'],
      summary: 'Rename a file, link or directory',
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
          'bad-path',
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
        ),
      },
    },
  },
]
