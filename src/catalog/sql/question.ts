/**
 * A question in SQL, and its answer, as server and sandbox pass them over pipes: one line of JSON for a question; one
 * line of JSON for the head of an answer, and behind the line as many bytes of rows as the head says.
 *
 * A head is believed when it has this shape: the sandbox runs what strangers wrote.
 */
import * as v from 'valibot'

/** Limits of one question. */
export interface SqlBounds {
  /** Longest time of a question, in milliseconds. */
  readonly msMax: number
  readonly rowsMax: number
  /** Bytes of the rows of an answer, in the format of the answer. */
  readonly answerBytesMax: number
  /** Bytes of one text or blob, on the way to the answer, too. */
  readonly valueBytesMax: number
  /** Memory that a question may take beyond that of the idle sandbox, in bytes. */
  readonly memoryBytesMax: number
}

/** Names of the options whose limits end a question. */
export const limitNames = {
  ms: '--sql-ms-max',
  memory: '--sql-memory-bytes-max',
  value: '--sql-value-bytes-max',
  answer: '--sql-answer-bytes-max',
} as const

/** Limits of a statement that no option changes; SQLite counts them while it reads the statement. */
export const statementLimits = {
  bytes: 64 * 1024,
  columns: 200,
  depth: 100,
  selects: 50,
  functionArguments: 32,
  steps: 25_000,
  patternBytes: 1_000,
  params: 100,
} as const

export type AnswerFormat = 'json' | 'csv' | 'ndjson'

type SqlParam = string | number | boolean | null

export interface Question {
  readonly query: string
  readonly params: readonly SqlParam[]
  readonly rowsMax: number
  readonly format: AnswerFormat
  /** Views that the sender may read. */
  readonly views: readonly string[]
}

/** First line to a sandbox. */
export interface SandboxSetting {
  /** Path of the catalog file. */
  readonly path: string
  readonly bounds: SqlBounds
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const types = ['integer', 'real', 'text', 'blob'] as const

const column = v.strictObject({ name: v.string(), type: v.nullable(v.picklist(types)) })
export type AnswerColumn = v.InferOutput<typeof column>

const answerHead = v.strictObject({
  kind: v.literal('answer'),
  /** The CP that the files of the answer are true for; null while they are filled, or when there are none. */
  cp: v.nullable(count),
  columns: v.array(column),
  rows: count,
  truncated: v.boolean(),
  bytes: count,
})
export type AnswerHead = v.InferOutput<typeof answerHead>

/** `bad`: the question is at fault. `limit`: a limit ended it. `unready`: the file cannot be asked now. */
const refusalHead = v.variant('kind', [
  v.strictObject({ kind: v.literal('bad'), detail: v.string() }),
  v.strictObject({ kind: v.literal('limit'), limit: v.string(), most: count }),
  v.strictObject({ kind: v.literal('unready'), detail: v.string() }),
])
export type RefusalHead = v.InferOutput<typeof refusalHead>

/** First line of a sandbox: true when the kernel bounds what the sandbox may take, and ends it with its server. */
const readyHead = v.strictObject({ kind: v.literal('ready'), isConfined: v.boolean() })

const anyHead = v.union([answerHead, refusalHead, readyHead])
export type Head = v.InferOutput<typeof anyHead>

/** Null for a line that no sandbox of this program says. */
export function parseHead(line: string): Head | null {
  try {
    const parsed = v.safeParse(anyHead, JSON.parse(line))
    return parsed.success ? parsed.output : null
  } catch {
    return null
  }
}
