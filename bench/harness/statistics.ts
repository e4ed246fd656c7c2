/** Median and spread of the rounds, and what a target or a comparison makes of them. */
import type { Metric } from './contract.ts'

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)! }
}

/** How many times as good `one` is as `other`: above 1 is better, whichever way the metric counts. */
export function advantage(metric: Metric, one: number, other: number): number {
  return metric.better === 'higher' ? one / other : other / one
}

/** True when the rounds of both lie apart: less is noise. */
export const liesApart = (a: Spread, b: Spread): boolean => a.max < b.min || b.max < a.min
