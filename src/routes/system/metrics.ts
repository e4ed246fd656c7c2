/**
 * The metrics of one app, in a registry of its own.
 *
 * - Requests are counted in a plain map, and the registry gets the counts when a client asks for the metrics: a
 *   labelled counter costs more than the rest of a small request.
 * - The library is loaded when a client asks for the first time: the library brings a hundred modules along, for
 *   which opening a volume would have to wait.
 */
import type { Registry } from 'prom-client'
import type { Gauge } from '../http/dependencies.ts'
import type { Refusals } from '../limits/refusals.ts'

type Counts = ReadonlyMap<string, ReadonlyMap<number, { readonly requests: number; readonly ms: number }>>

export class AppMetrics {
  private readonly counts = new Map<string, Map<number, { requests: number; ms: number }>>()
  private registry: Promise<Registry> | null = null

  constructor(
    private readonly gauges: () => readonly Gauge[],
    private readonly refusals: Refusals,
  ) {}

  count(endpoint: string, status: number, ms: number): void {
    let byStatus = this.counts.get(endpoint)
    if (!byStatus) this.counts.set(endpoint, (byStatus = new Map<number, { requests: number; ms: number }>()))
    const count = byStatus.get(status)
    if (count) {
      count.requests++
      count.ms += ms
    } else byStatus.set(status, { requests: 1, ms })
  }

  async text(): Promise<{ readonly contentType: string; readonly text: string }> {
    this.registry ??= makeRegistry(this.counts, this.gauges, this.refusals)
    const registry = await this.registry
    return { contentType: registry.contentType, text: await registry.metrics() }
  }
}

async function makeRegistry(
  counts: Counts,
  gauges: () => readonly Gauge[],
  refusals: Refusals,
): Promise<Registry> {
  const prometheus = await import('prom-client')
  const registry = new prometheus.Registry()
  const labelNames = ['endpoint', 'status'] as const
  registry.registerMetric(
    new prometheus.Counter({
      name: 'stillpoint_http_requests_total',
      help: 'Requests answered, by endpoint and status',
      labelNames,
      registers: [],
      collect() {
        this.reset()
        for (const [endpoint, byStatus] of counts) {
          for (const [status, count] of byStatus) this.inc({ endpoint, status }, count.requests)
        }
      },
    }),
  )
  registry.registerMetric(
    new prometheus.Counter({
      name: 'stillpoint_http_request_seconds_total',
      help: 'Time until the answer began, summed',
      labelNames,
      registers: [],
      collect() {
        this.reset()
        for (const [endpoint, byStatus] of counts) {
          for (const [status, count] of byStatus) this.inc({ endpoint, status }, count.ms / 1000)
        }
      },
    }),
  )
  registry.registerMetric(
    new prometheus.Counter({
      name: 'stillpoint_refused_total',
      help: 'Requests that a rule or a limit of the door refused, by the reason (docs/limits.md)',
      labelNames: ['why'],
      registers: [],
      collect() {
        this.reset()
        for (const [why, count] of refusals.entries()) this.inc({ why }, count)
      },
    }),
  )
  for (const { name, help } of gauges()) {
    registry.registerMetric(
      new prometheus.Gauge({
        name: `stillpoint_${name}`,
        help,
        registers: [],
        collect() {
          const now = gauges().find((gauge) => gauge.name === name)
          if (now) this.set(now.value)
        },
      }),
    )
  }
  return registry
}
