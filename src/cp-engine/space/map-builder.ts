/**
 * The builder makes the live map and the used map of a CP from the maps of the CP before.
 *
 * Maps change because maps are written: a changed page needs a new block, and this changes the page that covers the
 * block. So the builder works from a list: a page becomes dirty at most once in a CP and gets its address then. The
 * list ends because there are finitely many pages. The allocator keeps map blocks together (its class `map`), so that
 * the list stays as short as the change. Checksums come last, from the pages up.
 *
 * used = live + what the snapshots keep + the used map's own blocks.
 *
 * A page without a bit, and an index node that names nothing, are not stored. The builder knows these only when the
 * list has ended: each of them then gives its block back, which clears a bit in a page that is dirty already, and may
 * empty that page. So this ends as well.
 */
import { assert, bug } from '../../lib/assert.ts'
import { sha256 } from '../../lib/checksum.ts'
import { blockBytes } from '../../format/geometry.ts'
import {
  blocksPerMapPage,
  encodeMapIndex,
  encodeMapPage,
  mapIndexFanout,
  mapLevels,
} from '../../format/disk/map-page.ts'
import type { MapKind } from '../../format/disk/map-page.ts'
import { isZero } from '../../format/fields.ts'
import { noNode } from '../../format/pointer.ts'
import type { WriteCommand } from '../contract.ts'
import { SpaceMap, eachByte } from './space-map.ts'
import type { MapIndex, MapPage, Run } from './space-map.ts'

export interface MapChange {
  readonly born: Iterable<Run>
  readonly freed: Iterable<Run>
  /** True for blocks that leave the live map and stay used, because the newest snapshot has them. */
  readonly keptBySnapshot: (address: number) => boolean
}

export interface BuiltMaps {
  readonly live: SpaceMap
  readonly used: SpaceMap
  readonly commands: readonly WriteCommand[]
  /** Number of map blocks of the CP before that this CP no longer has. */
  readonly replaced: number
  /** Blocks that were allocated for pages or nodes that are not stored in the end; nothing was written there. */
  readonly unused: readonly number[]
}

/** A map in the making. An address of 0 means that the page or node is not stored. */
interface Draft {
  readonly base: SpaceMap
  readonly pages: Map<number, { address: number; bits: Uint8Array }>
  readonly indexes: Map<number, number>[]
}

type Pending = { readonly kind: MapKind; readonly run: Run; readonly used: boolean }

export function buildMaps(
  live: SpaceMap,
  used: SpaceMap,
  change: MapChange,
  allocate: () => number,
): BuiltMaps {
  const drafts = { live: draftOf(live), used: draftOf(used) }
  const pending: Pending[] = []
  const replacing = new Map<number, number>()
  let replaced = 0

  const replace = (kind: MapKind, before: number | undefined): number => {
    const address = allocate()
    pending.push({ kind, run: { address, blocks: 1 }, used: true })
    if (before !== undefined) {
      pending.push({ kind, run: { address: before, blocks: 1 }, used: false })
      replacing.set(address, before)
      replaced++
    }
    return address
  }
  const dirtyIndex = (kind: MapKind, level: number, index: number): void => {
    const { base, indexes } = drafts[kind]
    if (level > indexes.length || indexes[level - 1]!.has(index)) return
    indexes[level - 1]!.set(index, 0)
    indexes[level - 1]!.set(index, replace(kind, base.indexes[level - 1]![index]?.pointer.address))
    dirtyIndex(kind, level + 1, Math.floor(index / mapIndexFanout))
  }
  const bitsOf = (kind: MapKind, index: number): Uint8Array => {
    const { base, pages } = drafts[kind]
    let page = pages.get(index)
    if (!page) {
      assert(index < base.pages.length, 'a block lies in the volume')
      const before = base.pages[index]
      page = { address: 0, bits: before ? before.bits.slice() : new Uint8Array(blocksPerMapPage / 8) }
      pages.set(index, page)
      page.address = replace(kind, before?.pointer.address)
      dirtyIndex(kind, 1, Math.floor(index / mapIndexFanout))
    }
    return page.bits
  }
  const setBlock = (kind: MapKind, address: number, value: boolean): void => {
    const index = Math.floor(address / blocksPerMapPage)
    const bits = bitsOf(kind, index)
    const bit = address - index * blocksPerMapPage
    const mask = 1 << (bit & 7)
    if ((bits[bit >>> 3]! & mask) !== (value ? 0 : mask))
      bug(`blocks near ${address} change in the ${kind} map`)
    bits[bit >>> 3]! ^= mask
  }
  const setRun = (kind: MapKind, { address, blocks }: Run, value: boolean): void => {
    // Most runs are of one block: nodes, map pages, small files.
    if (blocks === 1) return setBlock(kind, address, value)
    for (let at = address; at < address + blocks;) {
      const index = Math.floor(at / blocksPerMapPage)
      const first = index * blocksPerMapPage
      const end = Math.min(address + blocks, first + blocksPerMapPage)
      const bits = bitsOf(kind, index)
      eachByte(at - first, end - at, (byte, mask) => {
        if ((bits[byte]! & mask) !== (value ? 0 : mask))
          bug(`blocks near ${first + byte * 8} change in the ${kind} map`)
        bits[byte]! ^= mask
      })
      at = end
    }
  }
  const apply = ({ kind, run, used: value }: Pending): void => {
    if (kind === 'live') setRun('live', run, value)
    if (kind === 'used' || value) return setRun('used', run, value)
    if (run.blocks > 1)
      for (const part of withoutKept(run, change.keptBySnapshot)) setRun('used', part, value)
    else if (!change.keptBySnapshot(run.address)) setRun('used', run, value)
  }

  for (const run of change.freed) apply({ kind: 'live', run, used: false })
  for (const run of change.born) apply({ kind: 'live', run, used: true })
  for (let i = 0; i < pending.length; i++) apply(pending[i]!)

  const unused: number[] = []
  const giveUp = (kind: MapKind, address: number): void => {
    unused.push(address)
    replacing.delete(address)
    apply({ kind, run: { address, blocks: 1 }, used: false })
  }
  for (let given = -1; given < unused.length;) {
    given = unused.length
    for (const kind of ['live', 'used'] as const) dropEmpty(drafts[kind], (address) => giveUp(kind, address))
  }

  const commands: WriteCommand[] = []
  const maps = {
    live: encode(drafts.live, replacing, commands),
    used: encode(drafts.used, replacing, commands),
  }
  return { ...maps, commands, replaced, unused }
}

/** Drops dirty pages and nodes that have become empty, from the pages up. */
function dropEmpty(draft: Draft, giveUp: (address: number) => void): void {
  const { pages, indexes } = draft
  for (const page of pages.values()) {
    if (page.address === 0 || !isZero(page.bits, 0, page.bits.length)) continue
    giveUp(page.address)
    page.address = 0
  }
  for (const [i, nodes] of indexes.entries())
    for (const [index, address] of nodes) {
      if (address === 0 || hasChild(draft, i, index)) continue
      giveUp(address)
      nodes.set(index, 0)
    }
}

function hasChild({ base, pages, indexes }: Draft, level: number, index: number): boolean {
  const stored = level === 0 ? base.pages : base.indexes[level - 1]!
  const end = Math.min((index + 1) * mapIndexFanout, stored.length)
  for (let child = index * mapIndexFanout; child < end; child++) {
    const drafted = level === 0 ? pages.get(child)?.address : indexes[level - 1]!.get(child)
    if (drafted === undefined ? stored[child] !== null : drafted !== 0) return true
  }
  return false
}

/** The parts of a run that the newest snapshot does not keep. */
function* withoutKept({ address, blocks }: Run, isKept: (address: number) => boolean): Generator<Run> {
  let start = address
  for (let at = address; at <= address + blocks; at++) {
    if (at < address + blocks && !isKept(at)) continue
    if (at > start) yield { address: start, blocks: at - start }
    start = at + 1
  }
}

const draftOf = (base: SpaceMap): Draft => ({
  base,
  pages: new Map(),
  indexes: base.indexes.map(() => new Map<number, number>()),
})

function encode(
  { base, pages, indexes }: Draft,
  replacing: ReadonlyMap<number, number>,
  commands: WriteCommand[],
): SpaceMap {
  const emit = (address: number, fill: (target: Uint8Array) => void) => {
    const bytes = new Uint8Array(blockBytes)
    fill(bytes)
    const sum = sha256(bytes)
    const before = replacing.get(address)
    const replaces = before === undefined ? null : { address: before, blocks: 1 }
    commands.push({ address, bytes, sum, payloadBytes: blockBytes, replaces })
    return { address, sum }
  }
  const newPages: (MapPage | null)[] = [...base.pages]
  for (const [index, { address, bits }] of pages)
    newPages[index] =
      address === 0
        ? null
        : { bits, pointer: emit(address, (target) => encodeMapPage(base.kind, index, bits, target)) }

  const newIndexes: (MapIndex | null)[][] = base.indexes.map((nodes) => [...nodes])
  for (const [i, dirty] of indexes.entries()) {
    const children: readonly (MapPage | MapIndex | null)[] = i === 0 ? newPages : newIndexes[i - 1]!
    for (const [index, address] of dirty) {
      if (address === 0) {
        newIndexes[i]![index] = null
        continue
      }
      const from = index * mapIndexFanout
      const pointers = children.slice(from, from + mapIndexFanout).map((child) => child?.pointer ?? noNode)
      const pointer = emit(address, (target) => encodeMapIndex(base.kind, i + 1, index, pointers, target))
      newIndexes[i]![index] = { pointer }
    }
  }
  return new SpaceMap(base.kind, base.blocksMax, newPages, newIndexes)
}

/**
 * Upper limit for the blocks that building both maps needs when every page of the present blocks changes; the last
 * floor of space covers this number. The number of levels follows from the size that the volume may grow to.
 */
export function mapBlocksWorstCase(blockCount: number, blocksMax = blockCount): number {
  let width = Math.ceil(blockCount / blocksPerMapPage)
  let total = width
  for (let level = 1; level <= mapLevels(blocksMax); level++) {
    width = Math.ceil(width / mapIndexFanout)
    total += width
  }
  return 2 * (total + 1)
}
