/**
 * Tree nodes in memory: frames of 4 KiB in one large buffer, found by address.
 *
 * Always true:
 * - A frame holds the layout of `format/disk/tree-node.ts`, with holes while the frame is dirty. Frame 0 is scratch,
 *   so 0 means no frame.
 * - An address is in at most one frame.
 * - Only `trim` evicts, and only clean frames. A synchronous function between two calls of `trim` keeps all its
 *   frames.
 * - One operation or a recovery may take frames beyond the limit, up to 4 GiB, since neither can do with fewer.
 *
 * | state   | in memory only | checksum | evictable | code that changes the bytes                     |
 * |---------|----------------|----------|-----------|-------------------------------------------------|
 * | free    |                |          |           |                                                 |
 * | dirty   | yes            | no       | no        | the open tree; no code after the seal           |
 * | encoded | until written  | yes      | no        | none                                            |
 * | recent  | no             | yes      | no        | none                                            |
 * | clean   | no             | yes      | yes       | none                                            |
 *
 * A node that was written in CP n stays recent until CP n+1 is published. Copies of its parent that were made before
 * the checksum of the node was known take the checksum from the recent frame.
 */
import { assert } from '../../lib/assert.ts'
import { sha256Bytes } from '../../lib/checksum.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { NodePointer } from '../../format/pointer.ts'
import type { NodePlace } from '../../format/disk/tree-node.ts'

export const frameState = { free: 0, clean: 1, recent: 2, encoded: 3, dirty: 4 } as const
export const wordsPerFrame = blockBytes / 2

// Slots and header fields are read as 16-bit words in place.
assert(new Uint8Array(new Uint16Array([1]).buffer)[0] === 1, 'a little-endian machine')

/** A node that a look at a tree needs. A look that may not load more nodes throws this error (looking.ts). */
export class NotLoaded extends Error implements NodePlace {
  override readonly name = 'NotLoaded'
  constructor(
    readonly pointer: NodePointer,
    readonly level: number,
    readonly lower: Uint8Array | null,
    readonly upper: Uint8Array | null,
  ) {
    super(`node ${pointer.address} is not in memory`)
  }
}

const cacheBytesLimit = 2 ** 32
const framesLimit = cacheBytesLimit / blockBytes
/** Frames beyond the limit: one operation always finds room for the nodes that the operation needs and dirties. */
const framesBeyond = framesLimit / 4
export const cacheBytesMax = (framesLimit - framesBeyond) * blockBytes

export interface CacheOptions {
  /** Limit for all frames together, in bytes; clean frames are evicted beyond this limit. */
  readonly bytesMax: number
  /** Bytes of nodes that one operation may take beyond the limit before the next `trim`, without a move of memory. */
  readonly slackBytes: number
  /**
   * Clean frames that always stay, also beyond the limit, so that an operation can gather the nodes that it needs.
   */
  readonly cleanFramesMin?: number
}

/** Bytes of metadata for each frame: one cache line. */
const metaBytes = 64
const metaNumbers = metaBytes / 8
const sumOffset = 16
const stateOffset = 48
const touchedOffset = 49
const blankOffset = 50
const insertRunOffset = 51
const lastInsertOffset = 52
const tableBitsMin = 10
/**
 * The cache of a small volume stays this small; the first node beyond this size takes the whole reservation at once.
 */
const framesAtFirst = 512

export class NodeCache {
  readonly framesMax: number
  /** True while a look needs many nodes at once: no node is evicted meanwhile. */
  isKept = false
  /** Frames that are reserved with the first node that a small cache has no room for. */
  private readonly framesExpected: number
  private readonly cleanFramesMin: number
  private frameBytes = new Uint8Array(0)
  private frameWords = new Uint16Array(0)
  /** Address and generation of each frame. */
  private numbers = new Float64Array(0)
  private meta = new Uint8Array(0)
  private framesReserved = 0
  /** Hash table with open addressing, from addresses to frames; the table grows, and so stays dense when small. */
  private table = new Int32Array(2 ** tableBitsMin)
  private shift = 32 - tableBitsMin
  private readonly free: number[] = []
  private fresh = 1
  private hand = 1
  private used = 0
  private clean = 0
  private generation = 0
  private moveCount = 0

  constructor(options: CacheOptions) {
    const frames = Math.floor(options.bytesMax / blockBytes)
    assert(frames <= framesLimit - framesBeyond, 'a cache within its limits')
    this.framesMax = Math.max(1, frames)
    this.framesExpected = Math.min(
      framesLimit,
      this.framesMax + 1 + Math.floor(options.slackBytes / blockBytes),
    )
    this.cleanFramesMin = options.cleanFramesMin ?? 256
    this.reserve(Math.min(framesAtFirst, this.framesExpected))
  }

  /**
   * Called by a look that misses a node. The function either brings the node, so that the look goes on, or throws the
   * missing node. The loader sets this function.
   */
  bring: (missing: NotLoaded) => void = (missing) => {
    throw missing
  }

  /**
   * All frames: the bytes of frame f begin at f × blockBytes. A caller reads this again after `allocate`, which may
   * move the bytes.
   */
  get bytes(): Uint8Array {
    return this.frameBytes
  }
  get words(): Uint16Array {
    return this.frameWords
  }

  get framesUsed(): number {
    return this.used
  }
  get framesClean(): number {
    return this.clean
  }
  /** Count of frames given to a node or taken from one: while the count is the same, no node has moved. */
  get moves(): number {
    return this.moveCount
  }

  /** Names one tree between two seals; no number is given twice. */
  nextGeneration(): number {
    return ++this.generation
  }

  /** The frame of the node at this address; 0 when there is none. */
  find(address: number): number {
    const table = this.table
    const mask = table.length - 1
    for (let i = this.hash(address); ; i = (i + 1) & mask) {
      const frame = table[i]!
      if (frame === 0 || this.numbers[frame * metaNumbers] === address) return frame
    }
  }

  addressOf(frame: number): number {
    return this.numbers[frame * metaNumbers]!
  }
  generationOf(frame: number): number {
    return this.numbers[frame * metaNumbers + 1]!
  }
  stateOf(frame: number): number {
    return this.meta[frame * metaBytes + stateOffset]!
  }
  hasSum(frame: number): boolean {
    return this.stateOf(frame) !== frameState.dirty
  }
  /** Gives the frame a second chance: a touched frame is not the next to be evicted. */
  touch(frame: number): void {
    this.meta[frame * metaBytes + touchedOffset] = 1
  }
  /** True when an inner node may have pointers whose checksum is not known yet. */
  mayBeBlank(frame: number): boolean {
    return this.meta[frame * metaBytes + blankOffset] === 1
  }
  setMayBeBlank(frame: number, may: boolean): void {
    this.meta[frame * metaBytes + blankOffset] = may ? 1 : 0
  }

  /** Number of inserts in a row that each went one slot to the right: a long run is a bulk load. */
  insertRun(frame: number): number {
    return this.meta[frame * metaBytes + insertRunOffset]!
  }
  setInsertRun(frame: number, run: number): void {
    this.meta[frame * metaBytes + insertRunOffset] = run
  }
  copyInsertRun(source: number, target: number): void {
    const from = source * metaBytes
    this.meta.copyWithin(
      target * metaBytes + insertRunOffset,
      from + insertRunOffset,
      from + lastInsertOffset + 2,
    )
  }
  noteInsert(frame: number, index: number): void {
    const meta = this.meta
    const at = frame * metaBytes
    const next = meta[at + lastInsertOffset]! + meta[at + lastInsertOffset + 1]! * 256 + 1
    const run = meta[at + insertRunOffset]!
    meta[at + insertRunOffset] = index === next ? Math.min(run + 1, 255) : 0
    meta[at + lastInsertOffset] = index
    meta[at + lastInsertOffset + 1] = index >>> 8
  }

  sum(frame: number): Uint8Array {
    const from = frame * metaBytes + sumOffset
    return this.meta.slice(from, from + sha256Bytes)
  }
  setSum(frame: number, sum: Uint8Array): void {
    this.meta.set(sum, frame * metaBytes + sumOffset)
  }
  /** True when the frame's checksum is the one at `at` of `bytes`; a dirty frame has zeros there. */
  sumIs(frame: number, bytes: Uint8Array, at: number): boolean {
    const meta = this.meta
    const from = frame * metaBytes + sumOffset
    for (let i = 0; i < sha256Bytes; i++) if (meta[from + i] !== bytes[at + i]) return false
    return true
  }
  copySum(frame: number, target: Uint8Array, at: number): void {
    const from = frame * metaBytes + sumOffset
    for (let i = 0; i < sha256Bytes; i++) target[at + i] = this.meta[from + i]!
  }

  /** Gives a frame with arbitrary bytes to the node at `address`. A clean frame of that address gives way. */
  allocate(address: number, state: number, generation: number): number {
    this.forget(address)
    if (this.free.length === 0 && this.fresh === this.framesReserved) this.reserveMore()
    const frame = this.free.pop() ?? this.fresh++
    this.moveCount++
    this.meta.fill(0, frame * metaBytes, (frame + 1) * metaBytes)
    this.numbers[frame * metaNumbers] = address
    this.numbers[frame * metaNumbers + 1] = generation
    this.meta[frame * metaBytes + stateOffset] = state
    this.touch(frame)
    this.used++
    if (state === frameState.clean) this.clean++
    if (this.used * 2 > this.table.length) this.growTable()
    this.putInTable(frame)
    return frame
  }

  release(frame: number): void {
    const state = this.stateOf(frame)
    assert(state === frameState.clean || state === frameState.dirty, 'a frame that nobody needs any more')
    this.moveCount++
    this.removeFromTable(frame)
    this.setState(frame, frameState.free)
    this.used--
    this.free.push(frame)
  }

  setState(frame: number, state: number): void {
    if (this.stateOf(frame) === frameState.clean) this.clean--
    if (state === frameState.clean) this.clean++
    this.meta[frame * metaBytes + stateOffset] = state
  }

  /** Drops the node at an address that belongs to something else now, or whose block was overwritten. */
  forget(address: number): void {
    const frame = this.find(address)
    if (frame === 0) return
    assert(this.stateOf(frame) === frameState.clean, 'an address in use is not given to something else')
    this.release(frame)
  }

  /** Evicts clean frames down to the limit, unless nodes are kept. Frame numbers from before become invalid. */
  trim(): void {
    if (this.isKept || this.used <= this.framesMax) return
    // Evicting a little more than needed spares the hand from passing the same dirty frames for every single frame.
    const target = this.framesMax - (this.framesMax >>> 6)
    let steps = 2 * this.fresh
    while (this.used > target && this.clean > this.cleanFramesMin && steps-- > 0) {
      if (++this.hand >= this.fresh) this.hand = 1
      const frame = this.hand
      if (this.stateOf(frame) !== frameState.clean) continue
      const touched = frame * metaBytes + touchedOffset
      if (this.meta[touched] === 1) this.meta[touched] = 0
      else this.release(frame)
    }
  }

  private reserveMore(): void {
    const frames = this.framesReserved
    assert(frames < framesLimit, 'the node cache has room for an operation')
    this.reserve(frames < this.framesExpected ? this.framesExpected : Math.min(2 * frames, framesLimit))
  }

  /** Reserves memory for frames. Memory that no code has touched costs nothing in a fresh process. */
  private reserve(frames: number): void {
    const buffer = new ArrayBuffer(frames * blockBytes)
    const bytes = new Uint8Array(buffer)
    bytes.set(this.frameBytes)
    this.frameBytes = bytes
    this.frameWords = new Uint16Array(buffer)
    const known = new ArrayBuffer(frames * metaBytes)
    const meta = new Uint8Array(known)
    meta.set(this.meta)
    this.meta = meta
    this.numbers = new Float64Array(known)
    this.framesReserved = frames
  }

  private hash(address: number): number {
    return Math.imul(address, 0x9e3779b1) >>> this.shift
  }

  private putInTable(frame: number): void {
    const table = this.table
    const mask = table.length - 1
    let i = this.hash(this.addressOf(frame))
    while (table[i] !== 0) i = (i + 1) & mask
    table[i] = frame
  }

  private growTable(): void {
    const frames = this.table.filter((frame) => frame !== 0)
    this.table = new Int32Array(this.table.length * 2)
    this.shift--
    for (const frame of frames) this.putInTable(frame)
  }

  /** Linear probing without tombstones: later entries move up into the hole. */
  private removeFromTable(frame: number): void {
    const table = this.table
    const mask = table.length - 1
    let hole = this.hash(this.addressOf(frame))
    while (table[hole] !== frame) hole = (hole + 1) & mask
    for (let i = (hole + 1) & mask; table[i] !== 0; i = (i + 1) & mask) {
      const home = this.hash(this.addressOf(table[i]!))
      // An entry may move when its home does not lie behind the hole.
      if (((i - home) & mask) >= ((i - hole) & mask)) {
        table[hole] = table[i]!
        hole = i
      }
    }
    table[hole] = 0
  }
}
