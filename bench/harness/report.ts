/** The result as JSON, and what has changed against an earlier one. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Metric } from './contract.ts'
import type { Machine } from './machine.ts'
import { type RowResult, subjectOf } from './runner.ts'
import { advantage, liesApart } from './statistics.ts'

export const reportFormat = 1

export interface Report {
  readonly format: typeof reportFormat
  readonly takenAt: string
  readonly scale: string
  readonly rounds: number
  readonly machine: Machine
  /** False in what a run has left that was cut, or has not ended yet. */
  readonly isComplete: boolean
  readonly seconds: number
  readonly verdicts: Readonly<Record<'held' | 'lost' | 'undecided', readonly string[]>>
  readonly rows: readonly RowResult[]
}

/** Written after every row: a reader finds an earlier whole one, or this one. */
export function writeReport(path: string, report: Report): void {
  const unfinished = `${path}.unfinished`
  writeFileSync(unfinished, `${JSON.stringify(report, null, 1)}\n`)
  renameSync(unfinished, path)
}

export function verdictsOf(rows: readonly RowResult[]): Report['verdicts'] {
  const saying = (wanted: boolean | null): string[] =>
    rows.flatMap(({ targets }) => targets.filter(({ holds }) => holds === wanted).map(({ says }) => says))
  return { held: saying(true), lost: saying(false), undecided: saying(null) }
}

export function readReport(path: string): Report {
  const report = JSON.parse(readFileSync(path, 'utf8')) as Report
  if (report.format !== reportFormat || !Array.isArray(report.rows)) {
    throw new Error(`${path} is not a result of this bench`)
  }
  return report
}

export interface Change {
  readonly row: string
  readonly contestant: string
  readonly metric: Metric
  readonly before: number
  readonly after: number
  /** How many times as good as before. */
  readonly gain: number
  /** The rounds of both results do not overlap. */
  readonly isClear: boolean
}

/** Of Stillpoint's own figures; rivals tell how much of it is the machine's. */
export function compare(before: Report, after: Report): readonly Change[] {
  return after.rows.flatMap((row) => {
    const earlier = before.rows.find(({ id }) => id === row.id)
    if (!earlier) return []
    return row.contestants.flatMap((now) => {
      const then = earlier.contestants.find(({ name }) => name === now.name)
      return row.metrics.flatMap((metric): Change[] => {
        const [a, b] = [then?.values[metric.name], now.values[metric.name]]
        if (!a || !b || (now.role !== 'stillpoint' && metric !== row.metrics[0])) return []
        const gain = advantage(metric, b.median, a.median)
        return [
          {
            row: row.id,
            contestant: now.name,
            metric,
            before: a.median,
            after: b.median,
            gain,
            isClear: liesApart(a, b),
          },
        ]
      })
    })
  })
}

/** What makes the two hard to compare. */
export function differences(before: Report, after: Report): readonly string[] {
  const found: string[] = []
  if (before.scale !== after.scale) found.push(`scale ${before.scale} → ${after.scale}`)
  for (const name of ['cpu', 'cores', 'kernel', 'fileSystem'] as const) {
    const [a, b] = [before.machine[name], after.machine[name]]
    if (a !== b) found.push(`${name} ${a} → ${b}`)
  }
  for (const [name, version] of Object.entries(after.machine.versions)) {
    const earlier = before.machine.versions[name] ?? 'absent'
    if (earlier !== version) found.push(`${name} ${earlier} → ${version}`)
  }
  return found
}

/** Rows of the earlier result that this one does not have, or the subject's ratio to others; for the reader. */
export function ratiosOf(row: RowResult): readonly { readonly name: string; readonly ratio: number }[] {
  const subject = subjectOf(row)
  const [metric] = row.metrics
  const own = subject?.values[metric.name]?.median
  if (own === undefined) return []
  return row.contestants.flatMap(({ name, values }) => {
    const other = values[metric.name]?.median
    return other === undefined || name === subject?.name
      ? []
      : [{ name, ratio: advantage(metric, own, other) }]
  })
}
