/**
 * Opening a primary: superblock, retained roots, maps, allocator, and a new opening before anything is promised.
 *
 * I3: this opening gives cps above whatever could have been promised: four above the published CP and above the first
 * of the opening before (one may have been writing and one open; the rest is margin).
 */
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { StillpointError } from '../lib/errors.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import { cpsPerEpoch } from '../format/geometry.ts'
import type { Superblock } from '../format/superblock.ts'
import { Allocator } from './allocator.ts'
import { CpEngine } from './cp-engine.ts'
import type { EngineOptions } from './cp-engine.ts'
import { SpaceMap } from './space-map.ts'
import type { SuperblockChange } from './superblock-store.ts'
import { Volume } from './volume.ts'

export interface OpenPrimaryOptions extends EngineOptions {
  readonly clock: Clock
  readonly random: Random
  readonly nodeCacheBytesMax?: number
  /** The operator accepts that a superblock slot is lost: back to the root that the other one names. */
  readonly acceptSuperblockLoss?: boolean
}

const cpsPerOpening = 4

export async function openPrimary(device: BlockDevice, options: OpenPrimaryOptions): Promise<CpEngine> {
  const released: { allocator: Allocator | null } = { allocator: null }
  const volume = await Volume.open(device, {
    acceptLoss: options.acceptSuperblockLoss ?? false,
    goBack: (remaining) => newEpoch(remaining, options.random),
    onReleased: (pageIndex, mask) => released.allocator?.releasePage(pageIndex, mask),
    ...(options.nodeCacheBytesMax ? { nodeCacheBytesMax: options.nodeCacheBytesMax } : {}),
  })
  if (volume.superblock.role !== 'primary')
    throw new StillpointError('forbidden', 'this volume is a mirror; it is served with the role it has')
  const { geometry } = volume
  const published = volume.current()

  const allocator = new Allocator(geometry)
  allocator.extend(Math.min(device.blockCount, geometry.blocksMax))
  for (const map of volume.retention.usedMaps())
    for (const [index, page] of map.pages.entries()) if (page) allocator.withhold(index, page.bits)
  released.allocator = allocator

  const live = await SpaceMap.load('live', geometry.blocksMax, published.root.liveMap, volume.readNode)
  const counted = Math.max(published.root.cp % cpsPerEpoch, volume.superblock.firstCp % cpsPerEpoch)
  const firstCp = volume.superblock.epoch.number * cpsPerEpoch + counted + cpsPerOpening
  await volume.writeSuperblock(({ opening }) => ({
    opening: opening + 1,
    firstCp,
    log: { ...volume.superblock.log, nonce: options.random.bytes(8) },
  }))
  const maps = { live, used: volume.retention.usedMap(published) }
  return new CpEngine({ volume, allocator, maps, clock: options.clock, firstCp }, options)
}

/** Going back abandons what came after the older root, so its successors must not look like them. */
function newEpoch(remaining: Superblock, random: Random): SuperblockChange {
  return { epoch: { number: remaining.epoch.number + 1, id: random.bytes(8) } }
}
