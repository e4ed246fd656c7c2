/**
 * Opens a primary: superblock, retained roots, maps, allocator, and a new opening before anything is promised.
 *
 * I3: this opening gives cps above every cp that could have been promised. The first one is four above both the
 * published CP and the first cp of the opening before (one CP may have been writing and one open; the rest is
 * margin).
 */
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { type Random, formatUuid } from '../lib/random.ts'
import { sha256Bytes } from '../lib/checksum.ts'
import { StillpointError } from '../lib/errors.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import { blockBytes, cpsPerEpoch, volumeBytesLimit } from '../format/geometry.ts'
import type { Superblock } from '../format/disk/superblock.ts'
import { Allocator } from './space/allocator.ts'
import { CpEngine } from './cp-engine.ts'
import type { EngineOptions } from './engine-options.ts'
import { type LogPlan, planLog } from './open/log-plan.ts'
import { SpaceMap } from './space/space-map.ts'
import type { SuperblockChange } from './volume/superblock-store.ts'
import { Volume } from './volume/volume.ts'

export interface OpenPrimaryOptions extends EngineOptions {
  readonly clock: Clock
  readonly random: Random
  readonly nodeCacheBytesMax: number
  /** Bytes that the volume may grow to from now on, if that is more than before. A fenced volume keeps its limit. */
  readonly raiseVolumeTo?: number | null
  /** True when the operator accepts the loss of a superblock slot: the open goes back to the other slot's root. */
  readonly acceptSuperblockLoss?: boolean
  /**
   * True when the operator accepts that the log is damaged: the log ends at its first operation that cannot be kept.
   */
  readonly acceptLogLoss?: boolean
  /**
   * True when the operator knows that this may be an older copy of the volume, and gives up all later consistency
   * points. A new epoch begins, so that no number that was given before is given again.
   */
  readonly acceptHistoryLoss?: boolean
  /**
   * True when the operator gives up what another primary of this volume has taken since it fenced this one. A new epoch
   * begins without members, because the mirrors of this volume may follow the other primary.
   */
  readonly acceptEpochLoss?: boolean
  /** Hears the plan for the log, also before an open throws because of the log. */
  readonly onLogRead?: (log: LogPlan) => void
}

const cpsPerOpening = 4

export async function openPrimary(device: BlockDevice, options: OpenPrimaryOptions): Promise<CpEngine> {
  const released: { allocator: Allocator | null } = { allocator: null }
  const found: { log: LogPlan | null; live: SpaceMap | null } = { log: null, live: null }
  const volume = await Volume.open(device, {
    clock: options.clock,
    acceptLoss: options.acceptSuperblockLoss ?? false,
    goBack: (remaining) => newEpoch(remaining, options.random),
    onReleased: (pageIndex, mask) => released.allocator?.releasePage(pageIndex, mask),
    async inspect(opened) {
      if (opened.superblock.role !== 'primary')
        throw new StillpointError('forbidden', 'this volume is a mirror; it is served with the role it has')
      const { blocksMax, liveMap } = opened.current().root
      found.live = await SpaceMap.load('live', blocksMax, liveMap, opened.readNode)
      found.log = await readLog(opened, options)
    },
    nodeCacheBytesMax: options.nodeCacheBytesMax,
  })
  const { live, log } = found
  assert(live && log, 'a primary was looked at before anything was written')
  await endFence(volume, options)
  const published = volume.current()
  const blocksMax = blocksMaxOf(volume, options)
  const isRaised = blocksMax > published.root.blocksMax
  const geometry = { ...volume.geometry, blocksMax }

  const allocator = new Allocator(geometry)
  allocator.extend(Math.min(device.blockCount, geometry.blocksMax))
  for (const map of volume.retention.usedMaps())
    for (const [index, page] of map.pages.entries()) if (page) allocator.withhold(index, page.bits)
  released.allocator = allocator

  const maps = {
    live: live.grownTo(blocksMax),
    used: volume.retention.usedMap(published).grownTo(blocksMax),
  }
  const { plan, state, lost, nextPosition } = log
  const counted = Math.max(published.root.cp % cpsPerEpoch, volume.superblock.firstCp % cpsPerEpoch)
  const firstCp = volume.superblock.epoch.number * cpsPerEpoch + counted + cpsPerOpening
  // The ring goes on behind the last good group; the new nonce tells the groups of this opening from older ones.
  const logStart = {
    nonce: options.random.bytes(8),
    position: nextPosition,
    chain: new Uint8Array(sha256Bytes),
  }
  const { clock } = options
  const recovery = { replayed: plan.operations, log: state, lost }
  const engine = new CpEngine(
    { volume, allocator, maps, clock, geometry, firstCp, logStart, recovery },
    options,
  )
  const opening = { opening: volume.superblock.opening + 1, firstCp, log: logStart }
  // Nothing is promised before a root says how far the volume may grow: the log may need that size.
  if (plan.operations > 0 || isRaised) await engine.recover(plan, opening)
  else await volume.writeSuperblock(opening)
  return engine
}

async function endFence(volume: Volume, options: OpenPrimaryOptions): Promise<void> {
  const { fenced, members } = volume.superblock
  if (fenced && options.acceptEpochLoss) {
    for (const { uuid } of members) volume.setHolds(formatUuid(uuid), [])
    await volume.writeSuperblock((newest) => ({
      ...newEpoch(newest, options.random),
      fenced: false,
      outdated: false,
      members: [],
    }))
  } else if (!fenced && options.acceptHistoryLoss)
    await volume.writeSuperblock((newest) => ({ ...newEpoch(newest, options.random), outdated: false }))
}

/** Operations acknowledged after the published root, and those that cannot be kept, for a volume that is only read. */
export async function lookAtLog(volume: Volume): Promise<Pick<LogPlan, 'operations' | 'problems'>> {
  const { plan, problems } = await planLog(volume, true)
  return { operations: plan.operations, problems }
}

function blocksMaxOf({ geometry, superblock }: Volume, { raiseVolumeTo }: OpenPrimaryOptions): number {
  if (superblock.fenced || superblock.outdated || !raiseVolumeTo) return geometry.blocksMax
  const blocks = Math.floor(Math.min(raiseVolumeTo, volumeBytesLimit) / blockBytes)
  return Math.max(geometry.blocksMax, blocks)
}

/** Throws `corrupt` when the log has lost something that the operator has not given up. */
async function readLog(volume: Volume, options: OpenPrimaryOptions): Promise<LogPlan> {
  const accepts = (options.acceptLogLoss ?? false) || volume.superblocks.goesBack
  const log = await planLog(volume, accepts)
  options.onLogRead?.(log)
  const [problem] = log.problems
  // Going back gives up the operations that the lost CP had let the log forget.
  if (problem && !accepts) {
    const { problems, lost } = log
    throw new StillpointError(
      'corrupt',
      `the log is damaged behind operation ${log.plan.sequence}: ${problem.message}; what ${lost.length} groups have from there on cannot be replayed`,
      {
        behindSequence: log.plan.sequence,
        problems,
        lost,
        waysOut: ['restore from a mirror', '--accept-loss=log'],
      },
    )
  }
  return log
}

/** Going back abandons the consistency points after the older root, so their successors must not look like them. */
function newEpoch(remaining: Superblock, random: Random): SuperblockChange {
  return { epoch: { number: remaining.epoch.number + 1, id: random.bytes(8) } }
}
