/**
 * All that the handlers need, as interfaces: the composition root hands them in. A mirror has no `files` and nothing
 * else that changes the volume: what is absent cannot be called.
 */
import type { Applied } from '../../cp-engine/contract.ts'
import type { FileSystem, NewestSource, ReadView } from '../../fs/contract.ts'
import type { Clock } from '../../lib/clock.ts'

/** `Views` of fs/ is one. */
export interface ViewSource {
  /** Nothing has been published here yet: there is only waiting. */
  readonly isEmpty: boolean
  open(): ReadView
  publishedCp(): number
  at(cp: number): ReadView
  atListing(cp: number, listing: string): ReadView
  settled(listing: string): Promise<ReadView>
  endListing(cp: number, listing: string): void
  waitFor(cp: number, waitMs: number): Promise<boolean>
}

export const durabilityLevels = ['buffered', 'logged', 'committed', 'mirrored'] as const
export type Durability = (typeof durabilityLevels)[number]

export interface DurabilityWish {
  readonly level: Durability
  /** How many mirrors must have published the CP; only with `mirrored`. */
  readonly mirrors: number
  /** How long the answer may wait; null: as long as it takes. */
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
  /** Readable now. */
  readonly retained: boolean
}

export interface CpHistory {
  /** Newest first, below `before`. */
  list(limit: number, before: number | null): Promise<readonly CpRecord[]>
  get(cp: number): Promise<CpRecord | null>
  /** The newest that was committed at or before this wall-clock time. */
  newestAt(ms: number): Promise<number | null>
}

export interface CpTaker {
  /** `taken` is false when nothing was dirty: then it is the last one. */
  take(): Promise<{ readonly taken: boolean; readonly record: CpRecord }>
}

export const mirrorStates = ['live', 'catching-up', 'stalled', 'away'] as const
type MirrorState = (typeof mirrorStates)[number]

export interface MirrorRecord {
  readonly id: string
  readonly url: string
  readonly state: MirrorState
  /** The last one that it published; null before the first. */
  readonly cp: number | null
  readonly lagCps: number | null
  readonly lagMs: number | null
  /** What a stalled one waits for, or why one that is away was not reached, in words. */
  readonly needs: string | null
  /** Space that only its holds keep. */
  readonly heldBytes: number | null
  readonly lastSeenMs: number | null
}

export interface MirrorMembers {
  list(): Promise<readonly MirrorRecord[]>
  /** `reached` is false when the mirror is known from now on but has not answered yet. */
  add(url: string): Promise<{ readonly reached: boolean; readonly record: MirrorRecord }>
  /** False when there is none with this id. */
  remove(id: string): Promise<boolean>
}

/** What a mirror knows about itself. */
export interface OwnStatus {
  readonly id: string
  /** Null until a primary has adopted it. */
  readonly volume: string | null
  readonly state: MirrorState
  readonly cp: number
  /** The one that it is receiving. */
  readonly targetCp: number | null
  readonly needs: string | null
  readonly lastSeenMs: number | null
}

export interface Gauge {
  /** Without the prefix `stillpoint_`. */
  readonly name: string
  readonly help: string
  readonly value: number
}

export interface Limits {
  /** Answers up to this size come from one buffer, with a Content-Length. */
  readonly bufferedBytesMax: number
  readonly mirrorUrlBytesMax: number
  readonly mirrorsMax: number
}

interface Common {
  readonly views: ViewSource
  readonly newest: NewestSource
  readonly cps: CpHistory
  readonly clock: Clock
  readonly limits: Limits
  /** Whether reads are served; else why not. The reason of a primary that only reads is why it does not write. */
  ready(): { readonly ok: boolean; readonly reason: string }
  gauges(): readonly Gauge[]
  /** An assertion failed: the process must stop. Called after the answer has been made. */
  reportBug(error: Error): void
}

export interface PrimaryDependencies extends Common {
  readonly role: 'primary'
  readonly files: FileSystem
  readonly mirrors: MirrorMembers
  readonly taker: CpTaker
  reach(applied: Applied<unknown>, wish: DurabilityWish): Promise<Durability>
}

export interface MirrorDependencies extends Common {
  readonly role: 'mirror'
  status(): OwnStatus
}

export type Dependencies = PrimaryDependencies | MirrorDependencies
export type ServerRole = Dependencies['role']
