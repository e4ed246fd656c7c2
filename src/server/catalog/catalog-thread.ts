/**
 * The catalog as the server sees it: a thread that is told of rows, and asked.
 *
 * - No call throws, and none keeps the server waiting: a thread that has ended answers nothing to what was asked, and a
 *   new thread is begun for a call that comes `restartMs` later.
 * - Rows that are told while there is no thread are counted as dropped.
 */
import type { AuditRow, CpRow, EventRow, MirrorRow, TransferRow } from '../../catalog/catalog.ts'
import type { Pass } from '../../catalog/files/file-catalog.ts'
import type { CatalogState } from '../../catalog/files/file-tables.ts'
import type { FilePasses } from '../../catalog/files/follower.ts'
import type { ImageRoot } from '../../catalog/files/image.ts'
import type { Clock } from '../../lib/clock.ts'
import { logger } from '../../lib/log.ts'
import type {
  CatalogAnswer,
  CatalogAnswers,
  CatalogFailure,
  CatalogSetting,
  CatalogWord,
} from './catalog-messages.ts'

const restartMs = 10_000
const noState: CatalogState = { cp: null, rootHash: null, changesAfter: null }
const noPass: Pass = { outcome: 'no-file', reason: 'the thread of the catalog has ended', state: noState }

/** Inside the compiled program every module has the place of the program, and entry points lie below `src/`. */
const workerUrl = new URL(
  import.meta.url.includes('/$bunfs/') ? './server/catalog/catalog-worker.ts' : './catalog-worker.ts',
  import.meta.url,
).href

const log = logger('catalog')

export class CatalogThread implements FilePasses {
  private worker: Worker | null = null
  private nextStartMs = Number.NEGATIVE_INFINITY
  private readonly waiting = new Map<number, (value: unknown) => void>()
  private number = 0
  private droppedByThread = 0
  private droppedHere = 0

  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    private readonly setting: () => CatalogSetting,
  ) {
    this.begin()
  }

  /** Rows of the history that were given up. */
  get dropped(): number {
    return this.droppedByThread + this.droppedHere
  }

  recordCp(row: CpRow): void {
    if (!this.tell({ kind: 'cp', row })) this.droppedHere++
  }

  recordTransfer(row: TransferRow): void {
    if (!this.tell({ kind: 'transfer', row })) this.droppedHere++
  }

  recordAudit(row: AuditRow): void {
    if (!this.tell({ kind: 'audit', row })) this.droppedHere++
  }

  recordEvent(row: EventRow): void {
    if (!this.tell({ kind: 'event', row })) this.droppedHere++
  }

  recordMirrors(rows: readonly MirrorRow[]): void {
    this.tell({ kind: 'mirrors', rows })
  }

  async listCps(limit: number, before: number | null): Promise<readonly CpRow[]> {
    return (await this.ask('listCps', [limit, before])) ?? []
  }

  getCp(cp: number): Promise<CpRow | null> {
    return this.ask('getCp', [cp])
  }

  newestAtOrBefore(ms: number): Promise<CpRow | null> {
    return this.ask('newestAtOrBefore', [ms])
  }

  async state(): Promise<CatalogState> {
    return (await this.ask('state', [])) ?? noState
  }

  async follow(base: ImageRoot, target: ImageRoot): Promise<Pass> {
    return (await this.ask('follow', [base, target])) ?? noPass
  }

  async fill(target: ImageRoot): Promise<Pass> {
    return (await this.ask('fill', [target])) ?? noPass
  }

  cancel(): void {
    this.tell({ kind: 'cancel' })
  }

  /** Writes the rows that wait, and ends the thread. */
  async close(): Promise<void> {
    this.nextStartMs = Number.POSITIVE_INFINITY
    await this.ask('close', [])
    this.worker?.terminate()
    this.worker = null
  }

  private tell(word: CatalogWord): boolean {
    this.begin()
    this.worker?.postMessage(word)
    return this.worker !== null
  }

  /** Null when the thread has ended before its answer. */
  private ask<K extends keyof CatalogAnswers>(
    name: K,
    args: Parameters<CatalogAnswers[K]>,
  ): Promise<ReturnType<CatalogAnswers[K]> | null> {
    this.begin()
    if (this.worker === null) return Promise.resolve(null)
    const number = ++this.number
    const { promise, resolve } = Promise.withResolvers<ReturnType<CatalogAnswers[K]> | null>()
    this.waiting.set(number, resolve as (value: unknown) => void)
    this.worker.postMessage({ kind: 'call', number, name, args })
    return promise
  }

  private begin(): void {
    if (this.worker !== null || this.clock.monotonic() < this.nextStartMs) return
    this.nextStartMs = this.clock.monotonic() + restartMs
    const worker = new Worker(workerUrl)
    worker.addEventListener('message', ({ data }: MessageEvent<CatalogAnswer | CatalogFailure>) => {
      if ('failed' in data) return this.ended(worker, data.failed)
      this.droppedByThread = data.dropped
      this.waiting.get(data.number)?.(data.value)
      this.waiting.delete(data.number)
    })
    worker.addEventListener('error', (event) => {
      event.preventDefault()
      this.ended(worker, event.message)
    })
    worker.postMessage({ kind: 'open', setting: this.setting() } satisfies CatalogWord)
    this.worker = worker
  }

  private ended(worker: Worker, reason: string): void {
    if (this.worker !== worker) return
    log.error('the thread of the catalog has ended: a new one is begun, and everything else goes on', {
      reason,
    })
    this.worker = null
    worker.terminate()
    for (const resolve of this.waiting.values()) resolve(null)
    this.waiting.clear()
  }
}
