/**
 * The metrics of one app, in the text format of Prometheus.
 *
 * - Requests are counted in plain numbers, one object for each endpoint: a labelled counter of the library costs more
 *   than the rest of a small request. Everything else is asked for when a client asks for the metrics.
 * - The library is loaded when a client asks for the first time: the library brings a hundred modules along, for
 *   which opening a volume would have to wait.
 */
import type * as Prometheus from 'prom-client'
import { build } from '../../lib/build.ts'
import { bucketBoundsMs, Histogram } from '../../lib/histogram.ts'
import type { Metric } from '../../lib/metric.ts'
import type { ServerRole } from '../http/dependencies.ts'
import type { Refusals } from '../limits/refusals.ts'
import type { Traffic } from '../limits/traffic.ts'

/** Requests of one endpoint. */
export class EndpointCounts {
  /** Time until the answers began. */
  readonly durations = new Histogram()
  /** Number of answers, by status. */
  readonly statuses = new Map<number, number>()

  count(status: number, ms: number): void {
    this.durations.observe(ms)
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
  }
}

interface MetricsText {
  readonly contentType: string
  readonly text: string
}

export class AppMetrics {
  private readonly counts = new Map<string, EndpointCounts>()
  private library: Promise<Library> | null = null

  constructor(
    private readonly role: ServerRole,
    private readonly others: () => Promise<readonly Metric[]>,
    private readonly refusals: Refusals,
    private readonly traffic: Traffic,
  ) {}

  /** Each endpoint asks once, and keeps what it gets. */
  endpoint(name: string): EndpointCounts {
    const made = new EndpointCounts()
    this.counts.set(name, made)
    return made
  }

  async text(): Promise<MetricsText> {
    this.library ??= loadLibrary()
    const { prometheus, ofProcess } = await this.library
    const registry = new prometheus.Registry()
    for (const metric of [...this.ofRequests(), ...(await this.others())])
      registry.registerMetric(toLibrary(prometheus, metric))
    const texts = [await registry.metrics(), await ofProcess.metrics()]
    return { contentType: registry.contentType, text: texts.join('\n') }
  }

  private ofRequests(): Metric[] {
    const endpoints = [...this.counts].filter(([, { statuses }]) => statuses.size > 0)
    const { version, commit } = build
    const program = { version, commit: commit ?? 'unknown', bun: Bun.version, role: this.role }
    return [
      {
        kind: 'gauge',
        name: 'stillpoint_build_info',
        help: 'Always 1: version and commit of the program, its runtime, and the role of the volume',
        samples: [{ labels: program, value: 1 }],
      },
      {
        kind: 'counter',
        name: 'stillpoint_http_requests_total',
        help: 'Requests that were answered, by endpoint and status',
        samples: endpoints.flatMap(([endpoint, { statuses }]) =>
          [...statuses].map(([status, value]) => ({ labels: { endpoint, status: String(status) }, value })),
        ),
      },
      {
        kind: 'histogram',
        name: 'stillpoint_http_request_duration_seconds',
        help: 'Time until an answer began, by endpoint',
        series: endpoints.map(([endpoint, { durations }]) => ({
          labels: { endpoint },
          histogram: durations,
        })),
      },
      {
        kind: 'counter',
        name: 'stillpoint_refused_total',
        help: 'Requests that a rule or a limit of the door refused, by the reason (docs/limits.md)',
        samples: [...this.refusals.entries()].map(([why, value]) => ({ labels: { why }, value })),
      },
      ...this.traffic.metrics(),
    ]
  }
}

interface Library {
  readonly prometheus: typeof Prometheus
  /** Metrics of the process that the library knows itself. */
  readonly ofProcess: Prometheus.Registry
}

async function loadLibrary(): Promise<Library> {
  const [prometheus, ...ofProcess] = await Promise.all([
    import('prom-client'),
    import('prom-client/lib/metrics/processCpuTotal.js'),
    import('prom-client/lib/metrics/processStartTime.js'),
    import('prom-client/lib/metrics/osMemoryHeap.js'),
    import('prom-client/lib/metrics/processOpenFileDescriptors.js'),
    import('prom-client/lib/metrics/processMaxFileDescriptors.js'),
  ])
  const registry = new prometheus.Registry()
  for (const { default: add } of ofProcess) add(registry)
  return { prometheus, ofProcess: registry }
}

function toLibrary(prometheus: typeof Prometheus, metric: Metric): Prometheus.Metric {
  const { name, help } = metric
  if (metric.kind === 'histogram') return histogramOf(metric)
  const labelNames = Object.keys(metric.samples[0]?.labels ?? {})
  const settings = { name, help, labelNames, registers: [] }
  if (metric.kind === 'counter') {
    const counter = new prometheus.Counter(settings)
    for (const { labels, value } of metric.samples) counter.inc(labels, value)
    return counter
  }
  const gauge = new prometheus.Gauge(settings)
  for (const { labels, value } of metric.samples) gauge.set(labels, value)
  return gauge
}

/** The library's own histogram takes observations one by one only; a registry asks a metric for nothing but `get`. */
function histogramOf({ name, help, series }: Extract<Metric, { kind: 'histogram' }>): Prometheus.Metric {
  const values = series.flatMap(({ labels, histogram: { counts, totalMs } }) => {
    let below = 0
    const buckets = [...counts].map((count, bucket) => {
      const ms = bucketBoundsMs[bucket]
      const le = ms === undefined ? '+Inf' : String(ms / 1000)
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: (below += count) }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: totalMs / 1000 },
      { metricName: `${name}_count`, labels, value: below },
    ]
  })
  const made = { name, get: () => Promise.resolve({ name, help, type: 'histogram', values }) }
  return made as unknown as Prometheus.Metric
}
