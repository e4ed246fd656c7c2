/** Parts that both roles have around their volume: the door, its limits, and the failure that ends the server. */
import type { ServerConfiguration } from './configuration/configuration.ts'
import { formatHost, isLoopback } from './configuration/listen.ts'
import { bufferedBytesMax } from '../fs/contract.ts'
import { memberUrlBytesMax, membersMax } from '../format/geometry.ts'
import { labelMs } from '../format/position.ts'
import {
  type HttpServer,
  type Mount,
  startHttpServer,
  wrongCredentials as wrongCredentialsDefault,
} from '../routes/http/server.ts'
import { assert } from '../lib/assert.ts'
import { fromHex } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Rate } from '../lib/gates/rate-limit.ts'
import { logger } from '../lib/log.ts'
import { gauge, type Metric } from '../lib/metric.ts'
import type { Limits } from '../routes/http/dependencies.ts'
import { potsDefault } from '../routes/limits/pots.ts'
import { Refusals } from '../routes/limits/refusals.ts'
import { Resources } from '../routes/limits/resources.ts'
import { readTlsPair, stampOf, type TlsPair } from './tls/tls-pair.ts'
import { watchTls } from './tls/tls-watch.ts'

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

/** The listener of a server, and what its requests share. */
export class Door {
  readonly refusals = new Refusals()
  readonly resources: Resources
  private server: HttpServer | null = null
  private readonly tls: TlsPair | null
  private fingerprints: readonly string[]
  private stopWatching = (): void => {}

  constructor(
    private readonly configuration: ServerConfiguration,
    private readonly clock: Clock,
    private readonly wrongCredentials: Rate = wrongCredentialsDefault,
  ) {
    const { uploadBytesMax, downloadBytesMax } = configuration
    this.tls = configuration.tls && readTlsPair(configuration.tls)
    this.fingerprints = this.tls ? [this.tls.fingerprint] : []
    this.resources = new Resources({
      clock,
      refusals: this.refusals,
      uploadBytesMax,
      downloadBytesMax,
      clientOf: (request) => this.http.clientOf(request),
      requests: () => this.http.requests(),
      keepOpen: (request, isKept) => this.http.keepOpen(request, isKept),
    })
  }

  /** Only after `open`. */
  get http(): HttpServer {
    assert(this.server !== null, 'a request comes through an open door')
    return this.server
  }

  /** SHA-256 of the certificate that is shown, and of the one before, which connections may still stand on. */
  certificates(): readonly Uint8Array[] {
    return this.fingerprints.map(fromHex)
  }

  open(mounts: readonly Mount[]): HttpServer {
    const { configuration, clock, refusals } = this
    const { listen, corsOrigins, idleSeconds, requestsMax, clientRequestsMax } = configuration
    const shares = { most: requestsMax, mostOfClient: clientRequestsMax }
    this.server = startHttpServer({
      hostname: listen.host,
      port: listen.port,
      mounts,
      clock,
      hosts: hostsOf(configuration),
      corsOrigins,
      idleSeconds,
      pots: { ...potsDefault, requests: shares, waits: shares },
      refusals,
      tls: this.tls,
      wrongCredentials: this.wrongCredentials,
    })
    this.watch(this.server)
    return this.server
  }

  private watch(server: HttpServer): void {
    const { clock, tls } = this
    const files = this.configuration.tls
    if (!tls || !files) return
    sayExpiry(tls, clock)
    this.stopWatching = watchTls({
      clock,
      current: tls,
      stamp: () => stampOf(files),
      read: () => readTlsPair(files),
      take: (pair) => {
        server.renew(pair)
        this.fingerprints = [pair.fingerprint, ...this.fingerprints].slice(0, 2)
        log.info('a new certificate is in force', { fingerprint: pair.fingerprint })
        sayExpiry(pair, clock)
      },
    })
  }

  /** Lets answers in progress end, for at most `graceMs`. */
  close(graceMs: number): Promise<void> {
    this.stopWatching()
    return this.http.stop(graceMs)
  }
}

function sayExpiry({ expiresAtMs, fingerprint }: TlsPair, clock: Clock): void {
  if (expiresAtMs < labelMs(clock))
    log.warning('the certificate has expired: clients refuse it', { fingerprint })
}

/**
 * Names that a Host header may have; null means any. A web page can point its own name to any address, but not the
 * names of this list: loopback, the address of `--listen`, and what the operator allows.
 */
export function hostsOf({
  listen,
  allowedHosts,
}: Pick<ServerConfiguration, 'listen' | 'allowedHosts'>): readonly string[] | null {
  if (!isLoopback(listen.host) && allowedHosts.length === 0) return null
  return ['127.0.0.1', '[::1]', 'localhost', formatHost(listen.host), ...allowedHosts]
}

/** How much of what is shared is in use. */
export const doorMetrics = ({ resources }: Door): readonly Metric[] => [
  gauge('stillpoint_upload_bytes', 'Memory that uploads in progress may take', resources.uploads.bytes),
  gauge('stillpoint_uploads_waiting', 'Uploads that wait for memory', resources.uploads.waiters),
  gauge(
    'stillpoint_answer_bytes',
    'Bytes of long answers that clients have yet to take',
    resources.answers.bytes,
  ),
  gauge('stillpoint_answers_streaming', 'Long answers on their way', resources.streaming),
  gauge('stillpoint_event_streams', 'Clients that follow the events', resources.following),
]
