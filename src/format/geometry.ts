/**
 * Where things are in a block file, and every limit of the format. Each number has its one definition here.
 *
 * | blocks                           | what                                                        |
 * |----------------------------------|-------------------------------------------------------------|
 * | superblockAddress(slot, copy)    | two slots, two copies each, 1 MiB apart, 4 blocks each      |
 * | logAddress … + logBlocks         | the ring of the intent log                                  |
 * | everything else                  | address blocks and data blocks, given out by the allocator  |
 */
import type { BlockRun } from '../lib/block-run.ts'
import { assert } from '../lib/assert.ts'

export const blockBytes = 4096
/** The largest unit that a device may be trusted to write whole. */
export const sectorBytes = 512

export const superblockCopyBlocks = 4
export const superblockSlots = 2
export const superblockCopies = 2
const superblockDistanceBlocks = 256

/** The first block of a copy; known without a geometry, because it is where an open begins. */
export function superblockAddress(slot: number, copy: number): number {
  return (slot * superblockCopies + copy) * superblockDistanceBlocks
}
const superblockAreaBlocks = superblockSlots * superblockCopies * superblockDistanceBlocks

/** Fixed at creation. All in blocks. */
export interface FixedGeometry {
  /** The file is extended by this much at a time. */
  readonly growBlocks: number
  readonly logAddress: number
  readonly logBlocks: number
}

export interface Geometry extends FixedGeometry {
  /** The volume does not grow beyond this, unless it is raised: the levels of the maps follow from it. */
  readonly blocksMax: number
}

export const volumeBytesMaxDefault = 2 ** 40
export const growBytesDefault = 64 * 2 ** 20
export const logBytesDefault = 32 * 2 ** 20
export const logBytesMin = 2 ** 20
/** 16 TiB: the allocator keeps one bit a block in memory (512 MiB here). */
export const volumeBytesLimit = 2 ** 44
export const volumeBlocksLimit = volumeBytesLimit / blockBytes
/** Behind the fixed areas a volume has room for more than a first consistency point. */
const dataBlocksMin = 64

export function makeGeometry(
  volumeBytesMax = volumeBytesMaxDefault,
  growBytes = growBytesDefault,
  logBytes = logBytesDefault,
): Geometry {
  const geometry: Geometry = {
    blocksMax: Math.floor(volumeBytesMax / blockBytes),
    growBlocks: Math.floor(growBytes / blockBytes),
    logAddress: superblockAreaBlocks,
    logBlocks: Math.floor(logBytes / blockBytes),
  }
  assert(isValidGeometry(geometry), 'a geometry within its limits')
  return geometry
}

export const fixedPart = ({ growBlocks, logAddress, logBlocks }: FixedGeometry): FixedGeometry => ({
  growBlocks,
  logAddress,
  logBlocks,
})

/** For a geometry that was read: nothing in it is believed before these say so. */
export function isValidFixedGeometry({ growBlocks, logAddress, logBlocks }: FixedGeometry): boolean {
  return (
    [growBlocks, logAddress, logBlocks].every((n) => Number.isSafeInteger(n) && n > 0) &&
    logAddress === superblockAreaBlocks &&
    logBlocks >= logBytesMin / blockBytes &&
    logBlocks <= volumeBlocksLimit - logAddress - dataBlocksMin
  )
}

export function isValidGeometry(geometry: Geometry): boolean {
  const { blocksMax, logAddress, logBlocks } = geometry
  return (
    isValidFixedGeometry(geometry) &&
    Number.isSafeInteger(blocksMax) &&
    blocksMax <= volumeBlocksLimit &&
    blocksMax >= logAddress + logBlocks + dataBlocksMin
  )
}

/** Address and length of each superblock copy. */
export const superblockRuns: readonly BlockRun[] = Array.from(
  { length: superblockSlots * superblockCopies },
  (_, i) => ({ address: i * superblockDistanceBlocks, blocks: superblockCopyBlocks }),
)

/** The superblock copies and the ring: never given out, never referenced by a tree. In the order of their addresses. */
export function fixedRuns({ logAddress, logBlocks }: FixedGeometry): readonly BlockRun[] {
  return [...superblockRuns, { address: logAddress, blocks: logBlocks }]
}

/** True when [address, address + blocks) lies below the largest size of the volume and touches nothing fixed. */
export function isDataRun(geometry: Geometry, address: number, blocks: number): boolean {
  if (!Number.isSafeInteger(address) || blocks < 1 || address < 1) return false
  if (address + blocks > geometry.blocksMax) return false
  // Nearly all of them, and asked for each block that is freed.
  if (address >= geometry.logAddress + geometry.logBlocks) return true
  return !fixedRuns(geometry).some(
    (fixed) => address < fixed.address + fixed.blocks && fixed.address < address + blocks,
  )
}

/** Records: a span of the file that is a power of two, replaced whole. */
export const recordBytesMin = blockBytes
export const recordBytesDefault = 64 * 1024
export const recordBytesMax = 1024 * 1024
export const recordBlocksMax = recordBytesMax / blockBytes
/** A write command up to this size has its bytes in the log; a larger one is named by pointer. */
export const inlineBytesMax = 64 * 1024

/** Items of the tree. Four of the largest must fit a node. */
export const keyBytesMax = 264
export const itemBytesMax = 1008
export const pointersPerValueMax = 2

export const epochsMax = 64
export const countersMax = 8
export const snapshotNameBytesMax = 255
export const membersMax = 8
/** Roots that are held for one member: what it reports, and what is offered to it. */
export const rootsHeldMax = 12
/**
 * And those of the two slots, which an open adds because they may have been offered as well: once for the open that finds
 * the holds, and once for any after it, since nothing is offered before the member has reported. So all fit a superblock.
 */
export const rootsPerMemberMax = rootsHeldMax + 2 * 2
export const holdsMax = membersMax * rootsPerMemberMax
export const memberUrlBytesMax = 240

/** cp = epoch × cpsPerEpoch + n, and n counts on across epochs. */
export const cpsPerEpoch = 1e12
export const epochMax = 8999
