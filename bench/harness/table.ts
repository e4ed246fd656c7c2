/** Results for people. */
import type { Metric, Unit } from './contract.ts'
import type { Machine } from './machine.ts'
import { type Change, ratiosOf } from './report.ts'
import { hasFailed, type RowResult, subjectOf } from './runner.ts'
import type { Verdict } from '../targets.ts'

export function showMachine(machine: Machine): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`)
  return [
    `${machine.cpu}, ${machine.cores} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, Linux ${machine.kernel}, ${machine.fileSystem}, load ${machine.load}`,
    `${versions.join(', ')}; commit ${machine.commit}${machine.isDirty ? ' and changes' : ''}`,
  ].join('\n')
}

export function showRow(row: RowResult): string {
  const ratios = new Map(ratiosOf(row).map(({ name, ratio }) => [name, ratio]))
  const subject = subjectOf(row)?.name
  const nameWidth = Math.max(18, ...row.contestants.map(({ name }) => name.length))
  const lines = [`\n${row.id}  ${row.title}${hasFailed(row) ? '  FAILED' : ''}`]
  for (const { name, values, absent, failed } of row.contestants) {
    const first = `  ${name.padEnd(nameWidth)}  `
    if (absent !== undefined) lines.push(`${first}absent: ${absent}`)
    else if (failed !== undefined) lines.push(`${first}failed: ${failed}`)
    else {
      const cells = row.metrics.map((metric, i) => showCell(metric, values[metric.name], i === 0))
      const ratio = ratios.get(name)
      const shown = name === subject ? '' : ratio === undefined ? '' : `× ${ratio.toFixed(2)}`
      lines.push(`${first}${shown.padStart(8)}  ${cells.filter(Boolean).join('  ')}`)
    }
  }
  const states = row.contestants.flatMap(({ name, state }) => (state === null ? [] : [{ name, state }]))
  if (states.length > 0) {
    if (row.statesAgree) lines.push(`  state: ${states[0]!.state}, the same for ${states.length}`)
    else for (const { name, state } of states) lines.push(`  STATE DIFFERS: ${name} holds ${state}`)
  }
  lines.push(...row.targets.map((verdict) => `  ${showVerdict(verdict)}`))
  return lines.join('\n')
}

function showCell(
  metric: Metric,
  value: { readonly median: number; readonly min: number; readonly max: number } | undefined,
  withSpread: boolean,
): string {
  if (!value) return ''
  const { name, unit } = metric
  const spread = withSpread ? ` [${showNumber(value.min, unit)}–${showNumber(value.max, unit)}]` : ''
  const label = withSpread ? '' : `${name} `
  return `${label}${showNumber(value.median, unit)}${unit === 'bytes' || unit === '/s' ? '' : ' '}${unit === 'bytes' ? '' : unit}${spread}`
}

export function showNumber(value: number, unit: Unit): string {
  if (unit === 'bytes') return showBytes(value)
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  return value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })
}

function showBytes(value: number): string {
  for (const [size, name] of [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ] as const)
    if (value >= size) return `${(value / size).toFixed(2)} ${name}`
  return `${Math.round(value)} B`
}

export function showVerdict({ says, reached, bound, isRatio, holds }: Verdict): string {
  const word = holds === null ? 'undecided' : holds ? 'holds' : 'LOST'
  const value =
    reached === null
      ? 'no value'
      : isRatio
        ? `× ${reached.toFixed(2)}`
        : Math.round(reached).toLocaleString('en-US')
  const wanted = isRatio ? `× ${bound.toFixed(2)}` : Math.round(bound).toLocaleString('en-US')
  return `target ${word}: ${says} (${value}, ${isRatio ? 'at least' : 'at most'} ${wanted})`
}

export function showChanges(changes: readonly Change[]): string {
  const lines = changes.map(
    ({ row, contestant, metric, before, after, gain, isClear }) =>
      `  ${row.padEnd(22)} ${contestant.padEnd(20)} ${metric.name.padEnd(10)} ${showNumber(before, metric.unit).padStart(12)} → ${showNumber(after, metric.unit).padStart(12)} ${metric.unit === 'bytes' ? '' : metric.unit}  × ${gain.toFixed(2)} ${isClear ? (gain > 1 ? 'better' : 'WORSE') : 'within noise'}`,
  )
  return lines.join('\n')
}

export function showSummary(rows: readonly RowResult[], scale: string): string {
  const verdicts = rows.flatMap((row) => row.targets)
  const count = (holds: boolean | null): number =>
    verdicts.filter((verdict) => verdict.holds === holds).length
  const absent = new Set(
    rows.flatMap((row) =>
      row.contestants.flatMap(({ name, absent: why }) => (why === undefined ? [] : [`${name} (${why})`])),
    ),
  )
  const failures = rows.flatMap((row) => [
    ...row.contestants.flatMap(({ name, failed }) =>
      failed === undefined ? [] : [`failed: ${row.id}, ${name}: ${failed}`],
    ),
    ...(row.statesAgree ? [] : [`failed: ${row.id}: the states differ`]),
  ])
  return [
    '',
    ...verdicts.map(showVerdict),
    ...failures,
    ...(scale === 'full' ? [] : [`the targets are meant for the full size, not for ${scale}`]),
    `${rows.length} rows, ${rows.filter(hasFailed).length} failed; targets: ${count(true)} hold, ${count(false)} lost, ${count(null)} undecided`,
    ...(absent.size > 0 ? [`absent: ${[...absent].join('; ')}`] : []),
  ].join('\n')
}
