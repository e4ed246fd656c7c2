/**
 * Runs a user's query on a catalog file that no server has open: one SELECT over the public views.
 *
 * A read-only connection alone is no sandbox (ATTACH reads other files, VACUUM INTO writes other files), so an
 * authorizer allows by name the actions that a SELECT over the views needs, and denies everything else.
 */
import { constants, DatabaseSync } from 'node:sqlite'
import { StillpointError } from '../lib/errors.ts'
import { publicViews, publicViewTables } from './schema.ts'

export type Value = string | number | bigint | null | Uint8Array

export interface QueryResult {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Value[])[]
  /** True when the query has more than `rowsMax` rows. */
  readonly truncated: boolean
}

const rowsMaxDefault = 100_000
const queryBytesMax = 100_000
/** Longest wait for a commit of the server. */
const commitMsMax = 5_000
/** Result codes of SQLite. */
const busy = 5
const cannotOpen = 14
const readOnlyRollback = 776

export function runReadOnlyQuery(path: string, query: string, rowsMax = rowsMaxDefault): QueryResult {
  if (query.length > queryBytesMax) throw new StillpointError('too-large', 'the query is too long')
  const database = open(path)
  try {
    database.setAuthorizer(authorize)
    const text = query.replace(/[;\s]+$/, '')
    if (text === '') throw new StillpointError('bad-parameter', 'one SELECT is expected')
    const statement = database.prepare(text)
    const columns = statement.columns().map((column) => column.name)
    if (columns.length === 0) throw new StillpointError('bad-parameter', 'one SELECT is expected')
    // SQLite silently ignores text behind a first statement; inside parentheses such text is a syntax error.
    if (!prepares(database, `SELECT * FROM (\n${text}\n)`))
      throw new StillpointError('bad-parameter', 'one SELECT is expected, nothing behind it')
    statement.setReturnArrays(true)
    // Without this setting an integer that a JavaScript number cannot hold would be an error.
    statement.setReadBigInts(true)
    const rows: Value[][] = []
    for (const row of statement.iterate() as Iterable<unknown>) {
      if (rows.length === rowsMax) return { columns, rows, truncated: true }
      rows.push((row as Value[]).map(readable))
    }
    return { columns, rows, truncated: false }
  } catch (error) {
    if (error instanceof StillpointError) throw error
    throw new StillpointError(
      'bad-parameter',
      error instanceof Error ? error.message : String(error),
      {},
      { cause: error },
    )
  } finally {
    database.close()
  }
}

/** An integer that a number can hold exactly becomes a number; a larger integer stays a bigint. */
const readable = (value: Value): Value =>
  typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value

/**
 * A query waits while a running server commits. A file whose server was killed in a commit has to be put right first,
 * which a connection that only reads cannot do; the authorizer stands before the query either way.
 */
function open(path: string): DatabaseSync {
  try {
    return openOnce(path, true)
  } catch (error) {
    if (resultOf(error) !== readOnlyRollback) throw unusable(path, error)
  }
  try {
    return openOnce(path, false)
  } catch (error) {
    throw unusable(path, error)
  }
}

function openOnce(path: string, readOnly: boolean): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly, timeout: commitMsMax })
  try {
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function unusable(path: string, cause: unknown): StillpointError {
  const result = resultOf(cause)
  if (result === cannotOpen)
    return new StillpointError('not-found', `there is no catalog at ${path}`, {}, { cause })
  if (result === busy)
    return new StillpointError('busy', `the catalog at ${path} is being written: try again`, {}, { cause })
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new StillpointError('not-found', `the catalog at ${path} cannot be read: ${reason}`, {}, { cause })
}

/** The result code of SQLite. */
const resultOf = (error: unknown): unknown =>
  error instanceof Error && 'errcode' in error ? error.errcode : null

function prepares(database: DatabaseSync, text: string): boolean {
  try {
    database.prepare(text)
    return true
  } catch {
    return false
  }
}

const views: ReadonlySet<string> = new Set(publicViews)
const tables: ReadonlySet<string> = new Set(publicViewTables)
const functions: ReadonlySet<string> = new Set(
  `abs avg ceil ceiling char coalesce concat concat_ws count cume_dist date datetime dense_rank first_value floor
  format glob group_concat hex ifnull iif instr json json_array json_array_length json_extract json_group_array
  json_group_object json_object json_type lag last_value lead length like ln log lower ltrim max min mod nth_value
  ntile nullif octet_length percent_rank pow power printf quote rank replace round row_number rtrim sign sqrt
  strftime string_agg substr substring sum time timediff total trim trunc typeof unicode unixepoch upper -> ->>`.split(
    /\s+/,
  ),
)

/**
 * `within` is the view through which a table is read; null when the query names the table itself. A column without a
 * name means that SQLite only counts rows; SQLite does not name the view then.
 */
function authorize(
  action: number,
  subject: string | null,
  detail: string | null,
  _database: string | null,
  within: string | null,
): number {
  const { SQLITE_OK, SQLITE_DENY } = constants
  switch (action) {
    case constants.SQLITE_SELECT:
    case constants.SQLITE_RECURSIVE:
      return SQLITE_OK
    case constants.SQLITE_READ:
      if (subject === null) return SQLITE_DENY
      if (views.has(subject)) return SQLITE_OK
      // A common table expression may borrow a view's name, so the table must also be one behind the public views.
      return tables.has(subject) && (detail === '' || (within !== null && views.has(within)))
        ? SQLITE_OK
        : SQLITE_DENY
    case constants.SQLITE_FUNCTION:
      return detail !== null && functions.has(detail.toLowerCase()) ? SQLITE_OK : SQLITE_DENY
    default:
      return SQLITE_DENY
  }
}
