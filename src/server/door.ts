/** Parts that both roles have around their volume: the door, its limits, and the failure that ends the server. */
import type { Catalog } from '../catalog/catalog.ts'
import type { ServerConfiguration } from './configuration/configuration.ts'
import { bufferedBytesMax } from '../fs/contract.ts'
import { memberUrlBytesMax, membersMax } from '../format/geometry.ts'
import { type HttpServer, type Mount, startHttpServer } from '../routes/http/server.ts'
import type { Clock } from '../lib/clock.ts'
import { logger } from '../lib/log.ts'
import type { Gauge, Limits } from '../routes/http/dependencies.ts'

const log = logger('server')

export const limits: Limits = {
  bufferedBytesMax,
  mirrorUrlBytesMax: memberUrlBytesMax,
  mirrorsMax: membersMax,
}

/** Longest time for answers in progress: `drainMsMax` when the server stops, `abandonMsMax` after a failure. */
export const drainMsMax = 10_000
export const abandonMsMax = 200

/** Keeps the first failure of a server, which makes the server not ready; `happened` resolves with that failure. */
export class Failure {
  private readonly resolvers = Promise.withResolvers<Error>()
  private firstError: Error | null = null

  readonly happened = this.resolvers.promise

  get first(): Error | null {
    return this.firstError
  }

  report(what: string, cause: unknown): void {
    if (this.firstError) return
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.firstError = new Error(`${what}: ${reason}`, { cause })
    log.fatal(what, { reason, stack: cause instanceof Error ? cause.stack : undefined })
    this.resolvers.resolve(this.firstError)
  }
}

export function listen(
  configuration: ServerConfiguration,
  clock: Clock,
  mounts: readonly Mount[],
): HttpServer {
  const { host, port } = configuration.listen
  return startHttpServer({ hostname: host, port, mounts, clock })
}

export const catalogGauges = (catalog: Catalog): readonly Gauge[] => [
  {
    name: 'catalog_dropped_rows',
    help: 'Rows that the catalog could not take in time',
    value: catalog.dropped,
  },
]
