/**
 * The bitmap of blocks of one root. A map is immutable and has pages, which CPs share by identity wherever the pages
 * did not change. Two maps that hold the same page object agree on this page without a comparison; so releasing,
 * comparing and shipping stay cheap.
 *
 * On disk a page is a block (format/disk/map-page.ts) below an index of fixed depth; a missing page means that none
 * of its blocks is used.
 */
import { assert } from '../../lib/assert.ts'
import {
  blocksPerMapPage,
  decodeMapIndex,
  decodeMapPage,
  mapIndexFanout,
  mapLevels,
} from '../../format/disk/map-page.ts'
import type { MapKind } from '../../format/disk/map-page.ts'
import { type NodePointer, equalNodePointers } from '../../format/pointer.ts'

export interface MapPage {
  readonly pointer: NodePointer
  /** One bit for each block, the lowest first; 1 means used. */
  readonly bits: Uint8Array
}

/** An index node; only the pointers of the node and of its children are kept. */
export interface MapIndex {
  readonly pointer: NodePointer
}

export interface Run {
  readonly address: number
  readonly blocks: number
}

/** Reads one block of a map and checks the block against the pointer. */
type ReadNode = (pointer: NodePointer) => Promise<Uint8Array>

export class SpaceMap {
  constructor(
    readonly kind: MapKind,
    readonly blocksMax: number,
    readonly pages: readonly (MapPage | null)[],
    /** The index node i of a level is indexes[level - 1][i]; the last level has one node, the top. */
    readonly indexes: readonly (readonly (MapIndex | null)[])[],
  ) {}

  static empty(kind: MapKind, blocksMax: number): SpaceMap {
    let width = Math.ceil(blocksMax / blocksPerMapPage)
    const pages = new Array<null>(width).fill(null)
    const indexes: null[][] = []
    for (let level = 1; level <= mapLevels(blocksMax); level++) {
      width = Math.ceil(width / mapIndexFanout)
      indexes.push(new Array<null>(width).fill(null))
    }
    assert(width === 1, 'the top of a map is one node')
    return new SpaceMap(kind, blocksMax, pages, indexes)
  }

  /**
   * The same blocks in a volume that may grow further. Where the larger size takes more levels, the old top becomes
   * the first child of the first node above. This node has no block before a CP builds the map: a CP changes a page
   * of either map, and so every node above.
   */
  grownTo(blocksMax: number): SpaceMap {
    assert(blocksMax >= this.blocksMax, 'how far a volume may grow never falls')
    if (blocksMax === this.blocksMax) return this
    const { pages, indexes } = SpaceMap.empty(this.kind, blocksMax)
    return new SpaceMap(
      this.kind,
      blocksMax,
      pages.map((none, i) => this.pages[i] ?? none),
      indexes.map((nodes, level) => nodes.map((none, i) => this.indexes[level]?.[i] ?? none)),
    )
  }

  /** Loads a map. Pages that a map of `known` has under the same pointer are shared with that map and not read. */
  static async load(
    kind: MapKind,
    blocksMax: number,
    top: NodePointer,
    read: ReadNode,
    known: readonly SpaceMap[] = [],
  ): Promise<SpaceMap> {
    const empty = SpaceMap.empty(kind, blocksMax)
    const pages: (MapPage | null)[] = [...empty.pages]
    const indexes = empty.indexes.map((nodes) => [...nodes])
    const descend = async (level: number, index: number, pointer: NodePointer): Promise<void> => {
      if (level === 0) {
        const shared = known
          .map((map) => map.pages[index])
          .find((page) => page && equalNodePointers(page.pointer, pointer))
        pages[index] = shared ?? { pointer, bits: decodeMapPage(await read(pointer), kind, index) }
        return
      }
      indexes[level - 1]![index] = { pointer }
      const twin = known.find((map) => {
        const node = map.indexes[level - 1]?.[index]
        return node && equalNodePointers(node.pointer, pointer)
      })
      if (twin) {
        copySubtree(twin, level, index, pages, indexes)
        return
      }
      const children = decodeMapIndex(await read(pointer), kind, level, index)
      const width = level === 1 ? pages.length : indexes[level - 2]!.length
      for (const [i, child] of children.entries()) {
        const at = index * mapIndexFanout + i
        if (child.address !== 0 && at < width) await descend(level - 1, at, child)
      }
    }
    if (top.address !== 0) await descend(indexes.length, 0, top)
    return new SpaceMap(kind, blocksMax, pages, indexes)
  }

  get top(): NodePointer | null {
    return this.indexes.at(-1)![0]?.pointer ?? null
  }

  has(address: number): boolean {
    const page = this.pages[Math.floor(address / blocksPerMapPage)]
    if (!page) return false
    const bit = address % blocksPerMapPage
    return ((page.bits[bit >>> 3]! >>> (bit & 7)) & 1) === 1
  }

  /** Runs of blocks that this map has and `base` has not, in address order. */
  *runsNotIn(base: SpaceMap | null, blocksMaxPerRun = Infinity): Generator<Run> {
    let start = -1
    let length = 0
    for (const [index, page] of this.pages.entries()) {
      const other = base?.pages[index] ?? null
      if (!page || page === other) continue
      const first = index * blocksPerMapPage
      for (let byte = 0; byte < page.bits.length; byte++) {
        const mask = page.bits[byte]! & ~(other ? other.bits[byte]! : 0)
        if (mask === 0) continue
        for (let bit = 0; bit < 8; bit++) {
          if ((mask & (1 << bit)) === 0) continue
          const address = first + byte * 8 + bit
          if (address === start + length && length < blocksMaxPerRun) {
            length++
            continue
          }
          if (length > 0) yield { address: start, blocks: length }
          start = address
          length = 1
        }
      }
    }
    if (length > 0) yield { address: start, blocks: length }
  }

  /** Number of blocks that this map has. */
  count(): number {
    let total = 0
    for (const page of this.pages) if (page) total += countBits(page.bits)
    return total
  }

  /** Number of blocks that this map has and `base` has not. */
  countNotIn(base: SpaceMap | null): number {
    let total = 0
    for (const [index, page] of this.pages.entries()) {
      const other = base?.pages[index]?.bits
      if (!page || page.bits === other) continue
      for (const [i, byte] of page.bits.entries()) total += bitsInByte[byte & ~(other?.[i] ?? 0)]!
    }
    return total
  }

  /** Pointers to the blocks that the map itself is stored in. */
  *ownBlocks(): Generator<NodePointer> {
    for (const page of this.pages) if (page) yield page.pointer
    for (const nodes of this.indexes) for (const node of nodes) if (node) yield node.pointer
  }
}

function copySubtree(
  source: SpaceMap,
  level: number,
  index: number,
  pages: (MapPage | null)[],
  indexes: (MapIndex | null)[][],
): void {
  let [from, end] = [index, index + 1]
  for (let below = level - 1; below >= 0; below--) {
    from *= mapIndexFanout
    end *= mapIndexFanout
    const target: (MapPage | MapIndex | null)[] = below === 0 ? pages : indexes[below - 1]!
    const given = below === 0 ? source.pages : source.indexes[below - 1]!
    for (let i = from; i < Math.min(end, target.length); i++) target[i] = given[i] ?? null
  }
}

/** Calls `change` for each byte of a bitmap that a run lies in, with the bits of the run in this byte. */
export function eachByte(
  address: number,
  blocks: number,
  change: (byte: number, mask: number) => void,
): void {
  const end = address + blocks
  for (let at = address; at < end;) {
    const byte = Math.floor(at / 8)
    const next = Math.min(end, (byte + 1) * 8)
    change(byte, (0xff >>> (8 - (next - at))) << (at % 8))
    at = next
  }
}

export const bitsInByte = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1
  return count
})

export function countBits(bits: Uint8Array): number {
  let total = 0
  for (const byte of bits) total += bitsInByte[byte]!
  return total
}
