/** What is shown of the verdicts: survivors with all that is needed to write their test, and two tables. */
import { type Edit, type LineChange, lineAt, lineChange, shownChange } from './edit.ts'
import type { Verdict } from './judge.ts'
import { roomOfSource } from './rooms.ts'

export interface Result {
  readonly file: string
  readonly line: number
  readonly room: string
  readonly kind: string
  readonly change: LineChange
  /** Test files that come by, the quickest first. */
  readonly reachedBy: readonly string[]
  readonly verdict: Verdict
}

export function resultOf(source: string, edit: Edit, reachedBy: readonly string[], verdict: Verdict): Result {
  const { file, kind, start } = edit
  const change = lineChange(source, edit)
  return { file, line: lineAt(source, start), room: roomOfSource(file), kind, change, reachedBy, verdict }
}

export const isNoticed = ({ verdict: { kind } }: Result): boolean => kind === 'noticed' || kind === 'hung'
export const isMissed = ({ verdict: { kind } }: Result): boolean =>
  kind === 'survived' || kind === 'unreached'

const linesShownMax = 12
/** `--json` has them all. */
const testsShownMax = 6

/** Several lines: the place, the edit, and who came by and saw nothing. */
export function missedText({ file, line, kind, change, reachedBy, verdict }: Result): string {
  const shown = shownChange(change)
  const cut =
    shown.length <= linesShownMax
      ? shown
      : [
          ...shown.slice(0, linesShownMax / 2),
          `  … ${shown.length - linesShownMax} lines`,
          ...shown.slice(-linesShownMax / 2),
        ]
  const more = reachedBy.length > testsShownMax ? ` and ${reachedBy.length - testsShownMax} more` : ''
  const by =
    reachedBy.length === 0
      ? 'no test reaches it'
      : `reached by ${reachedBy.slice(0, testsShownMax).join(' ')}${more}`
  return [`${file}:${line}: ${verdict.kind} (${kind})`, ...cut.map((text) => `  ${text}`), `  ${by}`].join(
    '\n',
  )
}

const columns = ['edits', 'noticed', 'hung', 'survived', 'unreached', 'without effect'] as const

/** Rows in the order of their first result; the last one is the sum. `noticed` is of what has an effect. */
export function table(title: string, results: readonly Result[], rowOf: (result: Result) => string): string {
  const names = [...new Set(results.map(rowOf))].toSorted()
  const row = (name: string, of: readonly Result[]): string[] => {
    const count = (kind: string): string => {
      const found = kind === 'edits' ? of.length : of.filter(({ verdict }) => verdict.kind === kind).length
      return String(found)
    }
    return [name, ...columns.map(count), share(of)]
  }
  const rows = [
    [title, ...columns, 'share noticed'],
    ...names.map((name) =>
      row(
        name,
        results.filter((result) => rowOf(result) === name),
      ),
    ),
    row('all', results),
  ]
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((cells) => cells[i]!.length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join('\n')
}

/** Of the edits that have an effect; rounded down, so that 100 % means all. */
export function share(results: readonly Result[]): string {
  const judged = results.filter(({ verdict }) => verdict.kind !== 'without effect')
  if (judged.length === 0) return '-'
  return `${Math.floor((1000 * judged.filter(isNoticed).length) / judged.length) / 10} %`
}
