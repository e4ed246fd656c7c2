/**
 * What a row of the bench is.
 *
 * - A scenario opens its contestants once and measures one or more rows with them, in turn: A B C, then B C A.
 * - Contestants of a row do the same work; what they hold afterwards is hashed, and equal hashes say so.
 * - What cannot take part is absent with its reason, never left out in silence.
 */
import type { Workspace } from './workspace.ts'
import type { Scale } from './scale.ts'

export type Unit = '/s' | 'MB/s' | 'ms' | 'µs' | 'bytes' | '%' | 's'
export interface Metric {
  readonly name: string
  readonly unit: Unit
  readonly better: 'higher' | 'lower'
}

/** The first metric is the one that ratios are made of. */
export interface Row {
  readonly id: string
  readonly title: string
  readonly metrics: readonly [Metric, ...Metric[]]
  /** The contestant that the others are compared with; the first one of Stillpoint otherwise. */
  readonly subject?: string
  /** Rounds that the row makes at most, whatever is asked for: some cannot be repeated cheaply. */
  readonly roundsMax?: number
}

/** Metric name → value. */
export type Sample = Readonly<Record<string, number>>

export type Role = 'stillpoint' | 'rival' | 'limit'

export interface Contestant {
  readonly name: string
  readonly role: Role
  /** Null when it has no part in this row. */
  measure(row: Row, round: number): Promise<Sample | null>
  /** Hash of what it holds once the row is over; null when there is nothing to hold. */
  state?(row: Row): Promise<string | null>
  close?(): Promise<void>
}

export interface Absent {
  readonly name: string
  readonly role: Role
  readonly absent: string
}

export interface Bench {
  readonly scale: Scale
  readonly workspace: Workspace
  /** False: only Stillpoint and the bare servers take part, and the others are named as left out. */
  readonly rivals: boolean
  /** The program as one file (`npm run build`); the sources where there is none. */
  readonly binary?: string
  /** Where servers leave their CPU profiles. */
  readonly profileFolder: string | null
  note(text: string): void
}

export interface Scenario {
  readonly name: string
  rows(scale: Scale): readonly Row[]
  /** Closed by the caller, also after an error half-way: whatever runs belongs to the workspace. */
  open(bench: Bench, rows: readonly Row[]): Promise<readonly (Contestant | Absent)[]>
}

export const metrics = {
  rate: { name: 'rate', unit: '/s', better: 'higher' },
  throughput: { name: 'throughput', unit: 'MB/s', better: 'higher' },
  time: { name: 'time', unit: 'ms', better: 'lower' },
  p50: { name: 'p50', unit: 'ms', better: 'lower' },
  p99: { name: 'p99', unit: 'ms', better: 'lower' },
  /** Of the server and its children, in user and kernel, per request (or per MB). */
  cpu: { name: 'cpu', unit: 'µs', better: 'lower' },
  /** Of one core of the generator: near 100, it is the limit and not the server. */
  generator: { name: 'generator', unit: '%', better: 'lower' },
  wire: { name: 'wire', unit: 'bytes', better: 'lower' },
} as const satisfies Record<string, Metric>
