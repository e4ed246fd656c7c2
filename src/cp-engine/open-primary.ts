/**
 * Opening a primary: superblock, retained roots, maps, allocator, and a new opening before anything is promised.
 *
 * I3: this opening gives cps above whatever could have been promised: four above the published CP and above the first
 * of the opening before (one may have been writing and one open; the rest is margin).
 */
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { sha256Bytes } from '../lib/checksum.ts'
import { StillpointError } from '../lib/errors.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import { blockBytes, cpsPerEpoch } from '../format/geometry.ts'
import type { LogStart, Superblock } from '../format/disk/superblock.ts'
import { Allocator } from './space/allocator.ts'
import { CpEngine } from './cp-engine.ts'
import type { EngineOptions, RecoveryReport } from './cp-engine.ts'
import { type LostGroup, LogReader } from './log/log-reader.ts'
import { MergedLog } from './open/replay.ts'
import { SpaceMap } from './space/space-map.ts'
import type { SuperblockChange } from './volume/superblock-store.ts'
import { Volume } from './volume/volume.ts'

export interface OpenPrimaryOptions extends EngineOptions {
  readonly clock: Clock
  readonly random: Random
  readonly nodeCacheBytesMax: number
  /** The operator accepts that a superblock slot is lost: back to the root that the other one names. */
  readonly acceptSuperblockLoss?: boolean
  /** The operator accepts that the log is damaged, and what stands behind the damage is lost. */
  readonly acceptLogLoss?: boolean
  /**
   * The operator knows that this may be an older copy of the volume, and gives up what came after it: a new epoch begins,
   * so that nothing given before is given again.
   */
  readonly acceptHistoryLoss?: boolean
}

const cpsPerOpening = 4

export async function openPrimary(device: BlockDevice, options: OpenPrimaryOptions): Promise<CpEngine> {
  const released: { allocator: Allocator | null } = { allocator: null }
  const volume = await Volume.open(device, {
    clock: options.clock,
    acceptLoss: options.acceptSuperblockLoss ?? false,
    goBack: (remaining) => newEpoch(remaining, options.random),
    onReleased: (pageIndex, mask) => released.allocator?.releasePage(pageIndex, mask),
    nodeCacheBytesMax: options.nodeCacheBytesMax,
  })
  if (volume.superblock.role !== 'primary')
    throw new StillpointError('forbidden', 'this volume is a mirror; it is served with the role it has')
  if (options.acceptHistoryLoss && !volume.superblock.fenced)
    await volume.writeSuperblock((newest) => ({ ...newEpoch(newest, options.random), outdated: false }))
  const { geometry } = volume
  const published = volume.current()

  const allocator = new Allocator(geometry)
  allocator.extend(Math.min(device.blockCount, geometry.blocksMax))
  for (const map of volume.retention.usedMaps())
    for (const [index, page] of map.pages.entries()) if (page) allocator.withhold(index, page.bits)
  released.allocator = allocator

  const live = await SpaceMap.load('live', geometry.blocksMax, published.root.liveMap, volume.readNode)
  const maps = { live, used: volume.retention.usedMap(published) }
  const { merged, end, recovery } = await readLog(volume, options)
  const counted = Math.max(published.root.cp % cpsPerEpoch, volume.superblock.firstCp % cpsPerEpoch)
  const firstCp = volume.superblock.epoch.number * cpsPerEpoch + counted + cpsPerOpening
  // The ring goes on behind the last good group; the nonce keeps what is left of the opening before apart.
  const logStart = {
    nonce: options.random.bytes(8),
    position: end.position,
    chain: new Uint8Array(sha256Bytes),
  }
  const { clock } = options
  const engine = new CpEngine({ volume, allocator, maps, clock, firstCp, logStart, recovery }, options)
  const opening = { opening: volume.superblock.opening + 1, firstCp, log: logStart }
  if (merged.operations > 0) await engine.recover(merged, opening)
  else await volume.writeSuperblock(opening)
  return engine
}

/** What the log adds to the published root, and what is to be said about it. */
async function readLog(
  volume: Volume,
  options: OpenPrimaryOptions,
): Promise<{ merged: MergedLog; end: LogStart; recovery: RecoveryReport }> {
  const { root } = volume.current()
  const reader = new LogReader(volume.device, volume.geometry, root.records.kind)
  const merged = new MergedLog(root.cp, root.sequence)
  let end = volume.superblock.log
  let refused: LostGroup | null = null
  for await (const group of reader.groups(end)) {
    const at = group.records.findIndex((record) => !merged.add(record))
    if (at !== -1) {
      const { sequence, sequenceCount } = group.records[at]!
      const firstSequence = sequence - sequenceCount + 1
      refused = { position: end.position, firstSequence, operations: group.records.length - at }
      break
    }
    end = group.end
  }
  const lost = [...(refused ? [refused] : []), ...(await reader.lostBehind(end))]
  if (lost.length > 0 && !options.acceptLogLoss && !options.acceptSuperblockLoss)
    throw new StillpointError(
      'corrupt',
      `the log is damaged behind operation ${merged.sequence}: at least ${lost.length} groups behind it cannot be replayed`,
      { behindSequence: merged.sequence, lost, waysOut: ['restore from a mirror', '--accept-loss=log'] },
    )
  const last = lost.at(-1)
  // A new group must not fall on the place of one that is given up, nor be taken for its successor.
  const position = last ? Math.max(end.position, last.position + blockBytes) : end.position
  return {
    merged,
    end: { ...end, position },
    recovery: {
      replayed: merged.operations,
      tornTail: refused === null && (await reader.isTornAt(end)),
      lost,
    },
  }
}

/** Going back abandons what came after the older root, so its successors must not look like them. */
function newEpoch(remaining: Superblock, random: Random): SuperblockChange {
  return { epoch: { number: remaining.epoch.number + 1, id: random.bytes(8) } }
}
