/**
 * Opens one SQLite file as the catalog of this side, or not at all.
 *
 * - An opened file belongs to this side's block file (`meta.sideUuid`), its journal is a prefix of the program's
 *   migrations, and no row is about a CP above the published one. A file that fails one of the first two conditions
 *   is set aside, and a fresh file is made: the block file is the truth, the catalog only history. Rows above the
 *   published CP are deleted.
 * - Nothing is mapped, and every program may read the file at any time (decision 0010): the journal is a rollback
 *   journal, which has no shared index. A page of a mapped index that the file system cannot write (full, gone
 *   read-only) would end the process with SIGBUS.
 * - A file whose pages do not fit together is found at the open, not by the query that meets the page first.
 */
import { Database } from 'bun:sqlite'
import { assert } from '../lib/assert.ts'
import { type Migration, migrations } from './migrations.ts'
import { systemCodeOf } from '../lib/errors.ts'

/** Memory for pages of the file. */
const cacheBytesMax = 16 * 2 ** 20

export type UnusableReason = 'foreign' | 'corrupt' | 'newer'

class Unusable extends Error {
  constructor(
    readonly reason: UnusableReason,
    options?: ErrorOptions,
  ) {
    super(reason, options)
  }
}

interface DatabaseOptions {
  readonly sideUuid: string
  readonly publishedCp: number
  readonly makePrivate: (path: string) => void
  readonly setAside: (path: string, reason: UnusableReason) => void
  /** Longest wait for another program that holds the file. */
  readonly busyMs: number
}

export function openDatabase(path: string, options: DatabaseOptions): Database {
  try {
    return openOnce(path, options)
  } catch (error) {
    const reason = unusableReason(error)
    if (reason === null) throw error
    options.setAside(path, reason)
    return openOnce(path, options)
  }
}

function openOnce(path: string, options: DatabaseOptions): Database {
  // No connection of this process is open here: closing a file ends all locks that the process has on the file.
  options.makePrivate(path)
  const database = new Database(path, { create: true, strict: true })
  try {
    database.run(`PRAGMA busy_timeout = ${options.busyMs}`)
    database.run('PRAGMA journal_mode = TRUNCATE')
    database.run('PRAGMA synchronous = FULL')
    database.run('PRAGMA mmap_size = 0')
    database.run(`PRAGMA cache_size = -${cacheBytesMax / 1024}`)
    database.run('PRAGMA temp_store = MEMORY')
    transact(database, () => {
      applyMigrations(database, migrations)
      claim(database, options.sideUuid)
      database.run('DELETE FROM cp_rows WHERE cp > ?', [options.publishedCp])
      database.run('DELETE FROM transfer_rows WHERE cp > ?', [options.publishedCp])
      database.run('DELETE FROM change_rows WHERE cp > ?', [options.publishedCp])
    })
    assertSound(database)
    database.run('PRAGMA busy_timeout = 0')
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function assertSound(database: Database): void {
  const found = database.query<{ quick_check: string }, []>('PRAGMA quick_check(1)').get()
  if (found?.quick_check !== 'ok') throw new Unusable('corrupt')
}

function applyMigrations(database: Database, wanted: readonly Migration[]): void {
  const tables = database
    .query<{ name: string }, []>(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
    .all()
  if (tables.length > 0 && !tables.some((table) => table.name === 'applied_migrations'))
    throw new Unusable('foreign')
  database.run(
    'CREATE TABLE IF NOT EXISTS applied_migrations (position INTEGER PRIMARY KEY, name TEXT NOT NULL)',
  )
  const applied = database
    .query<{ name: string }, []>('SELECT name FROM applied_migrations ORDER BY position')
    .all()
  if (applied.length > wanted.length) throw new Unusable('newer')
  wanted.forEach((migration, position) => {
    const before = applied[position]
    if (before !== undefined) {
      if (before.name !== migration.name) throw new Unusable('foreign')
      return
    }
    for (const statement of migration.statements) database.run(statement)
    database.run('INSERT INTO applied_migrations (position, name) VALUES (?, ?)', [position, migration.name])
  })
}

function claim(database: Database, sideUuid: string): void {
  database.run(`INSERT OR IGNORE INTO meta (key, value) VALUES ('sideUuid', ?)`, [sideUuid])
  const owner = database.query<{ value: string }, []>(`SELECT value FROM meta WHERE key = 'sideUuid'`).get()
  if (owner?.value !== sideUuid) throw new Unusable('foreign')
}

/**
 * Applies all of a change or nothing. A callback that gives a promise is refused: the commit would not wait for it.
 */
export function transact<T>(database: Database, change: () => T): T {
  return database
    .transaction(() => {
      const result = change()
      assert(!(result instanceof Promise), 'a transaction is synchronous')
      return result
    })
    .immediate()
}

/** A commit is tried again after this time, and for so long: longer than any reader that a server lets in. */
export const commitPauseMs = 50
export const commitMsMax = 60_000

/**
 * False when readers are in the way. The transaction stays open then, and SQLite lets no new reader in before the commit,
 * so readers that follow each other without a gap keep no commit waiting for longer than the longest of them.
 */
export function tryCommit(database: Database): boolean {
  try {
    database.run('COMMIT')
    return true
  } catch (error) {
    if (isBusy(error)) return false
    if (database.inTransaction) database.run('ROLLBACK')
    throw error
  }
}

/** Begins a transaction with a change, all of it or nothing; the caller commits. */
export function begin<T>(database: Database, change: () => T): T {
  database.run('BEGIN IMMEDIATE')
  try {
    return change()
  } catch (error) {
    if (database.inTransaction) database.run('ROLLBACK')
    throw error
  }
}

const isBusy = (error: unknown): boolean => systemCodeOf(error)?.startsWith('SQLITE_BUSY') ?? false

export function unusableReason(error: unknown): UnusableReason | null {
  if (error instanceof Unusable) return error.reason
  const code = systemCodeOf(error) ?? ''
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') return 'corrupt'
  // A table or column that the file's own journal promises is missing: another program has changed the file.
  if (code === 'SQLITE_ERROR') return 'foreign'
  return null
}
