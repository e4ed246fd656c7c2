/**
 * The contract of the engine: everything that the floors above may ask for. Both sides are a RootSource; only a
 * primary is an Engine.
 *
 * Reading and changing follow one pattern: the caller gives a synchronous function over an ItemReader or Tx.
 * - The function runs against nodes in memory, and the engine loads some missing nodes while the function waits.
 * - When loading would keep other callers for too long, the engine throws NotLoaded through the function, and runs
 *   the function again from the start later. So the function must never catch an error that it does not know.
 * - The function may run any number of times, so it must have no effect outside of the reader or Tx. Its last run has
 *   seen one instant.
 * - A StillpointError that the function throws reaches the caller, and nothing has changed.
 */
import type { BlockRun } from '../lib/block-run.ts'
import type { BlockPointer, ChecksumKind } from '../format/pointer.ts'
import type { Root } from '../format/disk/root.ts'

export interface Item {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Reads items; keys sort as bytes, and every result is a copy. */
export interface ItemReader {
  get(key: Uint8Array): Uint8Array | null
  /** The greatest item with lowest ≤ its key ≤ key. */
  floor(key: Uint8Array, lowest: Uint8Array): Item | null
  /** Items with from ≤ key < end, ascending, at most `itemsMax`. */
  scan(from: Uint8Array, end: Uint8Array, itemsMax: number): Item[]
}

/** Names one content of one resource for ever; the strong ETag is made from the version. */
export interface Version {
  readonly epoch: number
  readonly opening: number
  readonly sequence: number
}

/**
 * A record that has an address, a checksum and a place in memory, and is not yet part of any tree. `prepare` cuts the
 * bytes where free space has no run of the full length, so one buffer may become several records, in order. Records
 * that would be zeros alone are left out: a buffer may become no record at all.
 */
export interface PreparedRecord {
  readonly pointer: BlockPointer
  /** Place where the record begins in the prepared bytes, and the number of these bytes that the record holds. */
  readonly offset: number
  readonly length: number
}

export interface PrepareOptions {
  /**
   * The record goes to the device at once, and no longer fills the queue of a caller that prepares much before its
   * operation. Large records leave early by default.
   */
  readonly leavesEarly?: boolean | undefined
  /** Size of the records that the bytes become (a power of two), in one run and one write where free space allows. */
  readonly recordBytes?: number
  /**
   * For records that leave early: called once, when their writes have ended, maybe before `prepare` has resolved.
   * `isFree` means that the device has the bytes and that no reader and no observer may have them, so the caller may
   * change them.
   */
  readonly onWritten?: ((isFree: boolean) => void) | undefined
}

/** The open tree as one operation sees and changes it. Changes stay invisible until the function has returned. */
export interface Tx extends ItemReader {
  /** The CP that will first contain this operation. */
  readonly cp: number
  /** Wall clock in milliseconds, the same for the whole operation. */
  readonly nowMs: number
  /** Puts an item; throws `too-large` when key and value together have more than `itemBytesMax` bytes. */
  put(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
  /**
   * Makes a prepared record part of this operation, for a value that names the pointer. When no value names the
   * pointer in the end, the record is discarded. A pointer that was in a value before the operation and is in none
   * afterwards is freed; a move of the pointer to another key keeps the record.
   */
  use(record: PreparedRecord): BlockPointer
  /** One of eight integers that the tree carries for its owner (next id, number of files …). */
  counter(index: number): number
  setCounter(index: number, value: number): void
  /** Gives a new version at each call. */
  nextVersion(): Version
}

export interface Applied<T> {
  readonly result: T
  readonly cp: number
  /**
   * The last sequence number of the operation. An operation that changed nothing has the last number given before.
   */
  readonly sequence: number
}

/**
 * The floors of space: writes stop first, deletes later, the reaper and the removal of holds last. A write that gives
 * back at least as much as the write takes, like a rename, stops with the deletes.
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
  /** Cause on a mirror: the primary took the CP. */
  | 'mirrored'
  | 'create'

/** A root that has been verified and published, with the address and the hash that name the root. */
export interface PublishedRoot {
  readonly root: Root
  readonly address: number
  /** The 4 KiB as they are on disk, and their SHA-256. */
  readonly bytes: Uint8Array
  readonly hash: Uint8Array
}

/** One image: a published root for ever, or the open tree (which moves on between two calls of `read`). */
export interface TreeView {
  /** The CP of the image; on the open tree, the CP that carries, or will carry, everything seen so far. */
  readonly cp: number
  read<T>(look: (items: ItemReader) => T): Promise<T>
  /** The verified raw bytes of a record that `read` of this view has returned. Throws `corrupt`. */
  record(pointer: BlockPointer): Promise<Uint8Array>
  /**
   * Bytes [start, end) of the record, fewer at its end. The bytes are verified, and the whole record does not stay in
   * memory unless the caller asked for most of it.
   */
  recordPart(pointer: BlockPointer, start: number, end: number): Promise<Uint8Array>
  /**
   * Reads records like `record`, by one read, for records whose blocks follow each other. `target` is as long as
   * these blocks. The results are parts of `target`, unless they came from the queue; after an error the device may
   * still be filling `target`.
   */
  recordRun(pointers: readonly BlockPointer[], target: Uint8Array): Promise<Uint8Array[]>
  /** Does the same as `read`, at once: null when a node would have to be loaded. */
  readNow<T extends {}>(look: (items: ItemReader) => T): T | null
  /**
   * Does the same as `record`, at once: null for a record that takes so long that other callers would wait. The
   * record may be read into `target`, which has room for its blocks.
   */
  recordNow(pointer: BlockPointer, target?: Uint8Array | null): Uint8Array | null
  /**
   * Does the same as `recordPart`, at once and through `target`; null also where `target` has no room for the blocks.
   */
  recordPartNow(pointer: BlockPointer, start: number, end: number, target: Uint8Array): Uint8Array | null
  /** Ends the reader, so that its blocks may be reused. A second call is harmless; every view must be released. */
  release(): void
}

/** Looks at an image for callers that use the results before any other code runs. */
export type ImageNow = Pick<TreeView, 'cp' | 'readNow' | 'recordNow' | 'recordPartNow'>

/**
 * The newest image at every moment. A look that ends at once needs no registered reader, so the view is not released.
 */
export interface NewestView extends ImageNow {
  /** Number that differs after every change: while the number is the same, every look sees the same image. */
  readonly changes: number
  /** How the records of the volume are summed. */
  readonly sums: ChecksumKind
}

export interface RootSource {
  current(): PublishedRoot
  /** Every root whose image can be read now, retained or pinned; ascending by cp. */
  readable(): readonly PublishedRoot[]
  /** Opens a short reader, which delays the release of everything that is dropped meanwhile. */
  view(published: PublishedRoot): TreeView
  /**
   * Keeps exactly this root readable until released: for `?cp=`, cursors, and streams that a client may read slowly.
   */
  pin(published: PublishedRoot): { release(): void }
  /** Calls the listener after each publication, in order. Returns the function that removes the listener. */
  onPublished(listener: (event: CpPublished) => void): () => void
}

export interface CpPublished {
  readonly published: PublishedRoot
  readonly cause: CpCause
  readonly blocksWritten: number
  readonly bytesWritten: number
  /** Number of write commands that were replaced before they left. */
  readonly coalesced: number
  /** Milliseconds of each phase. */
  readonly phases: { readonly send: number; readonly build: number; readonly commit: number }
}

export interface RunOptions {
  readonly floor?: SpaceFloor
  /** Prepared records that the operation may use. Unused records are discarded, also when the operation throws. */
  readonly records?: readonly PreparedRecord[]
  /** The stream whose records this operation names; the engine syncs the records before the operation is applied. */
  readonly stream?: RecordStream
}

/**
 * Large content on its way under a hidden object. The items of the stream go into the tree as they arrive, without a
 * sequence number and without the log, and consistency points carry them off. One operation that runs with `stream`
 * gives the items a name. A stream that is never named leaves items that the reaper must find.
 */
export interface RecordStream {
  /** Puts items that no operation can see or touch. `records` has the same meaning as in RunOptions. */
  add(change: (tx: Tx) => void, records: readonly PreparedRecord[]): Promise<void>
}

export type DurabilityLevel = 'buffered' | 'logged' | 'committed'

export interface Engine extends RootSource {
  /** Opens a short reader of the open tree. */
  openView(): TreeView
  /** The open tree. */
  readonly newest: NewestView
  /**
   * Cuts, encodes and sums the bytes (1 … recordBytesMax) and gives them addresses. Waits while the queues are full
   * (back-pressure) and while CPs may yet free space, and throws `disk-full` after that. The caller must use or
   * discard every prepared record.
   */
  prepare(bytes: Uint8Array, floor?: SpaceFloor, options?: PrepareOptions): Promise<PreparedRecord[]>
  /**
   * Does the same as `prepare`, at once, for a write that stays in the queue; null when the call would have to wait.
   */
  prepareNow(bytes: Uint8Array): PreparedRecord[] | null
  discard(records: readonly PreparedRecord[]): void
  /** Gathers the operation, then applies it in one synchronous step. */
  run<T>(operation: (tx: Tx) => T, options?: RunOptions): Promise<Applied<T>>
  /**
   * Does the same as `run`, at once. Null when the call would have to wait: nothing has happened then, and `records`
   * still belong to the caller.
   */
  runNow<T>(operation: (tx: Tx) => T, records: readonly PreparedRecord[]): Applied<T> | null
  openStream(): RecordStream
  /** Resolves with the reached level, maybe a higher one. Throws when the engine is poisoned or fenced. */
  reach(applied: Applied<unknown>, level: DurabilityLevel): Promise<DurabilityLevel>
  /** The published CP that contains everything applied so far; the engine takes a CP only if something is dirty. */
  requestCp(cause: CpCause): Promise<PublishedRoot>
  /**
   * Runs a step of the reaper or of a stream. A step is no operation: a step has no sequence number and no log
   * record, and may only change hidden items.
   */
  runHidden<T>(operation: (tx: Tx) => T, options?: RunOptions): Promise<T>
  /** Numbers of blocks: writable now, waiting for a CP or a reader, in use, and the limit. */
  space(): {
    readonly writable: number
    readonly pending: number
    readonly used: number
    readonly max: number
  }
}

/**
 * One write of the CP: whole blocks for one address. The bytes never change while any reader or observer has them.
 */
export interface WriteCommand {
  readonly address: number
  readonly bytes: Uint8Array
  /** The checksum in the pointer to this record or node, over the first `payloadBytes` bytes. */
  readonly sum: Uint8Array
  readonly payloadBytes: number
  /** A hint: the run whose content this write replaces. A mirror with this content needs only the difference. */
  readonly replaces?: BlockRun | null
  /** True for the root node: the root is offered, so the root need not travel as a block too. */
  readonly isRoot?: boolean
}

/**
 * Observer of consistency points, for the shipper of a mirror. The engine calls the methods synchronously; they must
 * not throw and must not keep the engine waiting.
 */
export interface CpObserver {
  /** The CP has been sealed; commands of the CP may have left before (large records of streams). */
  sealed(cp: number): void
  /**
   * The commands leave for the local device now, in address order, and should leave for the mirrors at the same time.
   * False when the observer has not kept the bytes: the bytes may then change once the device has them.
   */
  leaving(cp: number, commands: readonly WriteCommand[]): boolean
  published(event: CpPublished): void
}

/** Holds of the members; a hold keeps a root's blocks from being written again. */
export interface Holds {
  /**
   * Replaces the holds of a member, at most `rootsPerMemberMax`. Additions count at once; a removal counts when
   * neither superblock slot lists the hold any more. The change never makes a CP dirty: the next superblock carries
   * the change.
   */
  set(memberUuid: string, roots: readonly PublishedRoot[]): void
  of(memberUuid: string): readonly PublishedRoot[]
}

/** Reasons why a primary only reads, in words. */
export const fences = {
  'another primary':
    'another primary has taken over: this one only reads. Use the other one, or give up what it has taken: `serve --accept-loss epoch` begins a new epoch here, without any mirror',
  'an older copy':
    'this volume is an older copy: a mirror has a later consistency point of it. Save what the mirror has, or give it up: `serve --accept-loss history` begins a new epoch here',
} as const
export type FenceReason = keyof typeof fences

/**
 * Called when space is short: tells whether roots before the carrier can still be let go. `the next cp` means that a
 * connected mirror keeps one of these roots only as its older slot, and that the next CP moves this slot.
 */
export type HoldListener = (carrier: number) => 'nothing' | 'with a report' | 'the next cp'

export interface Member {
  /** The side UUID of the mirror. */
  readonly uuid: string
  readonly url: string
}

/** The blocks of a retained root: no block is overwritten while the root is retained. */
export interface HeldBlocks {
  /** True when the root uses every block of the run. */
  has(run: BlockRun): boolean
  /**
   * Bytes of the run as they are on the device, unverified; null when the device cannot read them, or not at once.
   */
  readNow(run: BlockRun): Uint8Array | null
  /** Does the same as `readNow`, and waits. The root may have been released meanwhile, and the blocks overwritten. */
  read(run: BlockRun): Promise<Uint8Array | null>
}

/** Services of a primary for the replica floor, besides Engine. */
export interface PrimaryVolume {
  readonly volumeUuid: string
  readonly holds: Holds
  members(): readonly Member[]
  /**
   * Adds a member; durable when resolved, since a superblock has been written. `insteadOf` removes another member in
   * the same write; the removal of a member releases its holds.
   */
  addMember(member: Member, insteadOf?: string): Promise<void>
  removeMember(uuid: string): Promise<void>
  observe(observer: CpObserver): () => void
  /**
   * Calls the listener, maybe often, while a write waits for space. Returns the function that removes the listener.
   */
  onHoldsInTheWay(listener: HoldListener): () => void
  /**
   * Runs in used(target) and not in used(base), in address order, each of at most `recordBlocksMax` blocks. A null
   * base means all of used(target).
   */
  difference(target: PublishedRoot, base: PublishedRoot | null): Promise<Iterable<BlockRun>>
  /** Number of blocks in this difference; both roots are retained. */
  differenceBlocks(target: PublishedRoot, base: PublishedRoot | null): number
  /** Raw blocks as they are on the device, for shipping; the caller holds the root that uses them. */
  readBlocks(address: number, blocks: number): Promise<Uint8Array>
  /**
   * True when this position can only come from a later state of this volume: the volume here is an older copy. False
   * also when the engine knows nothing about the position.
   */
  hasLost(position: { readonly cp: number; readonly hash: Uint8Array }): boolean
  /** Blocks of the root; null when the root is not retained any more. */
  held(root: PublishedRoot): HeldBlocks | null
}
