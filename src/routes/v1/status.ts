/** GET /v1/status: the server as a whole, in either role. */
import { build } from '../../lib/build.ts'
import { systemExamples } from '../examples/system.ts'
import type { Dependencies } from '../http/dependencies.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import { cpHeader } from './parameters.ts'
import { json } from '../http/problem.ts'
import { Query } from '../http/raw-url.ts'
import { ServerStatusShape, problems } from './schemas.ts'

const statusHandler =
  (dependencies: Dependencies): Handler =>
  (_request, target) => {
    Query.parse(target.query, [])
    const { role, clock, views } = dependencies
    const { epoch, opening, format, startedMs, space, catalog } = dependencies.serverStatus()
    const { ok, reason } = dependencies.ready()
    const cp = views.isEmpty ? 0 : views.publishedCp()
    const body = {
      role,
      ready: ok,
      reason: reason === '' ? null : reason,
      cp,
      epoch,
      opening,
      version: build.version,
      commit: build.commit,
      format,
      uptimeMs: Math.floor(clock.monotonic() - startedMs),
      space: {
        usedBytes: space.usedBytes,
        freeBytes: space.freeBytes,
        writableBytes: space.writableBytes,
        pendingBytes: space.pendingBytes,
        maxBytes: space.maxBytes,
        fileBytes: space.fileBytes,
      },
      catalog: {
        state: catalog.state,
        cp: catalog.cp,
        behindCps: catalog.behindCps,
        behindMs: Math.floor(catalog.behindMs),
      },
    }
    return json(200, body, { 'Stillpoint-CP': String(cp) })
  }

export const statusEndpoints: readonly Endpoint[] = [
  {
    on: 'both',
    method: 'get',
    path: '/v1/status',
    access: { action: 'monitor' },
    handler: statusHandler,
    examples: systemExamples.status,
    contract: {
      operationId: 'getStatus',
      tags: ['system'],
      summary: 'This server: role, consistency point, version, space, catalog',
      description:
        'How mirroring goes is said by `GET /v1/mirrors` of a primary and `GET /v1/mirror` of a mirror. It is answered also ' +
        'while the server is not ready; `reason` then says why, and on a server that is ready why it takes no writes.',
      responses: {
        200: {
          description: 'Its state',
          headers: cpHeader,
          content: { 'application/json': { schema: ServerStatusShape } },
        },
        ...problems(),
      },
    },
  },
]
