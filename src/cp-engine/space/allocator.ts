/**
 * The allocator knows which blocks may be written now: one bit for each block, 1 = writable. Retention decides when a
 * block becomes writable again (I1, I5); the allocator only gives blocks out and takes them back.
 *
 * Four verbs make the life of a block: `extend` brings the block in with the file, `take` hands the block out,
 * `giveBack` undoes a take that reached no disk and no tree, `release` returns blocks that no retained root uses any
 * more.
 *
 * Three classes of blocks live apart:
 * - Map blocks live in reserved runs at the start of every map page's reach. Otherwise a change of one page would
 *   dirty many other pages.
 * - Tree nodes and records live in stretches that were free when their class began with them: wholly free if there
 *   are such stretches, otherwise as free as possible. Blocks of both classes are taken in turns and leave one class
 *   after the other. So without stretches no two blocks of a class would be neighbours, and each block would be a
 *   write of its own.
 */
import { assert, bug } from '../../lib/assert.ts'
import type { Geometry } from '../../format/geometry.ts'
import { fixedRuns, isDataRun } from '../../format/geometry.ts'
import { blocksPerMapPage } from '../../format/disk/map-page.ts'
import { bitsInByte, eachByte } from './space-map.ts'
import type { Run } from './space-map.ts'

export type BlockClass = 'map' | 'node' | 'record'

const pageBytes = blocksPerMapPage / 8

/** Blocks at the start of each map page's reach; other classes take from these only when no other block is left. */
const mapRunBlocks = 128
/** Free blocks of a map run that the allocator chooses: half of a run, so that each CP stays in one run. */
const mapRunFreeMin = mapRunBlocks / 2
/** Blocks of a stretch of nodes or of records. A used-up stretch goes on in the blocks behind, if they are free. */
const stretchBlocks = 64
/** Free blocks of a stretch that a class begins with: the most first, and fewer when no stretch has so many. */
const stretchFreeMins = [stretchBlocks, stretchBlocks / 2, stretchBlocks / 4]
/** Stretches that one call looks at, so that a call never searches all of a large volume. */
const stretchesLookedAtMax = 16_384
assert(blocksPerMapPage % stretchBlocks === 0 && mapRunBlocks % stretchBlocks === 0, 'stretches fill a page')

interface Stretch {
  next: number
  end: number
}

export class Allocator {
  private bits: Uint8Array
  /** The same bits in words of 32: a stretch is two words. */
  private words = new Int32Array(0)
  private blockCount = 0
  private free = 0
  private fixedCount = 0
  private readonly cursors = { node: 0, record: 0 }
  private readonly stretches = { node: { next: 0, end: 0 }, record: { next: 0, end: 0 } }
  /**
   * The search for the next stretch goes on from `stretchHand`, for the class of freeness `freeness`; the last
   * `stretchesRefused` stretches in a row were not free enough.
   */
  private stretchHand = 0
  private freeness = 0
  private stretchesRefused = 0
  /** Length from which on no run was found since the last release; Infinity when no search has failed. */
  private knownLongest = { outside: Infinity, anywhere: Infinity }
  /** Groups below this one have no free map block. */
  private lowestMapGroup = 0
  private mapGroup = 0

  constructor(private readonly geometry: Geometry) {
    this.bits = new Uint8Array(0)
  }

  get writable(): number {
    return this.free
  }
  get extent(): number {
    return this.blockCount
  }
  /** Number of blocks of the extent that are not fixed. */
  get usable(): number {
    return this.blockCount - this.fixedCount
  }

  isWritable(address: number): boolean {
    return ((this.bits[address >>> 3]! >>> (address & 7)) & 1) === 1
  }

  /** Called when the file has really grown to `blockCount`. */
  extend(blockCount: number): void {
    assert(blockCount >= this.blockCount && blockCount <= this.geometry.blocksMax, 'a volume only grows')
    const before = this.blockCount
    const bytes = Math.ceil(blockCount / 8)
    if (bytes > this.bits.length) {
      const room = Math.max(bytes, Math.min(this.bits.length * 2, Math.ceil(this.geometry.blocksMax / 8)))
      const bits = new Uint8Array(Math.ceil(room / 8) * 8)
      bits.set(this.bits)
      this.bits = bits
      this.words = new Int32Array(bits.buffer)
    }
    this.blockCount = blockCount
    let address = before
    for (; address < blockCount && (address & 7) !== 0; address++) this.setFree(address)
    const wholeEnd = Math.floor(blockCount / 8) * 8
    if (address < wholeEnd) {
      this.bits.fill(0xff, address / 8, wholeEnd / 8)
      this.free += wholeEnd - address
      address = wholeEnd
    }
    for (; address < blockCount; address++) this.setFree(address)
    for (const fixed of fixedRuns(this.geometry)) {
      const from = Math.max(before, fixed.address)
      const blocks = Math.min(blockCount, fixed.address + fixed.blocks) - from
      if (blocks <= 0) continue
      this.clearRun(from, blocks)
      this.fixedCount += blocks
    }
    this.freed(before)
    this.lookForStretches()
  }

  /** Called at open: blocks in a page of a retained root's used map are not writable. */
  withhold(pageIndex: number, bits: Uint8Array): void {
    const at = pageIndex * pageBytes
    for (let i = 0; i < bits.length && at + i < this.bits.length; i++) {
      const mask = bits[i]! & this.bits[at + i]!
      if (mask === 0) continue
      this.bits[at + i]! &= ~mask
      this.free -= bitsInByte[mask]!
    }
  }

  /** Returns the blocks of one page that no retained root uses any more. */
  releasePage(pageIndex: number, mask: Uint8Array): void {
    const at = pageIndex * pageBytes
    for (let i = 0; i < mask.length; i++) {
      const byte = mask[i]!
      if (byte === 0) continue
      if ((this.bits[at + i]! & byte) !== 0) bug(`a block near ${(at + i) * 8} is released twice`)
      this.bits[at + i]! |= byte
      this.free += bitsInByte[byte]!
    }
    this.freed(pageIndex * blocksPerMapPage)
    this.lookForStretches()
  }

  /** Takes a run of exactly `blocks`; null when free space has no such run. */
  take(kind: BlockClass, blocks: number): number | null {
    if (blocks > this.free) return null
    const address = kind === 'map' ? this.takeMap(blocks) : this.takeRun(kind, blocks)
    if (address === null) return null
    this.clearRun(address, blocks)
    return address
  }

  /** Takes a named run for replay, which cannot choose. False when a part of the run is not writable. */
  takeAt(address: number, blocks: number): boolean {
    if (address + blocks > this.blockCount) return false
    for (let i = 0; i < blocks; i++) if (!this.isWritable(address + i)) return false
    this.clearRun(address, blocks)
    return true
  }

  giveBack(run: Run): void {
    this.release(run)
  }

  release({ address, blocks }: Run): void {
    if (!isDataRun(this.geometry, address, blocks)) bug(`a block from ${address} on is fixed`)
    const { bits } = this
    eachByte(address, blocks, (byte, mask) => {
      if ((bits[byte]! & mask) !== 0) bug(`a block near ${byte * 8} is released twice`)
      bits[byte]! |= mask
    })
    this.free += blocks
    this.freed(address)
    if (this.freeness === 0) return
    for (let at = address - (address % stretchBlocks); at < address + blocks; at += stretchBlocks)
      if (this.isWhollyFree(at)) this.lookForStretches()
  }

  /** True when no stretch is free as a whole: blocks that are taken from now on are scattered. */
  get isScattered(): boolean {
    return this.freeness > 0
  }

  private freed(address: number): void {
    this.knownLongest = { outside: Infinity, anywhere: Infinity }
    this.lowestMapGroup = Math.min(this.lowestMapGroup, Math.floor(address / blocksPerMapPage))
  }

  private setFree(address: number): void {
    this.bits[address >>> 3]! |= 1 << (address & 7)
    this.free++
  }

  private clearRun(address: number, blocks: number): void {
    const { bits } = this
    eachByte(address, blocks, (byte, mask) => {
      if ((bits[byte]! & mask) !== mask) bug(`a block near ${byte * 8} is handed out twice`)
      bits[byte]! &= ~mask
    })
    this.free -= blocks
  }

  /**
   * Stays in one group while the group has room, then goes to the lowest group that has many free blocks. Old map
   * blocks leave one hole in each group, and filling each hole would change another page.
   */
  private takeMap(blocks: number): number | null {
    const groups = Math.ceil(this.blockCount / blocksPerMapPage)
    while (this.lowestMapGroup < groups && this.mapRunFree(this.lowestMapGroup) === 0) this.lowestMapGroup++
    const inGroup = (group: number) => {
      const start = group * blocksPerMapPage
      return this.find(start, Math.min(start + mapRunBlocks, this.blockCount), blocks, true)
    }
    const found = inGroup(this.mapGroup)
    if (found !== null) return found
    for (const freeMin of [mapRunFreeMin, 1])
      for (let group = this.lowestMapGroup; group < groups; group++) {
        const address = this.mapRunFree(group) < freeMin ? null : inGroup(group)
        if (address === null) continue
        this.mapGroup = group
        return address
      }
    return this.takeRun('node', blocks)
  }

  private mapRunFree(group: number): number {
    const at = (group * blocksPerMapPage) / 8
    let free = 0
    for (let i = at; i < at + mapRunBlocks / 8; i++) free += bitsInByte[this.bits[i] ?? 0]!
    return free
  }

  private takeRun(kind: 'node' | 'record', blocks: number): number | null {
    return this.takeFrom(this.stretches[kind], blocks) ?? this.takeAnywhere(kind, blocks)
  }

  private takeFrom(stretch: Stretch, blocks: number): number | null {
    // A longer run needs no stretch: the run has neighbours enough of its own.
    if (blocks > stretchBlocks) return null
    let found = this.find(stretch.next, stretch.end, blocks, true)
    // A stretch with holes need not have more than one free block in a row.
    if (found === null && (blocks === 1 || this.freeness === 0) && this.lengthen(stretch))
      found = this.find(stretch.next, stretch.end, blocks, true)
    if (found !== null) stretch.next = found + blocks
    return found
  }

  /**
   * Lengthens a used-up stretch by the blocks behind, or begins a new stretch; false when no stretch is free enough.
   */
  private lengthen(stretch: Stretch): boolean {
    if (!this.isStretch(stretch.end)) {
      const start = this.findStretch()
      if (start === null) return false
      stretch.next = start
      stretch.end = start
    }
    stretch.end += stretchBlocks
    this.stretchHand = stretch.end
    return true
  }

  private findStretch(): number | null {
    const count = Math.ceil(this.blockCount / stretchBlocks)
    for (let left = stretchesLookedAtMax; left > 0 && this.freeness < stretchFreeMins.length; left--) {
      if (this.stretchHand >= this.blockCount) this.stretchHand = 0
      if (this.isStretch(this.stretchHand)) {
        this.stretchesRefused = 0
        return this.stretchHand
      }
      this.stretchHand += stretchBlocks
      if (++this.stretchesRefused < count) continue
      this.stretchesRefused = 0
      this.freeness++
    }
    return null
  }

  private lookForStretches(): void {
    this.freeness = 0
    this.stretchesRefused = 0
  }

  private isWhollyFree(stretch: number): boolean {
    return this.words[stretch / 32] === -1 && this.words[stretch / 32 + 1] === -1
  }

  /**
   * True for a stretch that is free enough and belongs to no class. Blocks behind the end of the file are not free.
   */
  private isStretch(address: number): boolean {
    if (address % blocksPerMapPage < mapRunBlocks) return false
    if (this.isWhollyFree(address)) return true
    const freeMin = stretchFreeMins[this.freeness] ?? stretchBlocks
    const word = address / 32
    if (freeMin === stretchBlocks || bitsIn(this.words[word]!) + bitsIn(this.words[word + 1]!) < freeMin)
      return false
    const { node, record } = this.stretches
    return node.end - stretchBlocks !== address && record.end - stretchBlocks !== address
  }

  private takeAnywhere(kind: 'node' | 'record', blocks: number): number | null {
    for (const anywhere of [false, true]) {
      const scope = anywhere ? 'anywhere' : 'outside'
      if (blocks >= this.knownLongest[scope]) continue
      const cursor = this.cursors[kind] < this.blockCount ? this.cursors[kind] : 0
      const found =
        this.find(cursor, this.blockCount, blocks, anywhere) ??
        this.find(0, Math.min(cursor + blocks, this.blockCount), blocks, anywhere)
      if (found !== null) {
        this.cursors[kind] = found + blocks
        return found
      }
      this.knownLongest[scope] = blocks
    }
    return null
  }

  /** The first run of free blocks in [from, end), outside of the map runs unless `anywhere`. */
  private find(from: number, end: number, blocks: number, anywhere: boolean): number | null {
    let length = 0
    let address = from
    while (address < end) {
      if (!anywhere) {
        const within = address % blocksPerMapPage
        if (within < mapRunBlocks) {
          address += mapRunBlocks - within
          length = 0
          continue
        }
      }
      if ((address & 7) === 0 && this.bits[address >>> 3] === 0) {
        address += 8
        length = 0
        continue
      }
      if ((address & 7) === 0 && blocks - length > 8 && this.bits[address >>> 3] === 0xff) {
        // The loop takes eight blocks at once, as long as neither the run nor the scope ends among them.
        if (address + 8 <= end && (anywhere || address % blocksPerMapPage >= mapRunBlocks)) {
          address += 8
          length += 8
          continue
        }
      }
      if (this.isWritable(address)) {
        if (++length === blocks) return address - blocks + 1
      } else length = 0
      address++
    }
    return null
  }
}

/** Number of set bits in a word of 32 bits. */
function bitsIn(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
