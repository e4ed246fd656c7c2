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
