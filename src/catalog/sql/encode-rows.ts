/**
 * Rows as the bytes of an answer, in the format of the answer, up to a number of bytes.
 *
 * - `json`: an array of arrays. `ndjson`: an object a line, by the names of the columns. `csv`: RFC 4180
 *   with a line of names; null is an empty field, and the empty text is a field in quotes.
 * - An integer beyond 2^53, and a real that is not finite, is text: most readers of JSON would round the one and refuse
 *   the other. A blob is text in hexadecimal.
 */
import { concatBytes, encodeUtf8, toHex } from '../../lib/bytes.ts'
import type { AnswerFormat } from './question.ts'

export type Value = string | number | bigint | null | Uint8Array

type Plain = string | number | null

function plainOf(value: Value): Plain {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : String(value)
  }
  if (value instanceof Uint8Array) return toHex(value)
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

/** Takes no row that would lead beyond `bytesMax`. */
export class RowEncoder {
  private readonly parts: Uint8Array[] = []
  private size = 0
  private count = 0
  /** Around all rows. */
  private readonly ends: readonly [string, string]
  private readonly encode: (row: readonly Plain[]) => string

  constructor(
    format: AnswerFormat,
    names: readonly string[],
    private readonly bytesMax: number,
  ) {
    this.encode = encoders[format](names)
    if (format === 'csv') this.add(csvLine(names))
    this.ends = format === 'json' ? ['[', ']'] : ['', '']
  }

  get rows(): number {
    return this.count
  }

  get bytes(): Uint8Array {
    const [begin, end] = this.ends
    return concatBytes(encodeUtf8(begin), ...this.parts, encodeUtf8(end))
  }

  /** False when the row does not fit any more. */
  put(row: readonly Value[]): boolean {
    const text = this.encode(row.map(plainOf))
    if (!this.add(this.count > 0 && text.startsWith('[') ? `,${text}` : text)) return false
    this.count++
    return true
  }

  private add(text: string): boolean {
    const bytes = encodeUtf8(text)
    this.size += bytes.length
    if (this.size > this.bytesMax) return false
    this.parts.push(bytes)
    return true
  }
}

const csvField = (value: Plain): string => {
  if (value === null) return ''
  const text = String(value)
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
const csvLine = (values: readonly Plain[]): string => `${values.map(csvField).join(',')}\r\n`

const encoders: Readonly<
  Record<AnswerFormat, (names: readonly string[]) => (row: readonly Plain[]) => string>
> = {
  json: () => (row) => JSON.stringify(row),
  csv: () => csvLine,
  ndjson(names) {
    const keys = names.map((name) => JSON.stringify(name))
    return (row) => `{${row.map((value, at) => `${keys[at]}:${JSON.stringify(value)}`).join(',')}}\n`
  },
}
