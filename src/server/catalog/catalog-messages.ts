/**
 * The messages between the server and the thread of its catalog. They arrive in the order in which they were sent, and
 * the thread answers each call with the same number.
 */
import type { AuditRow, CpRow, EventRow, MirrorRow, TransferRow } from '../../catalog/catalog.ts'
import type { ChangesKept, Pass } from '../../catalog/files/file-catalog.ts'
import type { CatalogState } from '../../catalog/files/file-tables.ts'
import type { ImageRoot } from '../../catalog/files/image.ts'
import type { LogLevel } from '../../lib/log.ts'

export interface CatalogSetting {
  /** Folder of the volume. */
  readonly folder: string
  readonly sideUuid: string
  readonly publishedCp: number
  readonly changes: ChangesKept
  readonly eventRowsMax: number
  /** Null while the process is silent. */
  readonly logLevel: LogLevel | null
}

/** Calls that nobody waits for. */
export type CatalogWord =
  | { readonly kind: 'open'; readonly setting: CatalogSetting }
  | { readonly kind: 'cp'; readonly row: CpRow }
  | { readonly kind: 'transfer'; readonly row: TransferRow }
  | { readonly kind: 'audit'; readonly row: AuditRow }
  | { readonly kind: 'event'; readonly row: EventRow }
  | { readonly kind: 'mirrors'; readonly rows: readonly MirrorRow[] }
  | { readonly kind: 'cancel' }

/** Calls with an answer, by their names. */
export interface CatalogAnswers {
  listCps(limit: number, before: number | null): CpRow[]
  getCp(cp: number): CpRow | null
  newestAtOrBefore(ms: number): CpRow | null
  state(): CatalogState
  follow(base: ImageRoot, target: ImageRoot): Pass
  fill(target: ImageRoot): Pass
  close(): null
}

export type CatalogCall = {
  readonly [K in keyof CatalogAnswers]: {
    readonly kind: 'call'
    readonly number: number
    readonly name: K
    readonly args: Parameters<CatalogAnswers[K]>
  }
}[keyof CatalogAnswers]

/** An error that nobody expects: the thread is of no use any more. */
export interface CatalogFailure {
  readonly failed: string
}

export interface CatalogAnswer {
  readonly number: number
  readonly value: unknown
  /** Rows of the history that were given up so far. */
  readonly dropped: number
}
