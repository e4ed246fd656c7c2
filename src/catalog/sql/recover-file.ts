/**
 * Puts a catalog file right whose server was killed in the middle of a commit: the pages of before are in the journal, and
 * a sandbox, which only reads, cannot put them back. For a file that no server has open; a server does this itself.
 */
import { DatabaseSync } from 'node:sqlite'
import { StillpointError } from '../../lib/errors.ts'

/** Longest wait for a commit of a server. */
const commitMsMax = 5_000
/** Result codes of SQLite. */
const busy = 5
const cannotOpen = 14
const readOnlyRollback = 776

/** Throws `not-found` where there is no catalog, and `catalog-unready` where it cannot be read. */
export function recoverFile(path: string): void {
  try {
    look(path, true)
  } catch (error) {
    if (resultOf(error) !== readOnlyRollback) throw unusable(path, error)
    try {
      look(path, false)
    } catch (failure) {
      throw unusable(path, failure)
    }
  }
}

function look(path: string, readOnly: boolean): void {
  const database = new DatabaseSync(path, { readOnly, timeout: commitMsMax })
  try {
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
  } finally {
    database.close()
  }
}

function unusable(path: string, cause: unknown): StillpointError {
  const result = resultOf(cause)
  if (result === cannotOpen)
    return new StillpointError('not-found', `there is no catalog at ${path}`, {}, { cause })
  const reason =
    result === busy ? 'it is being written' : cause instanceof Error ? cause.message : String(cause)
  return new StillpointError(
    'catalog-unready',
    `the catalog at ${path} cannot be read: ${reason}`,
    {},
    { cause },
  )
}

/** The result code of SQLite. */
const resultOf = (error: unknown): unknown =>
  error instanceof Error && 'errcode' in error ? error.errcode : null
