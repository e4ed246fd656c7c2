/**
 * Takes questions in SQL, and has each run in a sandbox.
 *
 * - At most `queriesMax` run at once, each in a process of its own, and at most `waitingMax` wait for their turn; one client
 *   has half of each, and always one. A client that leaves gives up its turn, and its query.
 * - No process is begun before the first question, and none stays when nobody has asked for `idleMsMax`.
 * - Every answer names the CP that its files are true for: while there is none, nothing is answered.
 * - After `close` nothing runs, and no process is left.
 */
import { describedViews } from '../../catalog/descriptions.ts'
import type { FileFollower } from '../../catalog/files/follower.ts'
import type { SqlBounds } from '../../catalog/sql/question.ts'
import { Sandbox, unready } from '../../catalog/sql/sandbox.ts'
import type { RowsAnswer } from '../../catalog/sql/sandbox-process.ts'
import type { Clock } from '../../lib/clock.ts'
import { hasCode, StillpointError } from '../../lib/errors.ts'
import { SharedGate } from '../../lib/gates/shared-gate.ts'
import { counter, gauge, type Metric } from '../../lib/metric.ts'
import type { SqlAnswer, SqlDoor, SqlQuestion, SqlView } from '../../routes/http/dependencies.ts'
import type { Refusals } from '../../routes/limits/refusals.ts'

/** Processes end after this time without a question. */
const idleMsMax = 300_000

interface SqlDeskOptions {
  /** Path of the catalog file. */
  readonly path: string
  readonly bounds: SqlBounds
  readonly queriesMax: number
  readonly waitingMax: number
  readonly clock: Clock
  /** Null when the catalog keeps no files. */
  readonly files: Pick<FileFollower, 'status' | 'reached'> | null
  readonly refusals: Refusals
}

const half = (most: number): number => Math.max(1, Math.floor(most / 2))

export class SqlDesk implements SqlDoor {
  readonly views: readonly SqlView[] = describedViews

  private readonly turns: SharedGate
  private readonly idle: Sandbox[] = []
  private readonly running = new Set<Sandbox>()
  private readonly closing = new AbortController()
  private cancelRest = (): void => {}
  private readonly counts = { answered: 0, refused: 0, stopped: 0, ms: 0 }

  constructor(private readonly options: SqlDeskOptions) {
    const { queriesMax, waitingMax } = options
    this.turns = new SharedGate({
      bytesMax: queriesMax,
      clientBytesMax: half(queriesMax),
      waitingMax,
      clientWaitingMax: half(waitingMax),
    })
  }

  async ask<T>(
    question: SqlQuestion,
    client: string,
    left: AbortSignal,
    deliver: (answer: SqlAnswer) => Promise<T>,
  ): Promise<T> {
    if (this.options.queriesMax === 0) throw unready('--sql-queries-max is 0 here')
    const ends = AbortSignal.any([left, this.closing.signal])
    await this.reach(question, ends)
    const waiting = this.turns.enter(client, 1, () => ends)
    const refusal = waiting && (await waiting)
    if (refusal) throw this.refused(refusal)
    try {
      const answer = await this.run(question, ends)
      const { cp, columns, truncated, body } = answer
      if (cp === null) throw unready('its files are being filled')
      if (cp < question.minCp) throw notYet(question.minCp, cp)
      return await deliver({ cp, columns, truncated, body })
    } finally {
      this.turns.letGo(client, 1)
    }
  }

  metrics(): readonly Metric[] {
    const { answered, refused, stopped, ms } = this.counts
    return [
      counter('stillpoint_sql_answered_total', 'Queries in SQL that were answered', answered),
      counter(
        'stillpoint_sql_refused_total',
        'Queries in SQL that were refused: they were at fault',
        refused,
      ),
      counter(
        'stillpoint_sql_stopped_total',
        'Queries in SQL that a limit, or their end, has stopped',
        stopped,
      ),
      counter('stillpoint_sql_seconds_total', 'Time that queries in SQL have run', ms / 1000),
      gauge('stillpoint_sql_running', 'Queries in SQL that run', this.turns.bytes),
      gauge('stillpoint_sql_waiting', 'Queries in SQL that wait for their turn', this.turns.waiters),
    ]
  }

  /** Ids of the processes that there are. */
  processes(): number[] {
    return [...this.idle, ...this.running].flatMap(({ pid }) => pid ?? [])
  }

  async close(): Promise<void> {
    this.closing.abort()
    this.cancelRest()
    await Promise.all([...this.idle.splice(0), ...this.running].map((sandbox) => sandbox.close()))
  }

  /** Waits until the files are those of the CP that is wanted. */
  private async reach({ minCp, waitMs }: SqlQuestion, left: AbortSignal): Promise<void> {
    const { files, clock } = this.options
    if (files === null) throw unready('--catalog-files is off here')
    const isThere = (): boolean => (files.status().cp ?? -1) >= minCp
    if (isThere()) return
    if (waitMs > 0) {
      const late = new AbortController()
      const cancel = clock.after(waitMs, () => late.abort())
      await files.reached(minCp, AbortSignal.any([left, late.signal]))
      cancel()
      if (isThere()) return
    }
    const { cp } = files.status()
    throw cp === null ? unready('its files are being filled') : notYet(minCp, cp)
  }

  private refused(why: 'full' | 'share' | 'left'): StillpointError {
    if (why === 'left') return unready('the query was given up')
    const { waitingMax } = this.options
    this.options.refusals.count(why === 'full' ? 'queries' : 'queries-of-client')
    return why === 'full'
      ? new StillpointError('busy', `${waitingMax} queries wait for their turn already`)
      : new StillpointError(
          'too-many-requests',
          `${half(waitingMax)} queries of this client wait for their turn already`,
        )
  }

  private async run(
    { query, params, rowsMax, format, views }: SqlQuestion,
    left: AbortSignal,
  ): Promise<RowsAnswer> {
    const { path, bounds, clock } = this.options
    const sandbox = this.idle.pop() ?? new Sandbox({ path, bounds }, clock)
    this.running.add(sandbox)
    this.cancelRest()
    const beganMs = clock.monotonic()
    try {
      const rows = Math.min(rowsMax ?? bounds.rowsMax, bounds.rowsMax)
      const answer = await sandbox.ask({ query, params, rowsMax: rows, format, views }, left)
      this.counts.answered++
      return answer
    } catch (error) {
      this.counts[hasCode(error, 'bad-sql') ? 'refused' : 'stopped']++
      throw error
    } finally {
      this.counts.ms += clock.monotonic() - beganMs
      this.running.delete(sandbox)
      if (!this.closing.signal.aborted) this.idle.push(sandbox)
      if (this.running.size === 0) this.restLater()
    }
  }

  private restLater(): void {
    if (this.closing.signal.aborted) return
    this.cancelRest = this.options.clock.after(idleMsMax, () => {
      for (const sandbox of this.idle.splice(0)) sandbox.close().catch(() => {})
    })
  }
}

const notYet = (wanted: number, cp: number): StillpointError =>
  new StillpointError(
    'not-yet',
    `the files of the catalog are those of consistency point ${cp}, not yet of ${wanted}`,
    {
      cp,
    },
  )
