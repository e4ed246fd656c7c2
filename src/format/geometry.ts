/**
 * Defines where things are in a block file, and every limit of the format. Each number is defined here and only here.
 *
 * | blocks                           | content                                                     |
 * |----------------------------------|-------------------------------------------------------------|
 * | superblockAddress(slot, copy)    | two slots, two copies each, 1 MiB apart, 4 blocks each      |
 * | logAddress … + logBlocks         | the ring of the intent log                                  |
 * | everything else                  | address blocks and data blocks, given out by the allocator  |
 */
import type { BlockRun } from '../lib/block-run.ts'
import { assert } from '../lib/assert.ts'

export const blockBytes = 4096
/** The largest unit that a device can be trusted to write whole. */
export const sectorBytes = 512

export const superblockCopyBlocks = 4
export const superblockSlots = 2
export const superblockCopies = 2
const superblockDistanceBlocks = 256

/** The first block of a superblock copy. The address needs no geometry, because an open begins there. */
export function superblockAddress(slot: number, copy: number): number {
  return (slot * superblockCopies + copy) * superblockDistanceBlocks
}
const superblockAreaBlocks = superblockSlots * superblockCopies * superblockDistanceBlocks

/** Part of a geometry that is fixed when the volume is created. All fields count blocks. */
export interface FixedGeometry {
  /** The block file is extended by this many blocks at a time. */
  readonly growBlocks: number
  readonly logAddress: number
  readonly logBlocks: number
}

export interface Geometry extends FixedGeometry {
  /**
   * The volume does not grow beyond this limit, unless the limit is raised. The levels of the maps follow from the
   * limit.
   */
  readonly blocksMax: number
}

export const volumeBytesMaxDefault = 2 ** 40
export const growBytesDefault = 64 * 2 ** 20
export const logBytesDefault = 32 * 2 ** 20
export const logBytesMin = 2 ** 20
/** 16 TiB: the allocator keeps one bit per block in memory, which is 512 MiB at this size. */
export const volumeBytesLimit = 2 ** 44
export const volumeBlocksLimit = volumeBytesLimit / blockBytes
/** Blocks behind the fixed areas that a volume has at least: more than a first consistency point needs. */
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

/** A geometry that was read is not believed before this check or `isValidGeometry` accepts the geometry. */
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

/** The superblock copies and the ring, in the order of addresses: never given out, never referenced by a tree. */
export function fixedRuns({ logAddress, logBlocks }: FixedGeometry): readonly BlockRun[] {
  return [...superblockRuns, { address: logAddress, blocks: logBlocks }]
}

/** True when [address, address + blocks) lies below the largest size of the volume and touches no fixed run. */
export function isDataRun(geometry: Geometry, address: number, blocks: number): boolean {
  if (!Number.isSafeInteger(address) || blocks < 1 || address < 1) return false
  if (address + blocks > geometry.blocksMax) return false
  // A short way for nearly all runs: every block that is freed comes here.
  if (address >= geometry.logAddress + geometry.logBlocks) return true
  return !fixedRuns(geometry).some(
    (fixed) => address < fixed.address + fixed.blocks && fixed.address < address + blocks,
  )
}

/** A record covers a span of the file that is a power of two, and is replaced whole. */
export const recordBytesMin = blockBytes
export const recordBytesDefault = 64 * 1024
export const recordBytesMax = 1024 * 1024
export const recordBlocksMax = recordBytesMax / blockBytes
/** A write command up to this size has its bytes in the log; the log names a larger command by its pointer. */
export const inlineBytesMax = 64 * 1024

/** Limits for items of a tree. Four of the largest items must fit a node. */
export const keyBytesMax = 264
export const itemBytesMax = 1008
export const pointersPerValueMax = 2

export const epochsMax = 64
export const countersMax = 8
export const snapshotNameBytesMax = 255
export const membersMax = 8
/** Roots that are held for one member: the roots that the member reports, and the roots that are offered to it. */
export const rootsHeldMax = 12
/**
 * An open also holds the roots of the two slots, because these roots may have been offered to the member as well:
 * once for the open that finds the holds, and once for all later opens, since no root is offered before the member
 * has reported. So all holds fit a superblock.
 */
export const rootsPerMemberMax = rootsHeldMax + 2 * 2
export const holdsMax = membersMax * rootsPerMemberMax
export const memberUrlBytesMax = 240

/** The number of a consistency point is epoch × cpsPerEpoch + n, and n counts on across epochs. */
export const cpsPerEpoch = 1e12
export const epochMax = 8999
