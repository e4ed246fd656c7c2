/**
 * One edit: a place in a source file and the text that takes its turn there.
 *
 * Offsets count UTF-16 units from 0, as strings do; lines count from 1, as editors do. An edit is named by the lines
 * that it takes away and the lines that it puts there, so that its name outlives changes elsewhere in the file.
 */
export interface Edit {
  /** Relative to the project, `src/…`. */
  readonly file: string
  /** The name of the library's rule: `EqualityOperator`. */
  readonly kind: string
  readonly start: number
  readonly end: number
  readonly replacement: string
  /** The counter of its file that says that a run has come by. */
  readonly mark: number
}

/** Whole lines, as they are in the file. */
export interface LineChange {
  readonly before: readonly string[]
  readonly after: readonly string[]
}

export function applied(source: string, { start, end, replacement }: Edit): string {
  return source.slice(0, start) + replacement + source.slice(end)
}

/** Both ends belong to it. */
export interface LineRange {
  readonly first: number
  readonly last: number
}

export function linesOf(source: string, { start, end }: Edit): LineRange {
  const first = lineAt(source, start)
  return { first, last: first + newlinesIn(source, start, end) }
}

export const lineAt = (source: string, offset: number): number => 1 + newlinesIn(source, 0, offset)

function newlinesIn(source: string, from: number, to: number): number {
  let count = 0
  for (let at = source.indexOf('\n', from); at >= 0 && at < to; at = source.indexOf('\n', at + 1)) count++
  return count
}

export function lineChange(source: string, edit: Edit): LineChange {
  const from = source.lastIndexOf('\n', edit.start - 1) + 1
  const newline = source.indexOf('\n', edit.end)
  const to = newline < 0 ? source.length : newline
  const after = source.slice(from, edit.start) + edit.replacement + source.slice(edit.end, to)
  return { before: source.slice(from, to).split('\n'), after: after.split('\n') }
}

/** Lines that stay as they are at either end are left out: an emptied function is told by what is emptied. */
export function shownChange(change: LineChange): string[] {
  const { before, after } = change
  let head = 0
  while (head < before.length - 1 && head < after.length - 1 && before[head] === after[head]) head++
  let tail = 0
  while (
    tail < before.length - head - 1 &&
    tail < after.length - head - 1 &&
    before.at(-1 - tail) === after.at(-1 - tail)
  )
    tail++
  const shown = (sign: string, lines: readonly string[]): string[] =>
    lines.slice(head, lines.length - tail).map((line) => `${sign} ${line}`)
  return [...shown('-', before), ...shown('+', after)]
}

/** The same for every edit that makes the same change to the same lines of the same file. */
export function changeKey(file: string, { before, after }: LineChange): string {
  const trimmed = (lines: readonly string[]): string[] => lines.map((line) => line.trim())
  return JSON.stringify([file, trimmed(before), trimmed(after)])
}
