/**
 * The history that people query: one row for each CP, for each transfer to a mirror, for each event, and for each
 * entry of the audit trail.
 *
 * - `record…` never waits, never throws and never touches SQLite: rows go to a bounded queue that is written in
 *   batches later. Rows that SQLite refuses (locked, full, no file) are tried again; when the queue is full, the
 *   oldest row is dropped and counted. So the catalog never delays an acknowledgement.
 * - Reads never throw either: a read sees the rows of the file, when the file can be read, and the rows of the queue.
 * - Readers keep a batch waiting for as long as the longest of them takes, and for as long as `commitMsMax`: the
 *   transaction stays open, so no new reader comes before the batch.
 * - Each table keeps at most `rowsMax` rows, and events `eventRowsMax`, the newest; the audit trail none that is older
 *   than `auditMsMax`.
 */
import type { Clock } from '../lib/clock.ts'
import { CatalogFile, type CatalogFileOptions, type OpenedFile } from './catalog-file.ts'
import { begin, commitMsMax, commitPauseMs, tryCommit } from './database.ts'
import type { transferKinds } from './schema.ts'

export interface CpRow {
  readonly cp: number
  readonly epoch: number
  /** The last operation that the CP contains, and the opening that gave that number. */
  readonly opening: number
  readonly sequence: number
  /** Lower-case hexadecimal. */
  readonly rootHash: string
  readonly cause: string
  /** Milliseconds of each phase: send, build, commit. */
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

export interface MirrorRow {
  readonly id: string
  readonly url: string | null
  readonly state: string
  /** Null when unknown. */
  readonly cp: number | null
  readonly lagCps: number | null
  readonly lagMs: number | null
  readonly heldBytes: number | null
  /** In words; null when the mirror needs nothing. */
  readonly needs: string | null
  readonly atMs: number
}

export interface AuditRow {
  readonly event: string
  readonly who: string | null
  readonly what: string
  /** Address of the sender. */
  readonly source: string | null
  /** Events of this kind, or of this source, that have no row since the row before. */
  readonly leftOut: number
  readonly atMs: number
}

export interface EventRow {
  readonly event: string
  readonly cp: number
  readonly mirror: string | null
  /** A JSON object. */
  readonly facts: string
  readonly atMs: number
}

export interface CatalogOptions extends CatalogFileOptions {
  readonly clock: Clock
  readonly rowsMax?: number
  /** 0 keeps no events. */
  readonly eventRowsMax?: number
  readonly queueRowsMax?: number
}

const rowsMaxDefault = 100_000
const queueRowsMaxDefault = 10_000
/** 400 days: more than a year can be looked back. */
const auditMsMax = 400 * 24 * 3_600_000
const batchRowsMax = 5_000
const batchDelayMs = 50
const retryDelayMs = 1_000
const closeBusyMs = 2_000
const listRowsMax = 10_000

type Queued =
  | { readonly cp: CpRow }
  | { readonly transfer: TransferRow }
  | { readonly audit: AuditRow }
  | { readonly event: EventRow }

/** A batch in a transaction that waits for readers. */
interface Held {
  readonly file: OpenedFile
  readonly batch: readonly Queued[]
  readonly mirrors: readonly MirrorRow[] | null
  readonly rows: RowCounts
  readonly untilMs: number
  readonly letGo: () => void
}

interface RowCounts {
  readonly cps: number
  readonly transfers: number
  readonly audits: number
  readonly events: number
}

export class Catalog {
  readonly file: CatalogFile
  private readonly clock: Clock
  private readonly rowsMax: number
  private readonly eventRowsMax: number
  private readonly queueRowsMax: number
  /** Upper bounds for the rows in each table of this opened file. */
  private counted: { readonly file: OpenedFile; readonly rows: RowCounts } | null = null
  private queue: Queued[] = []
  /** The mirrors as they were seen last; null when the file has them. */
  private mirrors: readonly MirrorRow[] | null = null
  private cancelTimer: (() => void) | null = null
  private known: () => readonly CpRow[] = () => []
  private droppedRows = 0
  private held: Held | null = null
  private readonly settling: (() => void)[] = []
  private closed = false

  /** A file that cannot be used is logged and tried again: see CatalogFile. */
  constructor(path: string, options: CatalogOptions) {
    this.file = new CatalogFile(path, options)
    this.clock = options.clock
    this.rowsMax = options.rowsMax ?? rowsMaxDefault
    this.eventRowsMax = options.eventRowsMax ?? rowsMaxDefault
    this.queueRowsMax = options.queueRowsMax ?? queueRowsMaxDefault
  }

  /** Sets the source of the rows that fill a file that had to be made again while the server runs. */
  onFresh(known: () => readonly CpRow[]): void {
    this.known = known
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

  /** Replaces what is known about the mirrors. */
  recordMirrors(mirrors: readonly MirrorRow[]): void {
    this.mirrors = mirrors
    if (this.cancelTimer === null && !this.closed) this.schedule(batchDelayMs)
  }

  recordAudit(audit: AuditRow): void {
    this.enqueue({ audit })
  }

  recordEvent(event: EventRow): void {
    if (this.eventRowsMax > 0) this.enqueue({ event })
  }

  /** Gives the newest rows first, only of CPs below `before` when `before` is given; at most `listRowsMax` rows. */
  listCps(limit: number, before: number | null = null): CpRow[] {
    const below = before ?? Number.MAX_SAFE_INTEGER
    const rowsMost = Math.min(limit, listRowsMax)
    const rows = this.read(({ statements }) => statements.listCps.all({ below, limit: rowsMost })) ?? []
    return newestFirst(
      rows,
      this.queuedCps().filter(({ cp }) => cp < below),
    ).slice(0, rowsMost)
  }

  getCp(cp: number): CpRow | null {
    const row = this.read(({ statements }) => statements.getCp.get({ cp }) ?? null)
    return row ?? this.queuedCps().find((queued) => queued.cp === cp) ?? null
  }

  /** The newest CP that was committed at or before a wall-clock time. Numbers order CPs; clocks only label CPs. */
  newestAtOrBefore(ms: number): CpRow | null {
    const row = this.read(({ statements }) => statements.newestAtOrBefore.get({ ms }) ?? null)
    const queued = this.queuedCps().filter(({ committedMs }) => committedMs <= ms)
    return newestFirst(row ? [row] : [], queued)[0] ?? null
  }

  /** Writes the queue. False when SQLite did not take all rows; the other rows stay queued and are tried again. */
  flush(): boolean {
    if (this.closed) return false
    this.cancelTimer?.()
    this.cancelTimer = null
    const pauseMs = this.commitHeld() ?? (this.file.isTaken ? batchDelayMs : null)
    if (pauseMs !== null) {
      this.schedule(pauseMs)
      return false
    }
    for (;;) {
      this.file.ready()
      if (this.file.takeFresh()) for (const cp of this.known()) this.put({ cp })
      const batch = this.queue.slice(0, batchRowsMax)
      if (batch.length === 0 && this.mirrors === null) return true
      const { mirrors } = this
      const written = this.file.use((file) => ({ file, ...this.write(file, batch, mirrors) }))
      if (written === null) {
        this.schedule(retryDelayMs)
        return false
      }
      const { file, rows, isCommitted } = written
      if (!isCommitted) {
        const untilMs = this.clock.monotonic() + commitMsMax
        this.held = { file, batch, mirrors, rows, untilMs, letGo: this.file.take() }
        this.schedule(commitPauseMs)
        return false
      }
      this.committed(file, batch, mirrors, rows)
    }
  }

  /** Resolves when no batch waits for readers any more: until then nobody else can begin a transaction. */
  settled(): Promise<void> {
    if (!this.held) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.settling.push(resolve)
    return promise
  }

  private committed(
    file: OpenedFile,
    batch: readonly Queued[],
    mirrors: readonly MirrorRow[] | null,
    rows: RowCounts,
  ): void {
    this.counted = { file, rows }
    const written = new Set(batch)
    // A full queue may have lost rows of the batch meanwhile.
    this.queue = this.queue.filter((row) => !written.has(row))
    if (this.mirrors === mirrors) this.mirrors = null
  }

  /** Null when no batch waits for readers any more; otherwise the pause until the next attempt, in milliseconds. */
  private commitHeld(): number | null {
    const { held } = this
    if (!held) return null
    const outcome = this.file.use(({ database }) => {
      // Another file has been opened meanwhile: the batch is still in the queue.
      if (database !== held.file.database) return 'gone'
      if (tryCommit(database)) return 'committed'
      if (this.clock.monotonic() < held.untilMs) return 'waits'
      database.run('ROLLBACK')
      return 'given up'
    })
    if (outcome === 'waits') return commitPauseMs
    if (outcome === 'committed') this.committed(held.file, held.batch, held.mirrors, held.rows)
    this.held = null
    held.letGo()
    for (const resolve of this.settling.splice(0)) resolve()
    return outcome === 'given up' ? retryDelayMs : null
  }

  close(): void {
    if (this.closed) return
    // The rows cannot be taken later, so this last flush waits for programs that read the file.
    this.file.use(({ database }) => database.run(`PRAGMA busy_timeout = ${closeBusyMs}`))
    if (!this.flush()) this.droppedRows += this.queue.length
    this.closed = true
    this.cancelTimer?.()
    this.file.close()
  }

  private read<T>(look: (file: OpenedFile) => T): T | null {
    this.flush()
    return this.file.use(look)
  }

  private queuedCps(): CpRow[] {
    return this.queue.flatMap((row) => ('cp' in row ? [row.cp] : []))
  }

  private enqueue(row: Queued): void {
    if (this.closed || this.queueRowsMax === 0) {
      this.droppedRows++
      return
    }
    this.put(row)
    if (this.cancelTimer === null) this.schedule(batchDelayMs)
  }

  private put(row: Queued): void {
    if (this.queue.length >= this.queueRowsMax) {
      this.queue.shift()
      this.droppedRows++
    }
    this.queue.push(row)
  }

  private schedule(ms: number): void {
    this.cancelTimer = this.clock.after(ms, () => {
      this.cancelTimer = null
      this.flush()
    })
  }

  private write(
    file: OpenedFile,
    batch: readonly Queued[],
    mirrors: readonly MirrorRow[] | null,
  ): { readonly rows: RowCounts; readonly isCommitted: boolean } {
    const { statements } = file
    const before = this.counted?.file === file ? this.counted.rows : countRows(file)
    const rows = begin(file.database, () => {
      let { cps, transfers, audits, events } = before
      let newestAuditMs: number | null = null
      if (mirrors !== null) {
        statements.dropMirrors.run()
        for (const mirror of mirrors) statements.putMirror.run({ ...mirror })
      }
      for (const row of batch) {
        if ('cp' in row) {
          statements.putCp.run({ ...row.cp })
          cps++
        } else if ('event' in row) {
          statements.putEvent.run({ ...row.event })
          events++
        } else if ('audit' in row) {
          statements.putAudit.run({ ...row.audit })
          audits++
          newestAuditMs = row.audit.atMs
        } else {
          statements.putTransfer.run({ ...row.transfer })
          transfers++
        }
      }
      // A row that was in the file already is counted twice here, so the rows are counted before any row is deleted.
      if (cps > this.rowsMax) {
        cps = statements.countCps.get()?.rows ?? 0
        if (cps > this.rowsMax) statements.dropOldestCps.run({ surplus: cps - this.rowsMax })
        cps = Math.min(cps, this.rowsMax)
      }
      if (transfers > this.rowsMax) {
        statements.dropOldestTransfers.run({ surplus: transfers - this.rowsMax })
        transfers = this.rowsMax
      }
      // An earlier process may have kept more.
      if (events > this.eventRowsMax) {
        statements.dropOldestEvents.run({ surplus: events - this.eventRowsMax })
        events = this.eventRowsMax
      }
      if (newestAuditMs !== null) statements.dropAuditsBefore.run({ ms: newestAuditMs - auditMsMax })
      if (audits > this.rowsMax) {
        audits = statements.countAudits.get()?.rows ?? 0
        if (audits > this.rowsMax) statements.dropOldestAudits.run({ surplus: audits - this.rowsMax })
        audits = Math.min(audits, this.rowsMax)
      }
      return { cps, transfers, audits, events }
    })
    return { rows, isCommitted: tryCommit(file.database) }
  }
}

const countRows = ({ statements }: OpenedFile): RowCounts => ({
  cps: statements.countCps.get()?.rows ?? 0,
  transfers: statements.countTransfers.get()?.rows ?? 0,
  audits: statements.countAudits.get()?.rows ?? 0,
  events: statements.countEvents.get()?.rows ?? 0,
})

/** Merges two lists, the newest CP first. When both lists have a row of a CP, the row of the first list stays. */
export function newestFirst(rows: readonly CpRow[], others: readonly CpRow[]): CpRow[] {
  if (others.length === 0) return [...rows]
  const first = new Map<number, CpRow>()
  for (const row of [...rows, ...others]) if (!first.has(row.cp)) first.set(row.cp, row)
  return [...first.values()].toSorted((a, b) => b.cp - a.cp)
}
