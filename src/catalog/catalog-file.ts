/**
 * The SQLite file under a catalog, for as long as it can be used.
 *
 * - The catalog never decides whether a volume is served: no trouble of the file is thrown. What needs the file answers
 *   null instead, and a later call tries again.
 * - A file that turns out damaged or foreign, at the open or at any moment later, is set aside and a fresh one is made.
 *   One that somebody has moved or removed is made again. One that cannot be opened (locked, a folder in its place, no
 *   space, read-only) is tried again after a while.
 */
import { SQLiteError, type Database } from 'bun:sqlite'
import type { Clock } from '../lib/clock.ts'
import { logger } from '../lib/log.ts'
import { systemCodeOf } from '../lib/errors.ts'
import { openDatabase, releaseDatabase, type UnusableReason, unusableReason } from './database.ts'
import { prepareStatements, type Statements } from './statements.ts'

export interface CatalogFileOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly sideUuid: string
  /** Rows above it are about consistency points that nobody has. */
  readonly publishedCp: () => number
  /** Moves the file and its companions out of the way. */
  readonly setAside: (path: string, reason: UnusableReason) => void
}

/** At the start somebody who copies the file may hold it for a moment; later nobody waits for that. */
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
  private troubleSaid = ''

  constructor(
    private readonly path: string,
    private readonly options: CatalogFileOptions,
  ) {
    this.ready(firstBusyMs)
    this.fresh = false
  }

  /** True once after the file was opened again: it may lack what was written before. */
  takeFresh(): boolean {
    const { fresh } = this
    this.fresh = false
    return fresh
  }

  /** What the work gives; null when the file cannot be used now. Work that fails has changed nothing. */
  use<T>(work: (file: OpenedFile) => T): T | null {
    const first = this.attempt(work)
    // The file was damaged and is a fresh one by now.
    return first ?? (this.opened === null ? this.attempt(work) : null)
  }

  /** Opens it when it is due. */
  ready(busyMs = 0): boolean {
    if (this.opened !== null) return true
    const { clock, sideUuid, publishedCp, setAside } = this.options
    if (clock.monotonic() < this.nextTryMs) return false
    try {
      const database = openDatabase(this.path, {
        sideUuid,
        publishedCp: publishedCp(),
        setAside,
        busyMs,
      })
      this.opened = { database, statements: prepareStatements(database) }
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

  /** The file alone is complete afterwards. */
  close(): void {
    const { opened } = this
    if (!opened) return
    this.opened = null
    this.nextTryMs = Number.POSITIVE_INFINITY
    try {
      releaseDatabase(opened.database)
    } catch (error) {
      log.warn('the catalog was closed without a checkpoint', { code: systemCodeOf(error) })
    }
    opened.database.close()
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

  /** Once for each kind of trouble in a row. */
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
