/**
 * Space, before anything is applied: how much may be promised, to whom, and what to do when it is short.
 *
 * Three floors: writes stop first, deletes later, the reaper and what removes holds last. Below the last
 * there is always enough for two CPs that dirty every map page, so that a full volume can still free itself.
 * Space counts as free only where the file has really been extended.
 */
import type { Clock } from '../../lib/clock.ts'
import { hasCode, StillpointError } from '../../lib/errors.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import type { Geometry } from '../../format/geometry.ts'
import type { Allocator } from './allocator.ts'
import type { SpaceFloor } from '../contract.ts'
import { mapBlocksWorstCase } from './map-builder.ts'

/** After a failed extension of the file the next is tried after this. */
const growRetryMs = 5_000
/** So much of the file may be free and scattered: more is used before the file grows. */
const scatteredMax = 1 / 16
/** How long a reservation waits while something may still be released. */
const waitMsMax = 5_000
const waitStepMs = 50
/** Rounds without a block gained before nothing more is expected: two slots, and one for what the reaper queued. */
const idleRoundsMax = 3

export interface Reclaimer {
  /** The CP that will carry what is freed by now: whoever keeps only this one, and later ones, is not in the way. */
  carrier(): number
  /** Takes a CP, or only writes a superblock when nothing is dirty. `carrier`: of the begin of the wait. */
  reclaim(carrier: number): Promise<void>
  /** True while somebody else than who asks may still release so much: a reader, a mirror that is there, the reaper. */
  mayRelease(floor: SpaceFloor, blocks: number, carrier: number): boolean
  /** Whose holds keep space, for who has to make room. */
  holders(): readonly Holder[]
  /** The device failed while the file was extended, other than by being full. */
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

  /** Blocks that someone of this floor may take. */
  available(floor: SpaceFloor): number {
    return this.allocator.writable - this.floorBlocks(floor)
  }

  /** Resolves when `blocks` are available to this floor; else `disk-full`. Nothing is reserved: look again. */
  async ensure(blocks: number, floor: SpaceFloor): Promise<void> {
    if (this.available(floor) >= blocks) return this.growAhead()
    while (this.available(floor) < blocks && this.canGrow()) await this.grow()
    if (this.available(floor) < blocks) await this.waitForRelease(blocks, floor)
  }

  private async waitForRelease(blocks: number, floor: SpaceFloor): Promise<void> {
    const { reclaimer } = this
    const deadline = this.clock.monotonic() + waitMsMax
    const carrier = reclaimer.carrier()
    // Each CP takes blocks and gives others back: only more than there ever was is progress.
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
      // What somebody has let go returns with the slots that do not list it any more.
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

  /** Extends in the background before anyone has to wait for it, or has to do with holes. */
  growAhead(): void {
    if (this.growing || !(this.isShort() || this.isScattered()) || !this.canGrow()) return
    this.grow().catch((error: unknown) => this.reclaimer.failed(error))
  }

  private isShort(): boolean {
    return this.available('write') <= this.geometry.growBlocks / 4
  }

  /** Little is free, and none of it together: what fills holes is written one block at a time. */
  private isScattered(): boolean {
    return this.allocator.isScattered && this.allocator.writable <= this.allocator.extent * scatteredMax
  }

  private grow(): Promise<void> {
    this.growing ??= this.growOnce().finally(() => (this.growing = null))
    return this.growing
  }

  /**
   * For replay: a power cut may have taken back a growth of which the log, which waits for no sync, has used blocks. Throws
   * `disk-full` when the file system has no room for them any more.
   */
  async growTo(end: number): Promise<void> {
    while (this.allocator.extent < Math.min(end, this.geometry.blocksMax)) await this.extendTo(end)
  }

  /** For replay as well: true while nodes that the log stands for need a growth first. */
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
      // Whoever waits hears of it when it looks for space again.
      if (!hasCode(error, 'disk-full')) this.reclaimer.failed(error)
    }
  }

  /** By a step, or where there is no room for one as far as it has to be. */
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
