/** Metrics as the parts of a server give them, when a client asks; `/metrics` puts them into the format of Prometheus. */
import type { Histogram } from './histogram.ts'

export type Labels = Readonly<Record<string, string>>

interface Named {
  /** Whole name, with its unit. */
  readonly name: string
  readonly help: string
}

export type Metric = Named &
  (
    | {
        readonly kind: 'gauge' | 'counter'
        readonly samples: readonly { readonly labels: Labels; readonly value: number }[]
      }
    | {
        readonly kind: 'histogram'
        readonly series: readonly { readonly labels: Labels; readonly histogram: Histogram }[]
      }
  )

export const gauge = (name: string, help: string, value: number): Metric => ({
  kind: 'gauge',
  name,
  help,
  samples: [{ labels: {}, value }],
})

/** `value` never goes back while the process lives. */
export const counter = (name: string, help: string, value: number): Metric => ({
  kind: 'counter',
  name,
  help,
  samples: [{ labels: {}, value }],
})
