/**
 * Runs one question on a catalog file: one SELECT over the views that its sender may read.
 *
 * A connection that only reads is no prison (ATTACH reads other files, VACUUM INTO writes them), so:
 *
 * - the connection is for reading alone, and of the defensive kind; it loads no extension, and sorts in memory;
 * - an authorizer allows by name what the SELECT needs (`allow-list.ts`);
 * - SQLite's limits are set, read back and asserted: an unknown name of a limit is ignored in silence;
 * - the consistency point and the rows are read in one transaction, which ends before the answer is sent, so a client
 *   that reads slowly delays no commit.
 */
import { DatabaseSync } from 'node:sqlite'
import { assert, AssertionError } from '../../lib/assert.ts'
import { systemCodeOf } from '../../lib/errors.ts'
import { catalogAuthorizer, makeShadow, shadowAuthorizer } from './allow-list.ts'
import { RowEncoder, type Value } from './encode-rows.ts'
import {
  type AnswerColumn,
  type AnswerHead,
  limitNames,
  type Question,
  type RefusalHead,
  type SandboxSetting,
  type SqlBounds,
  statementLimits,
} from './question.ts'

interface FileAnswer {
  readonly head: AnswerHead | RefusalHead
  readonly rows: Uint8Array
}

const oneSelect = 'one SELECT is expected'
const nothing = new Uint8Array(0)
const refused = (head: RefusalHead): FileAnswer => ({ head, rows: nothing })

class Refused extends Error {
  constructor(readonly head: RefusalHead) {
    super(head.kind)
  }
}
const bad = (detail: string): never => {
  throw new Refused({ kind: 'bad', detail })
}
const beyond = (name: string, most: number): never => {
  throw new Refused({ kind: 'limit', limit: name, most })
}

export function askFile({ path, bounds }: SandboxSetting, question: Question): FileAnswer {
  let database: DatabaseSync | null = null
  try {
    database = open(path, bounds)
    return answer(database, bounds, question)
  } catch (error) {
    return refused(error instanceof Refused ? error.head : refusalOf(error, bounds))
  } finally {
    database?.close()
  }
}

const limitsOf = ({ valueBytesMax }: SqlBounds) =>
  ({
    length: valueBytesMax,
    sqlLength: 2 * statementLimits.bytes,
    column: statementLimits.columns,
    exprDepth: statementLimits.depth,
    compoundSelect: statementLimits.selects,
    vdbeOp: statementLimits.steps,
    functionArg: statementLimits.functionArguments,
    attach: 0,
    likePatternLength: statementLimits.patternBytes,
    variableNumber: statementLimits.params,
    triggerDepth: 1,
  }) as const

function open(path: string, bounds: SqlBounds): DatabaseSync {
  const limits = limitsOf(bounds)
  const database = new DatabaseSync(path, {
    readOnly: true,
    timeout: Math.floor(bounds.msMax / 2),
    allowExtension: false,
    defensive: true,
    enableDoubleQuotedStringLiterals: false,
    limits,
  })
  for (const [name, most] of Object.entries(limits))
    assert(database.limits[name as keyof typeof limits] === most, `SQLite keeps the limit ${name}`)
  for (const [pragma, value] of pragmas) {
    database.exec(`PRAGMA ${pragma} = ${value}`)
    const found = database.prepare(`PRAGMA ${pragma}`).get()
    assert(found?.[pragma] === value, `SQLite keeps ${pragma}`)
  }
  return database
}

/** Nothing is spilled to a file, nothing is mapped, and a schema runs no function that is not harmless. */
const pragmas = [
  ['temp_store', 2],
  ['mmap_size', 0],
  ['cache_size', -4096],
  ['trusted_schema', 0],
  ['query_only', 1],
] as const

function answer(database: DatabaseSync, bounds: SqlBounds, question: Question): FileAnswer {
  const { query, params, rowsMax, format, views } = question
  if (query.includes('\0')) bad('the query has a NUL character')
  if (Buffer.byteLength(query) > statementLimits.bytes) beyond('bytes of the query', statementLimits.bytes)
  if (params.length > statementLimits.params) beyond('parameters', statementLimits.params)
  database.exec('BEGIN')
  const state = database.prepare('SELECT cp FROM catalog_state').get()
  const cp = typeof state?.['cp'] === 'number' ? state['cp'] : null
  const text = query.replace(/[;\s]+$/, '')
  const modules = readInShadow(text, question, bounds)
  database.setAuthorizer(catalogAuthorizer(views, modules))
  const statement = database.prepare(text)
  statement.setReturnArrays(true)
  // Without this setting an integer that a JavaScript number cannot hold would be an error.
  statement.setReadBigInts(true)
  const described = statement.columns()
  const names = described.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (format === 'ndjson' && twice !== undefined)
    bad(`two columns have the name ${twice}: give one of them another name with AS`)
  const encoder = new RowEncoder(format, names, bounds.answerBytesMax)
  const types = described.map(({ type }) => declaredType(type))
  let truncated = false
  for (const row of statement.iterate(...params.map(bindable)) as unknown as Iterable<Value[]>) {
    if (encoder.rows === rowsMax) {
      truncated = true
      break
    }
    row.forEach((value, at) => (types[at] ??= typeOf(value)))
    if (!encoder.put(row)) beyond(limitNames.answer, bounds.answerBytesMax)
  }
  const columns = names.map((name, at) => ({ name, type: types[at] ?? null }))
  const rows = encoder.bytes
  return { head: { kind: 'answer', cp, columns, rows: encoder.rows, truncated, bytes: rows.length }, rows }
}

/** Refuses whatever is no single SELECT over these views. Gives the modules of SQLite. */
function readInShadow(text: string, { views, params }: Question, bounds: SqlBounds): ReadonlySet<string> {
  if (text === '') bad(oneSelect)
  // SQLite takes a parameter that nobody gives for null; here it is one too many.
  const { shadow, modules } = makeShadow({ ...limitsOf(bounds), variableNumber: params.length })
  try {
    shadow.setAuthorizer(shadowAuthorizer(views, modules))
    if (shadow.prepare(text).columns().length === 0) bad(oneSelect)
    if (!isOne(shadow, text)) bad(`${oneSelect}, nothing before or behind it, and no EXPLAIN`)
    return modules
  } catch (error) {
    if (/too many SQL variables|variable number must be/.test(messageOf(error)))
      bad(`the query has more parameters than the ${params.length} that are given`)
    throw error
  } finally {
    shadow.close()
  }
}

/** SQLite silently ignores text behind a first statement; in parentheses such text is a syntax error, as is EXPLAIN. */
function isOne(shadow: DatabaseSync, text: string): boolean {
  try {
    shadow.prepare(`SELECT * FROM (\n${text}\n)`)
    return true
  } catch (error) {
    if (resultOf(error) !== sqlite.error || statementLimitOf(error)) throw error
    return false
  }
}

/** A number without a fraction is an integer to SQLite, too. */
const bindable = (param: Question['params'][number]): string | number | bigint | null =>
  typeof param === 'boolean'
    ? BigInt(param)
    : typeof param === 'number' && Number.isSafeInteger(param)
      ? BigInt(param)
      : param

const declaredTypes: Readonly<Record<string, AnswerColumn['type']>> = {
  INTEGER: 'integer',
  REAL: 'real',
  TEXT: 'text',
}
const declaredType = (type: string | null): AnswerColumn['type'] =>
  declaredTypes[(type ?? '').toUpperCase()] ?? null

function typeOf(value: Value): AnswerColumn['type'] {
  if (value === null) return null
  if (typeof value === 'bigint') return 'integer'
  if (typeof value === 'number') return 'real'
  return typeof value === 'string' ? 'text' : 'blob'
}

/** Result codes of SQLite; the low byte of an extended one. */
const sqlite = {
  error: 1,
  busy: 5,
  locked: 6,
  outOfMemory: 7,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  cannotOpen: 14,
  tooBig: 18,
  noDatabase: 26,
} as const

/** The result code of SQLite; null for an error of another kind. */
const resultOf = (error: unknown): number | null =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : null

/** Messages of SQLite about the limits of a statement, which have no codes of their own. */
const statementMessages: readonly (readonly [RegExp, keyof typeof statementLimits, string])[] = [
  [/too many columns/i, 'columns', 'columns'],
  [/maximum depth|parser stack overflow|too deep/i, 'depth', 'depth of an expression'],
  [/too many terms in compound/i, 'selects', 'SELECTs in a compound'],
  [/too many arguments on function/i, 'functionArguments', 'arguments of a function'],
  [/pattern too complex/i, 'patternBytes', 'bytes of a pattern'],
]

function statementLimitOf(error: unknown): Extract<RefusalHead, { kind: 'limit' }> | null {
  const message = messageOf(error)
  const found = statementMessages.find(([pattern]) => pattern.test(message))
  return found ? { kind: 'limit', limit: found[2], most: statementLimits[found[1]] } : null
}

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ')

const isAboutNames = /not authorized|prohibited|no such table/
const wayOn =
  'a SELECT over the views and the usual functions is all that is taken, and GET /v1/sql/schema names the views that its sender may read'

function refusalOf(error: unknown, bounds: SqlBounds): RefusalHead {
  const message = messageOf(error)
  switch (resultOf(error)) {
    case sqlite.outOfMemory:
      return { kind: 'limit', limit: limitNames.memory, most: bounds.memoryBytesMax }
    case sqlite.tooBig:
      return { kind: 'limit', limit: limitNames.value, most: bounds.valueBytesMax }
    case sqlite.busy:
    case sqlite.locked:
      return { kind: 'unready', detail: 'the catalog is being written' }
    case sqlite.readOnly:
    case sqlite.ioError:
    case sqlite.corrupt:
    case sqlite.cannotOpen:
    case sqlite.noDatabase:
      return { kind: 'unready', detail: `the catalog cannot be read (${message})` }
    case null:
      if (error instanceof AssertionError) throw error
      // Text or memory that the runtime does not give.
      if (error instanceof RangeError && /memory|length/i.test(message))
        return { kind: 'limit', limit: limitNames.memory, most: bounds.memoryBytesMax }
      return { kind: 'bad', detail: systemCodeOf(error) === 'ERR_INVALID_STATE' ? oneSelect : message }
    default:
      return (
        statementLimitOf(error) ?? {
          kind: 'bad',
          detail: isAboutNames.test(message) ? `${message}: ${wayOn}` : message,
        }
      )
  }
}
