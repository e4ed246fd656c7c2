/**
 * Space decides before an operation is applied: how many blocks may be promised, to which callers, and what happens
 * when space is short.
 *
 * - There are three floors: writes stop first, deletes later, the reaper and the removal of holds last.
 * - Below the last floor there is always enough for two CPs that dirty every map page, so that a full volume can
 *   still free blocks.
 * - Space counts as free only where the file has really been extended.
 */
import type { Clock } from '../../lib/clock.ts'
import { hasCode, StillpointError } from '../../lib/errors.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import type { Geometry } from '../../format/geometry.ts'
import type { Allocator } from './allocator.ts'
import type { SpaceFloor } from '../contract.ts'
import { mapBlocksWorstCase } from './map-builder.ts'

/** Milliseconds after a failed extension of the file until the next try. */
const growRetryMs = 5_000
/** Share of the file that may be free and scattered: a larger share is used before the file grows. */
const scatteredMax = 1 / 16
/** Milliseconds that a reservation waits while blocks may still be released. */
const waitMsMax = 5_000
const waitStepMs = 50
/** Rounds without a gained block before the wait ends: two slots, and one round for the reaper's queue. */
const idleRoundsMax = 3

export interface Reclaimer {
  /** The CP that will carry the frees of now: a holder that keeps only this CP and later CPs is not in the way. */
  carrier(): number
  /**
   * Takes a CP, or only writes a superblock when nothing is dirty. `carrier` is the carrier at the begin of the wait.
   */
  reclaim(carrier: number): Promise<void>
  /** True while a reader, a connected mirror or the reaper, but not the caller, may still release so many blocks. */
  mayRelease(floor: SpaceFloor, blocks: number, carrier: number): boolean
  /** Mirrors whose holds keep space, for the operator who has to make room. */
  holders(): readonly Holder[]
  /** Called when the device failed while the file was extended, other than by being full. */
  failed(error: unknown): void
}

export interface Holder {
  readonly mirror: string
  readonly url: string
  readonly cps: readonly number[]
}

export class Space {
  private growing: Promise<void> | null = null
  private growFailedAt = -Infinity

  constructor(
    private readonly allocator: Allocator,
    private readonly device: BlockDevice,
    private readonly geometry: Geometry,
    private readonly clock: Clock,
    private readonly reclaimer: Reclaimer,
  ) {}

  /** Number of blocks that a caller of this floor may take. */
  available(floor: SpaceFloor): number {
    return this.allocator.writable - this.floorBlocks(floor)
  }

  /**
   * Resolves when `blocks` are available to this floor, and throws `disk-full` otherwise. Nothing is reserved: the
   * caller must look again.
   */
  async ensure(blocks: number, floor: SpaceFloor): Promise<void> {
    if (this.available(floor) >= blocks) return this.growAhead()
    while (this.available(floor) < blocks && this.canGrow()) await this.grow()
    if (this.available(floor) < blocks) await this.waitForRelease(blocks, floor)
  }

  private async waitForRelease(blocks: number, floor: SpaceFloor): Promise<void> {
    const { reclaimer } = this
    const deadline = this.clock.monotonic() + waitMsMax
    const carrier = reclaimer.carrier()
    // Each CP takes blocks and gives others back: only a number above all earlier ones is progress.
    let best = this.allocator.writable
    for (let idle = 0, rounds = 0; this.available(floor) < blocks; rounds++) {
      await reclaimer.reclaim(carrier)
      if (this.allocator.writable > best) {
        best = this.allocator.writable
        idle = 0
        continue
      }
      const lacking = blocks - this.available(floor)
      if (lacking <= 0) return
      const isHopeful = reclaimer.mayRelease(floor, lacking, carrier)
      // Blocks that a holder has let go return once no slot lists the hold any more.
      idle = isHopeful ? 0 : idle + 1
      if (idle >= idleRoundsMax || this.clock.monotonic() >= deadline) throw this.full(blocks, floor)
      if (isHopeful && rounds >= idleRoundsMax) await this.clock.sleep(waitStepMs)
    }
  }

  private full(blocks: number, floor: SpaceFloor): StillpointError {
    const availableBlocks = Math.max(0, this.available(floor))
    const heldFor = this.reclaimer.holders()
    const held = heldFor.map(
      ({ url, cps }) => `the mirror at ${url} keeps consistency points ${cps.join(', ')}`,
    )
    return new StillpointError(
      'disk-full',
      [`${blocks} blocks are needed and ${availableBlocks} can be had`, ...held].join('; '),
      { neededBlocks: blocks, availableBlocks, ...(heldFor.length > 0 ? { heldFor } : {}) },
    )
  }

  private floorBlocks(floor: SpaceFloor): number {
    const base = 2 * mapBlocksWorstCase(this.allocator.extent, this.geometry.blocksMax) + 16
    if (floor === 'reclaim') return base
    const deletes = base + 128
    return floor === 'delete' ? deletes : deletes + 256
  }

  private canGrow(): boolean {
    return (
      this.allocator.extent < this.geometry.blocksMax &&
      this.clock.monotonic() - this.growFailedAt >= growRetryMs
    )
  }

  /** Extends the file in the background, before a caller has to wait for space or has to take scattered blocks. */
  growAhead(): void {
    if (this.growing || !(this.isShort() || this.isScattered()) || !this.canGrow()) return
    this.grow().catch((error: unknown) => this.reclaimer.failed(error))
  }

  private isShort(): boolean {
    return this.available('write') <= this.geometry.growBlocks / 4
  }

  /** True when little is free, and no stretch of it is wholly free: scattered blocks are written one at a time. */
  private isScattered(): boolean {
    return this.allocator.isScattered && this.allocator.writable <= this.allocator.extent * scatteredMax
  }

  private grow(): Promise<void> {
    this.growing ??= this.growOnce().finally(() => (this.growing = null))
    return this.growing
  }

  /**
   * Extends the file for replay: a power cut may have taken back a growth while the log, which waits for no sync, has
   * used its blocks. Throws `disk-full` when the file system has no room for the growth any more.
   */
  async growTo(end: number): Promise<void> {
    while (this.allocator.extent < Math.min(end, this.geometry.blocksMax)) await this.extendTo(end)
  }

  /** Tells replay that the file must grow before there are blocks for so many nodes. */
  lacks(nodes: number): boolean {
    return this.available('reclaim') < nodes && this.allocator.extent < this.geometry.blocksMax
  }

  async growFor(nodes: number): Promise<void> {
    while (this.lacks(nodes)) await this.extendTo(this.allocator.extent + nodes)
  }

  private async growOnce(): Promise<void> {
    try {
      await this.extend()
    } catch (error) {
      this.growFailedAt = this.clock.monotonic()
      // A caller that waits hears of the failure when the caller looks for space again.
      if (!hasCode(error, 'disk-full')) this.reclaimer.failed(error)
    }
  }

  /** Extends by a step, or only to `end` where the file system has no room for a step. */
  private async extendTo(end: number): Promise<void> {
    try {
      await this.extend()
    } catch (error) {
      if (!hasCode(error, 'disk-full')) throw error
      await this.extend(end)
    }
  }

  private async extend(end = this.allocator.extent + this.geometry.growBlocks): Promise<void> {
    const target = Math.min(end, this.geometry.blocksMax)
    if (this.device.blockCount < target) await this.device.grow(target)
    this.allocator.extend(target)
  }
}
