/**
 * Tree nodes in memory: frames of 4 KiB in one large buffer, found by address.
 *
 * Always true:
 * - A frame holds the layout of `format/tree-node.ts`, with holes while it is dirty. Frame 0 is scratch, so 0 means none.
 * - An address is in at most one frame.
 * - Only `trim` evicts, and only clean frames. A synchronous function between two calls of it keeps all its frames.
 *
 * | state   | in memory only | checksum | evictable | who changes its bytes                           |
 * |---------|----------------|----------|-----------|-------------------------------------------------|
 * | free    |                |          |           |                                                 |
 * | dirty   | yes            | no       | no        | the tree while open; nobody once sealed         |
 * | encoded | until written  | yes      | no        | nobody                                          |
 * | recent  | no             | yes      | no        | nobody                                          |
 * | clean   | no             | yes      | yes       | nobody                                          |
 *
 * A node written in CP n stays recent until n+1 is published: copies of its parent that were made before its checksum
 * was known take it from here.
 */
import { assert } from '../lib/assert.ts'
import { sha256Bytes } from '../lib/checksum.ts'
import { blockBytes } from '../format/geometry.ts'
import type { NodePointer } from '../format/pointer.ts'
import type { NodePlace } from '../format/tree-node.ts'

export const frameState = { free: 0, clean: 1, recent: 2, encoded: 3, dirty: 4 } as const
export const wordsPerFrame = blockBytes / 2

// Slots and header fields are read as 16-bit words in place.
assert(new Uint8Array(new Uint16Array([1]).buffer)[0] === 1, 'a little-endian machine')

/** Thrown through a synchronous look at a tree when a node is not in memory: load it and look again. */
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

export const cacheBytesDefault = 256 * 2 ** 20
const cacheBytesLimit = 2 ** 32
/** Dirty nodes of one large operation may exceed the limit by this much before the next `trim`. */
const slackBytesDefault = 128 * 2 ** 20

export interface CacheOptions {
  /** Clean frames are evicted when all frames together exceed this. */
  readonly bytesMax?: number
  readonly slackBytes?: number
  /** So many clean frames stay even then, so that an operation can gather what it needs. */
  readonly cleanFramesMin?: number
}

export class NodeCache {
  readonly framesMax: number
  readonly bytes: Uint8Array
  readonly words: Uint16Array
  readonly address: Float64Array
  readonly sums: Uint8Array
  readonly state: Uint8Array
  readonly generation: Float64Array
  /** Second chance: set by whoever reads the frame. */
  readonly touched: Uint8Array
  /** An inner node may have pointers whose checksum is not known yet. */
  readonly blank: Uint8Array
  /** Where the last insert went and how many before it went one to the right each: tells a bulk load. */
  readonly lastInsert: Uint16Array
  readonly insertRun: Uint8Array

  readonly #framesLimit: number
  readonly #cleanFramesMin: number
  readonly #table: Int32Array
  readonly #shift: number
  readonly #free: number[] = []
  #fresh = 1
  #hand = 1
  #used = 0
  #clean = 0
  #generation = 0

  constructor(options: CacheOptions = {}) {
    const bytesMax = Math.min(options.bytesMax ?? cacheBytesDefault, cacheBytesLimit)
    this.framesMax = Math.max(1, Math.floor(bytesMax / blockBytes))
    const total = Math.min(
      cacheBytesLimit,
      (this.framesMax + 1) * blockBytes + (options.slackBytes ?? slackBytesDefault),
    )
    const frames = Math.floor(total / blockBytes)
    this.#framesLimit = frames
    this.#cleanFramesMin = options.cleanFramesMin ?? 256
    // Memory that nobody touched costs nothing, also in these.
    const buffer = new ArrayBuffer(frames * blockBytes)
    this.bytes = new Uint8Array(buffer)
    this.words = new Uint16Array(buffer)
    this.address = new Float64Array(frames)
    this.sums = new Uint8Array(frames * sha256Bytes)
    this.state = new Uint8Array(frames)
    this.generation = new Float64Array(frames)
    this.touched = new Uint8Array(frames)
    this.blank = new Uint8Array(frames)
    this.lastInsert = new Uint16Array(frames)
    this.insertRun = new Uint8Array(frames)
    const bits = Math.max(4, Math.ceil(Math.log2(frames * 2)))
    this.#table = new Int32Array(2 ** bits)
    this.#shift = 32 - bits
  }

  get framesUsed(): number {
    return this.#used
  }
  get framesClean(): number {
    return this.#clean
  }
  /** Frames that can be had now without evicting any. */
  get framesLeft(): number {
    return this.#framesLimit - 1 - this.#used
  }

  /** Names one tree between two seals; never given twice. */
  nextGeneration(): number {
    return ++this.#generation
  }

  /** The frame of the node at this address, 0 when there is none. */
  find(address: number): number {
    const table = this.#table
    const mask = table.length - 1
    for (let i = this.#hash(address); ; i = (i + 1) & mask) {
      const frame = table[i]!
      if (frame === 0 || this.address[frame] === address) return frame
    }
  }

  /** A frame for the node at `address`; its bytes are whatever they were. A clean frame of that address gives way. */
  allocate(address: number, state: number, generation: number): number {
    this.forget(address)
    assert(
      this.#free.length > 0 || this.#fresh < this.#framesLimit,
      'the node cache has room for an operation',
    )
    const frame = this.#free.pop() ?? this.#fresh++
    this.address[frame] = address
    this.generation[frame] = generation
    this.sums.fill(0, frame * sha256Bytes, (frame + 1) * sha256Bytes)
    this.touched[frame] = 1
    this.blank[frame] = 0
    this.lastInsert[frame] = 0
    this.insertRun[frame] = 0
    this.state[frame] = state
    this.#used++
    if (state === frameState.clean) this.#clean++
    const mask = this.#table.length - 1
    let i = this.#hash(address)
    while (this.#table[i] !== 0) i = (i + 1) & mask
    this.#table[i] = frame
    return frame
  }

  release(frame: number): void {
    const state = this.state[frame]!
    assert(state === frameState.clean || state === frameState.dirty, 'a frame that nobody needs any more')
    this.#removeFromTable(frame)
    if (state === frameState.clean) this.#clean--
    this.state[frame] = frameState.free
    this.#used--
    this.#free.push(frame)
  }

  setState(frame: number, state: number): void {
    if (state === frameState.clean && this.state[frame] !== frameState.clean) this.#clean++
    this.state[frame] = state
  }

  /** The address has been given to something else, or its block was overwritten. */
  forget(address: number): void {
    const frame = this.find(address)
    if (frame === 0) return
    assert(this.state[frame] === frameState.clean, 'an address in use is not given to something else')
    this.release(frame)
  }

  setSum(frame: number, sum: Uint8Array): void {
    this.sums.set(sum, frame * sha256Bytes)
  }

  sum(frame: number): Uint8Array {
    return this.sums.slice(frame * sha256Bytes, (frame + 1) * sha256Bytes)
  }

  sumIs(frame: number, sum: Uint8Array): boolean {
    const from = frame * sha256Bytes
    for (let i = 0; i < sha256Bytes; i++) if (this.sums[from + i] !== sum[i]) return false
    return true
  }

  hasSum(frame: number): boolean {
    return this.state[frame] !== frameState.dirty
  }

  /** Evicts clean frames until the limit is kept again. Never called while somebody uses frame numbers. */
  trim(): void {
    if (this.#used <= this.framesMax) return
    // A little more than needed, so that the hand does not pass the same dirty frames for every single one.
    const target = this.framesMax - (this.framesMax >>> 6)
    let steps = 2 * this.#fresh
    while (this.#used > target && this.#clean > this.#cleanFramesMin && steps-- > 0) {
      if (++this.#hand >= this.#fresh) this.#hand = 1
      const frame = this.#hand
      if (this.state[frame] !== frameState.clean) continue
      if (this.touched[frame] !== 0) this.touched[frame] = 0
      else this.release(frame)
    }
  }

  #hash(address: number): number {
    return Math.imul(address, 0x9e3779b1) >>> this.#shift
  }

  /** Linear probing without tombstones: what follows moves up. */
  #removeFromTable(frame: number): void {
    const table = this.#table
    const mask = table.length - 1
    let hole = this.#hash(this.address[frame]!)
    while (table[hole] !== frame) hole = (hole + 1) & mask
    for (let i = (hole + 1) & mask; table[i] !== 0; i = (i + 1) & mask) {
      const home = this.#hash(this.address[table[i]!]!)
      // It may move when its home does not lie behind the hole.
      if (((i - home) & mask) >= ((i - hole) & mask)) {
        table[hole] = table[i]!
        hole = i
      }
    }
    table[hole] = 0
  }
}
