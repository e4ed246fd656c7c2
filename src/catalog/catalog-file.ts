/**
 * The SQLite file under a catalog, for as long as it can be used.
 *
 * - The catalog never decides whether a volume is served: no trouble of the file is thrown. A call that needs the
 *   file gives null, and a later call tries again.
 * - A file that turns out damaged or foreign, at the open or at any later moment, is set aside, and a fresh file is
 *   made. A file that another program has moved or removed is made again. A file that cannot be opened (locked, a
 *   folder in its place, no space, read-only) is tried again after `reopenDelayMs`.
 */
import { SQLiteError, type Database } from 'bun:sqlite'
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { logger } from '../lib/log.ts'
import { systemCodeOf } from '../lib/errors.ts'
import { openDatabase, type UnusableReason, unusableReason } from './database.ts'
import { prepareStatements, type Statements } from './statements.ts'

export interface CatalogFileOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly sideUuid: string
  /** Rows above this CP are about consistency points that no longer exist. */
  readonly publishedCp: () => number
  /** Makes the file when it is absent, for its owner alone; SQLite gives the files beside it the same mode. */
  readonly makePrivate: (path: string) => void
  /** Moves the file and its companions out of the way. */
  readonly setAside: (path: string, reason: UnusableReason) => void
}

/**
 * At the start a program that copies the file may hold the file for a moment; no later open waits for that program.
 */
const firstBusyMs = 2_000
const reopenDelayMs = 10_000

const log = logger('catalog')

export interface OpenedFile {
  readonly database: Database
  readonly statements: Statements
}

export class CatalogFile {
  private opened: OpenedFile | null = null
  private nextTryMs = Number.NEGATIVE_INFINITY
  private fresh = false
  private taken = false
  private troubleSaid = ''

  constructor(
    private readonly path: string,
    private readonly options: CatalogFileOptions,
  ) {
    this.ready(firstBusyMs)
    this.fresh = false
  }

  /** True once after the file was opened again: the file may lack rows that were written before. */
  takeFresh(): boolean {
    const { fresh } = this
    this.fresh = false
    return fresh
  }

  /** Gives the result of the work; null when the file cannot be used now. Work that fails has changed nothing. */
  use<T>(work: (file: OpenedFile) => T): T | null {
    const first = this.attempt(work)
    // A file that is closed by now was damaged and set aside, or moved: the second attempt opens a fresh file.
    return first ?? (this.opened === null ? this.attempt(work) : null)
  }

  /**
   * Does the same as `use` for work that waits in between, and that has a transaction open meanwhile. One such work
   * at a time; until it ends, `isTaken` says that no other transaction can begin.
   */
  async useLong<T>(work: (file: OpenedFile) => Promise<T>): Promise<T | null> {
    assert(!this.taken, 'one long work at a time')
    if (!this.ready()) return null
    const file = this.opened!
    this.taken = true
    try {
      return await work(file)
    } catch (error) {
      // Another call may have met the trouble first; the work has failed with the file then.
      if (this.opened === file && !(error instanceof SQLiteError)) throw error
      if (this.opened === file) this.trouble(error as SQLiteError)
      return null
    } finally {
      this.taken = false
    }
  }

  get isTaken(): boolean {
    return this.taken
  }

  /** Keeps other transactions away until the caller lets go: its own one waits for readers. */
  take(): () => void {
    assert(!this.taken, 'one long work at a time')
    this.taken = true
    return () => {
      this.taken = false
    }
  }

  /** Opens the file when the next attempt is due; true when the file is open. */
  ready(busyMs = 0): boolean {
    if (this.opened !== null) return true
    const { clock, sideUuid, publishedCp, makePrivate, setAside } = this.options
    if (clock.monotonic() < this.nextTryMs) return false
    try {
      const database = openDatabase(this.path, {
        sideUuid,
        publishedCp: publishedCp(),
        makePrivate,
        setAside,
        busyMs,
      })
      this.opened = { database, statements: this.prepare(database) }
    } catch (error) {
      this.nextTryMs = clock.monotonic() + reopenDelayMs
      this.say(error)
      return false
    }
    this.fresh = true
    if (this.troubleSaid !== '') log.info('the catalog is used again', { path: this.path })
    this.troubleSaid = ''
    return true
  }

  /** A file whose tables are not those of its journal is set aside: the next attempt makes a fresh file. */
  private prepare(database: Database): Statements {
    try {
      return prepareStatements(database)
    } catch (error) {
      // An open database would keep the lock of the file, also against this process.
      database.close()
      const reason = unusableReason(error)
      if (reason !== null) this.options.setAside(this.path, reason)
      throw error
    }
  }

  close(): void {
    const { opened } = this
    this.opened = null
    this.nextTryMs = Number.POSITIVE_INFINITY
    opened?.database.close()
  }

  private attempt<T>(work: (file: OpenedFile) => T): T | null {
    if (!this.ready()) return null
    try {
      return work(this.opened!)
    } catch (error) {
      if (!(error instanceof SQLiteError)) throw error
      this.trouble(error)
      return null
    }
  }

  private trouble(error: SQLiteError): void {
    this.say(error)
    const reason = unusableReason(error)
    if (reason === null && systemCodeOf(error) !== 'SQLITE_READONLY_DBMOVED') return
    const { database } = this.opened!
    this.opened = null
    database.close()
    if (reason === null) return
    try {
      this.options.setAside(this.path, reason)
    } catch (failure) {
      this.nextTryMs = this.options.clock.monotonic() + reopenDelayMs
      this.say(failure)
    }
  }

  /** Logs a trouble, unless the trouble before was of the same kind. */
  private say(error: unknown): void {
    const code = systemCodeOf(error) ?? 'unknown'
    if (this.troubleSaid === code) return
    this.troubleSaid = code
    const reason = error instanceof Error ? error.message : String(error)
    log.warn('the catalog cannot be used now: history is kept in memory, and everything else goes on', {
      path: this.path,
      code,
      reason,
    })
  }
}
