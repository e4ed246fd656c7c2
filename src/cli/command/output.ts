/** Prints answers on stdout: text for people, or JSON for programs. */
import { reasonOf } from '../../lib/errors.ts'
import { UserError } from '../../lib/user-error.ts'
import type { CliContext } from './context.ts'

export function printJson(context: CliContext, value: unknown): void {
  context.process.stdout.write(`${JSON.stringify(value)}\n`)
}

export function printLine(context: CliContext, line: string): void {
  context.process.stdout.write(`${line}\n`)
}

/** Resolves when there is room for more. */
export function writeOut(context: CliContext, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    context.process.stdout.write(chunk, (error) => {
      if (error) reject(new UserError(`standard output: ${reasonOf(error)}`, { cause: error }))
      else resolve()
    })
  })
}

/** A name may have characters that a terminal obeys; a line for people shows such characters escaped. */
export function showName(name: string): string {
  return name.replace(
    controlCharacters,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
// eslint-disable-next-line no-control-regex -- control characters are the ones to find
const controlCharacters = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** Lays out rows in aligned columns, numbers to the right. */
export function formatTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, at) => Math.max(column.length, ...rows.map((row) => row[at]!.length)))
  const isNumeric = columns.map(
    (_, at) => rows.length > 0 && rows.every((row) => /^-?[\d.]*$/.test(row[at]!)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (isNumeric[at] ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!)))
      .join('  ')
      .trimEnd()
  return [line(columns), ...rows.map(line)].map((text) => `${text}\n`).join('')
}

const ages = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** The two largest units of an age: `3 d 4 h`, `12 s`. */
export function formatAge(ms: number): string {
  const from = ages.findIndex(([, unit]) => ms >= unit)
  const shown = from < 0 ? ages.slice(-1) : ages.slice(from, from + 2)
  let left = ms
  const parts = shown.map(([name, unit]) => {
    const count = Math.floor(left / unit)
    left -= count * unit
    return [count, name] as const
  })
  return parts
    .filter(([count], at) => at === 0 || count > 0)
    .map(([count, name]) => `${count} ${name}`)
    .join(' ')
}
