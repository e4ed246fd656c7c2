/**
 * What the floors above may ask of the engine. Both sides are a RootSource; only a primary is an Engine.
 *
 * Reading and changing follow one pattern: a synchronous function over an ItemReader or Tx. It runs against nodes in
 * memory. Some that are missing are loaded while it waits; when that would keep others for too long, the engine stops
 * it (by throwing NotLoaded through it: never catch what you do not know) and runs it again from the start later. So
 * the function must have no effect outside of the reader or Tx, may run any number of times, and what its last run saw
 * is one instant. A StillpointError that it throws reaches the caller, and nothing has changed.
 */
import type { BlockRun } from '../lib/block-run.ts'
import type { BlockPointer, ChecksumKind } from '../format/pointer.ts'
import type { Root } from '../format/disk/root.ts'

export interface Item {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Keys sort as bytes. Everything returned is a copy. */
export interface ItemReader {
  get(key: Uint8Array): Uint8Array | null
  /** The greatest item with lowest ≤ its key ≤ key. */
  floor(key: Uint8Array, lowest: Uint8Array): Item | null
  /** Items with from ≤ key < end, ascending, at most `itemsMax`. */
  scan(from: Uint8Array, end: Uint8Array, itemsMax: number): Item[]
}

/** Names one content of one resource for ever; the strong ETag is made from it. */
export interface Version {
  readonly epoch: number
  readonly opening: number
  readonly sequence: number
}

/**
 * A record that has an address, a checksum and a place in memory, and is not yet part of any tree. `prepare` cuts the
 * bytes where free space has no run of the full length, so one buffer may become several records, in order. What would
 * be a record of zeros alone is left out: a buffer may become none.
 */
export interface PreparedRecord {
  readonly pointer: BlockPointer
  /** Where it begins in the bytes that were prepared, and how many of them it holds. */
  readonly offset: number
  readonly length: number
}

export interface PrepareOptions {
  /**
   * It goes to the device at once, and no longer fills the queue of whoever prepares much before its operation; so
   * large records always do.
   */
  readonly leavesEarly?: boolean | undefined
  /** The bytes become records of this many (a power of two), in one run and one write where free space has one. */
  readonly recordBytes?: number
  /**
   * For what leaves early: called once, when its writes have ended, maybe before `prepare` has resolved. `isFree`: no
   * reader and no observer may have the bytes either, so they may be changed.
   */
  readonly onWritten?: ((isFree: boolean) => void) | undefined
}

/** The open tree as one operation sees and changes it. Nothing is visible to others before the function has returned. */
export interface Tx extends ItemReader {
  /** The CP that will first contain this operation. */
  readonly cp: number
  /** Wall clock, milliseconds: the same for the whole operation. */
  readonly nowMs: number
  /** Key and value together at most `itemBytesMax`, else `too-large`. */
  put(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
  /**
   * Makes a prepared record part of this operation, for a value that names the pointer; when none does in the end, the
   * record is discarded. A pointer that was in a value before the operation and is in none after it is freed; moving it
   * to another key keeps it.
   */
  use(record: PreparedRecord): BlockPointer
  /** Eight integers that the tree carries for its owner (next id, number of files …). */
  counter(index: number): number
  setCounter(index: number, value: number): void
  /** A new one at each call. */
  nextVersion(): Version
}

export interface Applied<T> {
  readonly result: T
  readonly cp: number
  /** Of the last sequence number that it took; 0 when it changed nothing. */
  readonly sequence: number
}

/**
 * The floors of space: writes stop first, deletes later, the reaper and what removes holds last. A write that gives back
 * at least as much as it takes, as a rename does, stops with the deletes.
 */
export type SpaceFloor = 'write' | 'delete' | 'reclaim'

export type CpCause =
  | 'timer'
  | 'high-water'
  | 'log-full'
  | 'requested'
  | 'space'
  | 'snapshot'
  | 'shutdown'
  | 'back-to-back'
  | 'recovery'
  /** On a mirror: the primary took it. */
  | 'mirrored'
  | 'create'

/** A root that has been verified and published, with what it is called by others. */
export interface PublishedRoot {
  readonly root: Root
  readonly address: number
  /** The 4 KiB as they are on disk, and their SHA-256. */
  readonly bytes: Uint8Array
  readonly hash: Uint8Array
}

/** One image: a published root for ever, or the open tree (which moves on between two calls of `read`). */
export interface TreeView {
  /** On the open tree: the CP that carries, or will carry, everything seen so far. */
  readonly cp: number
  read<T>(look: (items: ItemReader) => T): Promise<T>
  /** The raw bytes of a record that `read` of this view has returned: verified, or `corrupt`. */
  record(pointer: BlockPointer): Promise<Uint8Array>
  /** Bytes [start, end) of it, fewer at its end. All of it is verified, and only what is returned stays in memory. */
  recordPart(pointer: BlockPointer, start: number, end: number): Promise<Uint8Array>
  /**
   * As `record`, for records whose blocks follow each other: by one read into `target`, as long as their blocks. Where
   * they were read the results are parts of it; after an error it may still be being filled.
   */
  recordRun(pointers: readonly BlockPointer[], target: Uint8Array): Promise<Uint8Array[]>
  /** As `read`, at once: null when a node would have to be loaded. */
  readNow<T extends {}>(look: (items: ItemReader) => T): T | null
  /**
   * As `record`, at once: null for one that takes so long that others would wait. It may be read into `target`, which has
   * room for its blocks.
   */
  recordNow(pointer: BlockPointer, target?: Uint8Array | null): Uint8Array | null
  /** As `recordPart`, at once, by way of `target`; null also where that has no room for what has to be read. */
  recordPartNow(pointer: BlockPointer, start: number, end: number, target: Uint8Array): Uint8Array | null
  /** Ends the reader: blocks that it could reach may be reused. Idempotent; every view must be released. */
  release(): void
}

/** Looks at an image after which nothing else runs until what they gave has been used. */
export type ImageNow = Pick<TreeView, 'cp' | 'readNow' | 'recordNow' | 'recordPartNow'>

/** The newest image at every moment. No reader has to be known for what ends at once, so it is not released. */
export interface NewestView extends ImageNow {
  /** Another number after every change: while it is the same, every look sees the same. */
  readonly changes: number
  /** Of the sums in its values. */
  readonly sums: ChecksumKind
}

export interface RootSource {
  current(): PublishedRoot
  /** Every root whose image can be read now: retained, pinned. Ascending by cp. */
  readable(): readonly PublishedRoot[]
  /** A short reader: it delays the release of whatever is dropped meanwhile. */
  view(published: PublishedRoot): TreeView
  /** Keeps exactly this root readable until released: for `?cp=`, cursors, and streams that a client may read slowly. */
  pin(published: PublishedRoot): { release(): void }
  /** Called after each publication, in order. Returns what ends it. */
  onPublished(listener: (event: CpPublished) => void): () => void
}

export interface CpPublished {
  readonly published: PublishedRoot
  readonly cause: CpCause
  readonly blocksWritten: number
  readonly bytesWritten: number
  /** Write commands that were replaced before they left. */
  readonly coalesced: number
  /** Milliseconds of each phase. */
  readonly phases: { readonly send: number; readonly build: number; readonly commit: number }
}

export interface RunOptions {
  readonly floor?: SpaceFloor
  /** Prepared records that the operation may use. Those that it did not use are discarded, also when it throws. */
  readonly records?: readonly PreparedRecord[]
  /** The stream whose records this operation names; they are synced before it is applied. */
  readonly stream?: RecordStream
}

/**
 * Large content on its way under a hidden object: its items go into the tree as they arrive, without a sequence and
 * without the log, and consistency points carry them off. One operation run with `stream` gives them a name. A stream
 * that is never named leaves items that the reaper must find.
 */
export interface RecordStream {
  /** Puts items that no operation can see or touch. `records` as in RunOptions. */
  add(change: (tx: Tx) => void, records: readonly PreparedRecord[]): Promise<void>
}

export type DurabilityLevel = 'buffered' | 'logged' | 'committed'

export interface Engine extends RootSource {
  /** A short reader of the open tree. */
  openView(): TreeView
  /** The open tree. */
  readonly newest: NewestView
  /**
   * Cuts, encodes and sums the bytes (1 … recordBytesMax) and gives them addresses. Waits while the queues are full
   * (back-pressure) and while CPs may yet free space; then `disk-full`. What is prepared must be used or discarded.
   */
  prepare(bytes: Uint8Array, floor?: SpaceFloor, options?: PrepareOptions): Promise<PreparedRecord[]>
  /** As `prepare` for a write that stays in the queue, at once; null when something has to be waited for. */
  prepareNow(bytes: Uint8Array): PreparedRecord[] | null
  discard(records: readonly PreparedRecord[]): void
  /** Gathers, then applies in one synchronous step. */
  run<T>(operation: (tx: Tx) => T, options?: RunOptions): Promise<Applied<T>>
  /**
   * As `run`, at once. Null when something has to be waited for: then nothing has happened, and `records` are still the
   * caller's.
   */
  runNow<T>(operation: (tx: Tx) => T, records: readonly PreparedRecord[]): Applied<T> | null
  openStream(): RecordStream
  /** Resolves when the level is reached; `poisoned` when it never will be. Answers the level that was reached. */
  reach(applied: Applied<unknown>, level: DurabilityLevel): Promise<DurabilityLevel>
  /** The published CP that contains everything applied so far; takes one only if something is dirty. */
  requestCp(cause: CpCause): Promise<PublishedRoot>
  /** Steps of the reaper and of streams are not operations: no sequence, no log, and only hidden items may change. */
  runHidden<T>(operation: (tx: Tx) => T, options?: RunOptions): Promise<T>
  /** Writable blocks now, blocks that wait for a CP or a reader, blocks in use, and the limit, in blocks. */
  space(): {
    readonly writable: number
    readonly pending: number
    readonly used: number
    readonly max: number
  }
}

/** One write of the CP: whole blocks for one address. Its bytes never change while anybody has it. */
export interface WriteCommand {
  readonly address: number
  readonly bytes: Uint8Array
  /** The checksum that the pointer to it has, and over how many of the bytes. */
  readonly sum: Uint8Array
  readonly payloadBytes: number
  /** A hint: the run whose content this one takes the place of. Who still has that needs only what differs. */
  readonly replaces?: BlockRun | null
  /** The root node: it is offered, so it need not travel as a block too. */
  readonly isRoot?: boolean
}

/** What a mirror's shipper hears; called synchronously, must not throw and must not keep the engine waiting. */
export interface CpObserver {
  /** The CP has been sealed; commands of it may have left before (large records of streams). */
  sealed(cp: number): void
  /**
   * These leave for the local device now, in address order, and should leave for the mirrors at the same time. False
   * when the observer has not kept the bytes: they may change once the device has them.
   */
  leaving(cp: number, commands: readonly WriteCommand[]): boolean
  published(event: CpPublished): void
}

/** Members and what each holds; a hold keeps a root's blocks from being written again. */
export interface Holds {
  /**
   * Replaces what a member holds. Additions count at once; a removal counts when neither superblock slot lists it any
   * more. At most `rootsPerMemberMax`. Never makes a CP dirty: it rides in the next superblock.
   */
  set(memberUuid: string, roots: readonly PublishedRoot[]): void
  of(memberUuid: string): readonly PublishedRoot[]
}

/** Why a primary only reads, in words. */
export const fences = {
  'another primary': 'another primary has taken over: this one only reads',
  'an older copy':
    'this volume is an older copy: a mirror has a later consistency point of it. Save what the mirror has, or give it up: `serve --accept-loss history` begins a new epoch here',
} as const
export type FenceReason = keyof typeof fences

/**
 * Space is short: what may still be let go of roots before the carrier. `the next cp`: a mirror that is there keeps one
 * only as its older slot, and the next CP moves that.
 */
export type HoldListener = (carrier: number) => 'nothing' | 'with a report' | 'the next cp'

export interface Member {
  /** The side UUID of the mirror. */
  readonly uuid: string
  readonly url: string
}

/** The blocks of a root that is retained while this is used: nobody overwrites them. */
export interface HeldBlocks {
  /** The root uses every block of the run. */
  has(run: BlockRun): boolean
  /** As they are on the device, unverified; null when they cannot be read, or not at once. */
  readNow(run: BlockRun): Uint8Array | null
  /** As `readNow`, and it waits. The root may have been released by then, and the blocks overwritten. */
  read(run: BlockRun): Promise<Uint8Array | null>
}

/** What the replica floor needs of a primary besides Engine. */
export interface PrimaryVolume {
  readonly volumeUuid: string
  readonly holds: Holds
  members(): readonly Member[]
  /**
   * Durable when resolved: written with a superblock. Removing a member releases its holds; `insteadOf` removes one in
   * the same write.
   */
  addMember(member: Member, insteadOf?: string): Promise<void>
  removeMember(uuid: string): Promise<void>
  observe(observer: CpObserver): () => void
  /** Called, maybe often, while a write waits for space. Returns what ends it. */
  onHoldsInTheWay(listener: HoldListener): () => void
  /** used(target) and not used(base), in address order, runs of at most `recordBlocksMax`; everything when base is null. */
  difference(target: PublishedRoot, base: PublishedRoot | null): Promise<Iterable<BlockRun>>
  /** How many blocks that are; both roots are retained. */
  differenceBlocks(target: PublishedRoot, base: PublishedRoot | null): number
  /** Raw blocks as they are on the device, for shipping; the caller holds the root that uses them. */
  readBlocks(address: number, blocks: number): Promise<Uint8Array>
  /**
   * True when this position can only come from this volume as it was later than here: the volume is an older copy. False
   * also when nothing is known about it.
   */
  hasLost(position: { readonly cp: number; readonly hash: Uint8Array }): boolean
  /** Null when the root is not retained any more. */
  held(root: PublishedRoot): HeldBlocks | null
}
