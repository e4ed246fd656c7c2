/**
 * Interfaces of everything that the handlers need; the composition root hands in the implementations. A mirror has no
 * `files` and nothing else that changes the volume: a handler cannot call what is absent.
 */
import type { Who } from '../../access/decide.ts'
import type { TokenRole } from '../../format/items/token-setting.ts'
import type { Applied } from '../../cp-engine/contract.ts'
import type { FileSystem, NewestSource, ReadView } from '../../fs/contract.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Metric } from '../../lib/metric.ts'
import type { Random } from '../../lib/random.ts'
import type { EventSources } from './event-source.ts'
import type { Resources } from '../limits/resources.ts'

/** Source of the images that requests read; `Views` of fs/ implements this interface. */
export interface ViewSource {
  /** True as long as nothing has been published here: a reader can only wait. */
  readonly isEmpty: boolean
  open(): ReadView
  publishedCp(): number
  /** `client` names who keeps the CP. */
  at(cp: number, client: string): ReadView
  atListing(cp: number, listing: string, client: string): ReadView
  settled(listing: string, client: string): Promise<ReadView>
  endListing(cp: number, listing: string): void
  /** Ends with false when the client that waits has left. */
  waitFor(cp: number, waitMs: number, left?: AbortSignal): Promise<boolean>
}

export const durabilityLevels = ['buffered', 'logged', 'committed', 'mirrored'] as const
export type Durability = (typeof durabilityLevels)[number]

export interface DurabilityWish {
  readonly level: Durability
  /** Number of mirrors that must have published the CP; counts only with `mirrored`. */
  readonly mirrors: number
  /** Longest time that the answer may wait; null means that the answer waits as long as the level takes. */
  readonly waitMs: number | null
}

export interface CpRecord {
  readonly cp: number
  readonly epoch: number
  /** Lower-case hexadecimal. */
  readonly rootHash: string
  readonly cause: string
  readonly committedAtMs: number
  readonly blocksWritten: number
  readonly bytesWritten: number
  readonly coalesced: number
  /** True when the CP can be read now. */
  readonly retained: boolean
}

export interface CpHistory {
  /** Gives the newest records first, only of CPs below `before`; null means from the newest CP on. */
  list(limit: number, before: number | null): Promise<readonly CpRecord[]>
  get(cp: number): Promise<CpRecord | null>
  /** Gives the newest CP that was committed at or before this wall-clock time; null when none is known. */
  newestAt(ms: number): Promise<number | null>
}

export type SqlFormat = 'json' | 'csv' | 'ndjson'

export interface SqlView {
  readonly name: string
  readonly description: string
  readonly columns: readonly { readonly name: string; readonly type: string; readonly description: string }[]
}

export interface SqlQuestion {
  readonly query: string
  readonly params: readonly (string | number | boolean | null)[]
  /** Null means as many as the server gives. */
  readonly rowsMax: number | null
  readonly format: SqlFormat
  /** Names of the views that the sender may read. */
  readonly views: readonly string[]
  /** The files of the answer are those of this CP or of a later one. */
  readonly minCp: number
  readonly waitMs: number
}

export interface SqlAnswer {
  /** The CP that the files of the answer are true for. */
  readonly cp: number
  readonly columns: readonly { readonly name: string; readonly type: string | null }[]
  readonly truncated: boolean
  /** The rows in the format that was asked for; in JSON an array of arrays. */
  readonly body: Uint8Array
}

export interface SqlDoor {
  readonly views: readonly SqlView[]
  /**
   * `deliver` runs while the question still has its place, so that answers which wait for their clients take no more memory
   * than there are places. Throws `bad-sql`, `sql-limit`, `catalog-unready`, `not-yet`, `busy`, `too-many-requests`.
   */
  ask<T>(
    question: SqlQuestion,
    client: string,
    left: AbortSignal,
    deliver: (answer: SqlAnswer) => Promise<T>,
  ): Promise<T>
}

export interface CpTaker {
  /** Names this run of a server on its volume. */
  readonly opening: string
  /** `taken` is false when nothing was dirty; the record is then that of the last CP. */
  take(): Promise<{ readonly taken: boolean; readonly record: CpRecord }>
}

export const mirrorStates = ['live', 'catching-up', 'stalled', 'away'] as const
type MirrorState = (typeof mirrorStates)[number]

export interface MirrorRecord {
  readonly id: string
  readonly url: string
  readonly state: MirrorState
  /** The last CP that the mirror published; null before the first. */
  readonly cp: number | null
  readonly lagCps: number | null
  readonly lagMs: number | null
  /** Words that say what a stalled mirror waits for, or why a mirror that is away was not reached. */
  readonly needs: string | null
  /** Space that only the holds of this mirror keep. */
  readonly heldBytes: number | null
  readonly lastSeenMs: number | null
}

export interface MirrorMembers {
  list(): Promise<readonly MirrorRecord[]>
  /**
   * `reached` is false when the primary knows the mirror from now on but the mirror has not proved itself yet. `code`
   * is the pairing code that the mirror shows.
   */
  add(
    url: string,
    code?: string | null,
  ): Promise<{ readonly reached: boolean; readonly record: MirrorRecord }>
  /** False when no mirror has this id. */
  remove(id: string): Promise<boolean>
}

/** Status of a mirror, as the mirror itself knows it. */
export interface OwnStatus {
  readonly id: string
  /** Null until a primary has adopted the mirror. */
  readonly volume: string | null
  readonly state: MirrorState
  readonly cp: number
  /** The CP that the mirror is receiving; null when there is none. */
  readonly targetCp: number | null
  /** By what the mirror has heard of its primary. */
  readonly lagCps: number
  readonly lagMs: number
  readonly needs: string | null
  readonly lastSeenMs: number | null
}

export interface SpaceStatus {
  readonly usedBytes: number
  /** Space up to the limit of the volume, whether its block file has grown so far or not. */
  readonly freeBytes: number
  /** Space that clients can write before the block file grows. */
  readonly writableBytes: number
  /** Space that is free once a consistency point or a reader has ended. */
  readonly pendingBytes: number
  readonly maxBytes: number
  readonly fileBytes: number
}

export const catalogStates = ['off', 'filling', 'behind', 'current'] as const

/** How far the files of the catalog are. */
export interface CatalogStatus {
  readonly state: (typeof catalogStates)[number]
  /** The CP that the rows are true for; null while they are filled, and when they are not kept. */
  readonly cp: number | null
  readonly behindCps: number
  readonly behindMs: number
}

/** The server as a whole; how mirroring goes is said by the mirrors, and by a mirror of itself. */
export interface ServerStatus {
  readonly epoch: number
  readonly opening: number
  /** Format number of volumes that the server writes. */
  readonly format: number
  /** Monotonic milliseconds of the clock. */
  readonly startedMs: number
  readonly space: SpaceStatus
  readonly catalog: CatalogStatus
}

export interface Limits {
  /** Answers up to this size come from one buffer, with a Content-Length. */
  readonly bufferedBytesMax: number
  readonly mirrorUrlBytesMax: number
  readonly mirrorsMax: number
}

/** The tokens that this server knows, as of the newest settings. */
interface AccessDoor {
  /** Number that differs after every change of tokens. */
  readonly generation: number
  /** Wall clock, which the expiry of tokens is compared with. */
  readonly nowMs: number
  /** Gives a promise only while newer settings are being read. */
  who(headers: Headers): Who | Promise<Who>
  tokens(): readonly TokenRecord[]
}

export interface TokenRecord {
  readonly id: string
  readonly name: string
  readonly role: TokenRole
  /** Plain path. */
  readonly prefix: string
  readonly createdMs: number
  readonly expiresMs: number | null
  /** Beginning of the day of the last use since the server was started. */
  readonly lastUsedMs: number | null
}

export type TokenWish = Pick<TokenRecord, 'name' | 'role' | 'prefix' | 'expiresMs'>

interface TokenMaker {
  /** The token itself is in this result, and nowhere else. */
  create(
    wish: TokenWish,
  ): Promise<{ readonly applied: Applied<unknown>; readonly token: string; readonly record: TokenRecord }>
  /** Null when there is no token of this id. */
  revoke(id: string): Promise<Applied<unknown> | null>
}

/** Events of the audit trail: changes of who may do what, and attempts that were refused. */
export const auditEvents = [
  'server-started',
  'server-stopped',
  'token-created',
  'token-revoked',
  'mirror-added',
  'mirror-removed',
  'adopted',
  'fenced',
  'fence-lifted',
  'refused',
] as const
export type AuditEvent = (typeof auditEvents)[number]

export interface AuditEntry {
  readonly event: AuditEvent
  /** Id of the token, or of the side; null when the sender has proved nothing. */
  readonly who: string | null
  /** The subject, in words; never a secret. */
  readonly what: string
  /** Address of the sender; null when nobody sent a request. */
  readonly from: string | null
}

interface Common {
  readonly access: AccessDoor
  /** Records an event of the audit trail; never waits and never throws. */
  readonly audit: (entry: AuditEntry) => void
  readonly views: ViewSource
  readonly newest: NewestSource
  readonly cps: CpHistory
  readonly sql: SqlDoor
  readonly clock: Clock
  readonly random: Pick<Random, 'bytes'>
  readonly limits: Limits
  readonly resources: Resources
  /** True when reading takes a token: a cache must then not keep for others what one client was allowed to read. */
  needsToken(): boolean
  /**
   * `ok` says whether reads are served, `reason` why not. On a server that serves only reads, `reason` says why the
   * server takes no writes.
   */
  ready(): { readonly ok: boolean; readonly reason: string }
  serverStatus(): ServerStatus
  readonly events: EventSources
  /** Metrics of everything behind the door. */
  metrics(): Promise<readonly Metric[]>
  /** Reports a failed assertion: the process must stop. The request still gets its answer. */
  reportBug(error: Error): void
}

export interface PrimaryDependencies extends Common {
  readonly role: 'primary'
  readonly files: FileSystem
  readonly mirrors: MirrorMembers
  readonly tokens: TokenMaker
  readonly taker: CpTaker
  reach(applied: Applied<unknown>, wish: DurabilityWish): Promise<Durability>
}

export interface MirrorDependencies extends Common {
  readonly role: 'mirror'
  status(): OwnStatus
}

export type Dependencies = PrimaryDependencies | MirrorDependencies
export type ServerRole = Dependencies['role']
