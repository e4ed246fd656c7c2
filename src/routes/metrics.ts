/**
 * The numbers of one app, in a registry of its own. Requests are counted in a plain map and handed over when somebody
 * asks: a labelled counter costs more than the rest of a small request.
 */
import { Counter, Gauge as PromGauge, Registry } from 'prom-client'
import type { Gauge } from './dependencies.ts'

export class AppMetrics {
  readonly #registry = new Registry()
  readonly #counts = new Map<string, Map<number, { requests: number; ms: number }>>()

  constructor(gauges: () => readonly Gauge[]) {
    const counts = this.#counts
    const labelNames = ['operation', 'status'] as const
    this.#registry.registerMetric(
      new Counter({
        name: 'stillpoint_http_requests_total',
        help: 'Requests answered, by operation and status',
        labelNames,
        registers: [],
        collect() {
          this.reset()
          for (const [operation, byStatus] of counts) {
            for (const [status, count] of byStatus) this.inc({ operation, status }, count.requests)
          }
        },
      }),
    )
    this.#registry.registerMetric(
      new Counter({
        name: 'stillpoint_http_request_seconds_total',
        help: 'Time until the answer began, summed',
        labelNames,
        registers: [],
        collect() {
          this.reset()
          for (const [operation, byStatus] of counts) {
            for (const [status, count] of byStatus) this.inc({ operation, status }, count.ms / 1000)
          }
        },
      }),
    )
    for (const { name, help } of gauges()) {
      this.#registry.registerMetric(
        new PromGauge({
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
  }

  count(operation: string, status: number, ms: number): void {
    let byStatus = this.#counts.get(operation)
    if (!byStatus)
      this.#counts.set(operation, (byStatus = new Map<number, { requests: number; ms: number }>()))
    const count = byStatus.get(status)
    if (count) {
      count.requests++
      count.ms += ms
    } else byStatus.set(status, { requests: 1, ms })
  }

  async text(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }
}
