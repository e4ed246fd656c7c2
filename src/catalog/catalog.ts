/**
 * The history that people query: one row for each CP and for each transfer to a mirror.
 *
 * - `record…` never waits, never throws and never touches SQLite: rows go to a bounded queue that is written in
 *   batches later. What SQLite refuses (locked, full) is tried again; when the queue is full its oldest row is dropped
 *   and counted. So nothing here can hold an acknowledgement.
 * - Reads write the queue first, so they see what was recorded; when that fails they see what is on disk.
 * - At most `rowsMax` rows of each table are kept, the newest.
 */
import type { Database } from 'bun:sqlite'
import type { Clock } from '../lib/clock.ts'
import { logger } from '../lib/log.ts'
import { type DatabaseOptions, openDatabase, transact } from './database.ts'
import type { transferKinds } from './schema.ts'
import { prepareStatements, type Statements } from './statements.ts'
import { systemCodeOf } from '../lib/errors.ts'

export interface CpRow {
  readonly cp: number
  readonly epoch: number
  /** Lower-case hexadecimal. */
  readonly rootHash: string
  readonly cause: string
  /** Milliseconds of each phase. */
  readonly sendMs: number
  readonly buildMs: number
  readonly commitMs: number
  readonly blocksWritten: number
  readonly bytesWritten: number
  readonly coalesced: number
  /** Wall clock, milliseconds since 1970. */
  readonly committedMs: number
}

type TransferKind = (typeof transferKinds)[number]

export interface TransferRow {
  /** The side UUID of the mirror, also in the mirror's own catalog. */
  readonly mirror: string
  readonly kind: TransferKind
  readonly cp: number
  readonly blocks: number
  readonly bytes: number
  readonly ms: number
  readonly atMs: number
}

export interface CatalogOptions extends DatabaseOptions {
  readonly clock: Clock
  readonly rowsMax?: number
  readonly queueRowsMax?: number
}

const rowsMaxDefault = 100_000
const queueRowsMaxDefault = 10_000
const batchRowsMax = 500
const batchDelayMs = 50
const retryDelayMs = 1_000
const listRowsMax = 10_000

type Queued = { readonly cp: CpRow } | { readonly transfer: TransferRow }

const log = logger('catalog')

export class Catalog {
  private readonly database: Database
  private readonly statements: Statements
  private readonly clock: Clock
  private readonly rowsMax: number
  private readonly queueRowsMax: number
  /** At least as many as there are in each table. */
  private rows: { readonly cps: number; readonly transfers: number }
  private queue: Queued[] = []
  private cancelTimer: (() => void) | null = null
  private droppedRows = 0
  private closed = false

  constructor(database: Database, options: CatalogOptions) {
    this.database = database
    this.statements = prepareStatements(database)
    this.clock = options.clock
    this.rowsMax = options.rowsMax ?? rowsMaxDefault
    this.queueRowsMax = options.queueRowsMax ?? queueRowsMaxDefault
    this.rows = {
      cps: this.statements.countCps.get()?.rows ?? 0,
      transfers: this.statements.countTransfers.get()?.rows ?? 0,
    }
  }

  /** Rows that were given up because SQLite did not take them in time. */
  get dropped(): number {
    return this.droppedRows
  }

  /** A CP that is recorded again keeps its first row. */
  recordCp(cp: CpRow): void {
    this.enqueue({ cp })
  }

  recordTransfer(transfer: TransferRow): void {
    this.enqueue({ transfer })
  }

  /** Newest first, below `before` when it is given; at most `listRowsMax`. */
  listCps(limit: number, before: number | null = null): CpRow[] {
    this.flush()
    const below = before ?? Number.MAX_SAFE_INTEGER
    return this.statements.listCps.all({ below, limit: Math.min(limit, listRowsMax) })
  }

  getCp(cp: number): CpRow | null {
    this.flush()
    return this.statements.getCp.get({ cp }) ?? null
  }

  /** The newest CP that was committed at or before a wall-clock time: numbers order, clocks only label. */
  newestAtOrBefore(ms: number): CpRow | null {
    this.flush()
    return this.statements.newestAtOrBefore.get({ ms }) ?? null
  }

  /** Writes what is queued. False when SQLite did not take all of it; the rest stays queued and is tried again. */
  flush(): boolean {
    if (this.closed) return false
    this.cancelTimer?.()
    this.cancelTimer = null
    while (this.queue.length > 0) {
      const batch = this.queue.slice(0, batchRowsMax)
      try {
        this.write(batch)
      } catch (error) {
        log.warn('rows are not written yet', { queued: this.queue.length, code: systemCodeOf(error) })
        this.schedule(retryDelayMs)
        return false
      }
      this.queue = this.queue.slice(batch.length)
    }
    return true
  }

  /** Writes the queue and moves the write-ahead log into the file, so that the file alone is complete. */
  close(): void {
    if (this.closed) return
    if (!this.flush()) this.droppedRows += this.queue.length
    this.closed = true
    this.cancelTimer?.()
    try {
      this.database.run('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch (error) {
      log.warn('the catalog was closed without a checkpoint', { code: systemCodeOf(error) })
    }
    this.database.close()
  }

  private enqueue(row: Queued): void {
    if (this.closed || this.queueRowsMax === 0) {
      this.droppedRows++
      return
    }
    if (this.queue.length >= this.queueRowsMax) {
      this.queue.shift()
      this.droppedRows++
    }
    this.queue.push(row)
    if (this.cancelTimer === null) this.schedule(batchDelayMs)
  }

  private schedule(ms: number): void {
    this.cancelTimer = this.clock.after(ms, () => {
      this.cancelTimer = null
      this.flush()
    })
  }

  private write(batch: readonly Queued[]): void {
    const statements = this.statements
    this.rows = transact(this.database, () => {
      let { cps, transfers } = this.rows
      for (const row of batch) {
        if ('cp' in row) {
          statements.putCp.run({ ...row.cp })
          cps++
        } else {
          statements.putTransfer.run({ ...row.transfer })
          transfers++
        }
      }
      // A row that was there already counted twice, so count before anything is deleted.
      if (cps > this.rowsMax) {
        cps = statements.countCps.get()?.rows ?? 0
        if (cps > this.rowsMax) statements.dropOldestCps.run({ surplus: cps - this.rowsMax })
        cps = Math.min(cps, this.rowsMax)
      }
      if (transfers > this.rowsMax) {
        statements.dropOldestTransfers.run({ surplus: transfers - this.rowsMax })
        transfers = this.rowsMax
      }
      return { cps, transfers }
    })
  }
}

/** Opens or makes the file; throws only when a fresh one cannot be made either. */
export function openCatalog(path: string, options: CatalogOptions): Catalog {
  return new Catalog(openDatabase(path, options), options)
}
