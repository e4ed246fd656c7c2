/** Parts that both roles have around their volume: the door, its limits, and the failure that ends the server. */
import type { ServerConfiguration } from './configuration/configuration.ts'
import { isLoopback } from './configuration/listen.ts'
import { bufferedBytesMax } from '../fs/contract.ts'
import { memberUrlBytesMax, membersMax } from '../format/geometry.ts'
import { type HttpServer, type Mount, startHttpServer } from '../routes/http/server.ts'
import type { Clock } from '../lib/clock.ts'
import { logger } from '../lib/log.ts'
import type { Limits } from '../routes/http/dependencies.ts'

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

const everywhere: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]'])

/** True when the text is an address of this server, as far as names tell: a proxy in front has another address. */
export function isAddressOf(
  text: string,
  { hostname, port }: Pick<HttpServer, 'hostname' | 'port'>,
): boolean {
  const url = URL.parse(text)
  if (!url || Number(url.port || (url.protocol === 'https:' ? 443 : 80)) !== port) return false
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (host === hostname.toLowerCase()) return true
  return isLoopback(host) && (isLoopback(hostname) || everywhere.has(hostname))
}
