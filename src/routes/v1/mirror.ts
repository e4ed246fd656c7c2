/** GET /v1/mirror, on a mirror only: the mirror's own status. */
import { toRfc3339 } from '../../lib/clock.ts'
import type { MirrorDependencies } from '../http/dependencies.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import { cpHeader } from './parameters.ts'
import { json } from '../http/problem.ts'
import { Query } from '../http/raw-url.ts'
import { MirrorStatusShape, jsonContent, problems } from './schemas.ts'
import { mirrorExamples } from '../examples/mirrors.ts'

const statusHandler =
  (dependencies: MirrorDependencies): Handler =>
  (_request, target) => {
    Query.parse(target.query, [])
    const { lastSeenMs, ...known } = dependencies.status()
    const body = {
      id: known.id,
      volume: known.volume,
      state: known.state,
      cp: known.cp,
      targetCp: known.targetCp,
      lagCps: known.lagCps,
      lagMs: known.lagMs,
      needs: known.needs,
      lastSeen: lastSeenMs === null ? null : toRfc3339(lastSeenMs),
    }
    return json(200, body, { 'Stillpoint-CP': String(known.cp) })
  }

export const mirrorEndpoints: readonly Endpoint[] = [
  {
    on: 'mirror',
    method: 'get',
    path: '/v1/mirror',
    access: { action: 'monitor' },
    handler: statusHandler,
    examples: mirrorExamples.own,
    contract: {
      operationId: 'getMirror',
      tags: ['mirrors'],
      summary: 'This mirror',
      description: 'The consistency point that it serves, the one that it receives, and what it waits for.',
      responses: {
        200: { description: 'Its state', headers: cpHeader, content: jsonContent(MirrorStatusShape) },
        ...problems(),
      },
    },
  },
]
