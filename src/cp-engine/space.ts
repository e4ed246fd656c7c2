/**
 * Space, before anything is applied: how much may be promised, to whom, and what to do when it is short.
 *
 * Three floors (DESIGN §4): writes stop first, deletes later, the reaper and what removes holds last. Below the last
 * there is always enough for two CPs that dirty every map page, so that a full volume can still free itself.
 * Space counts as free only where the file has really been extended.
 */
import type { Clock } from '../lib/clock.ts'
import { hasCode, StillpointError } from '../lib/errors.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import type { Geometry } from '../format/geometry.ts'
import type { Allocator } from './allocator.ts'
import type { SpaceFloor } from './contract.ts'
import { mapBlocksWorstCase } from './map-builder.ts'

/** After a failed extension of the file the next is tried after this. */
const growRetryMs = 5_000
/** How long a reservation waits while something may still be released. */
const waitMsMax = 5_000
const waitStepMs = 50
/** Rounds without a block gained before nothing more is expected: two slots, and one for what the reaper queued. */
const idleRoundsMax = 3

export interface Reclaimer {
  /** Takes a CP, or only writes a superblock when nothing is dirty. */
  reclaim(): Promise<void>
  /** True while somebody else than who asks may still release blocks: a reader, a member that holds, the reaper. */
  mayRelease(floor: SpaceFloor): boolean
  /** The device failed while the file was extended, other than by being full. */
  failed(error: unknown): void
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
    const deadline = this.clock.monotonic() + waitMsMax
    // Each CP takes blocks and gives others back: only more than there ever was is progress.
    let best = this.allocator.writable
    for (let idle = 0; this.available(floor) < blocks;) {
      await this.reclaimer.reclaim()
      if (this.allocator.writable > best) {
        best = this.allocator.writable
        idle = 0
        continue
      }
      const isOver = this.clock.monotonic() >= deadline
      if (isOver || (++idle >= idleRoundsMax && !this.reclaimer.mayRelease(floor))) {
        if (this.available(floor) >= blocks) return
        throw new StillpointError(
          'disk-full',
          `${blocks} blocks are needed and ${Math.max(0, this.available(floor))} can be had`,
          {
            neededBlocks: blocks,
            availableBlocks: Math.max(0, this.available(floor)),
          },
        )
      }
      if (idle >= idleRoundsMax) await this.clock.sleep(waitStepMs)
    }
  }

  private floorBlocks(floor: SpaceFloor): number {
    const base = 2 * mapBlocksWorstCase(this.allocator.extent) + 16
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

  /** Extends in the background before anyone has to wait for it. */
  growAhead(): void {
    if (this.growing || this.available('write') > this.geometry.growBlocks / 4 || !this.canGrow()) return
    this.grow().catch((error: unknown) => this.reclaimer.failed(error))
  }

  private grow(): Promise<void> {
    this.growing ??= this.growOnce().finally(() => (this.growing = null))
    return this.growing
  }

  private async growOnce(): Promise<void> {
    const target = Math.min(this.allocator.extent + this.geometry.growBlocks, this.geometry.blocksMax)
    try {
      if (this.device.blockCount < target) await this.device.grow(target)
    } catch (error) {
      this.growFailedAt = this.clock.monotonic()
      // Whoever waits hears of it when it looks for space again.
      if (!hasCode(error, 'disk-full')) this.reclaimer.failed(error)
      return
    }
    this.allocator.extend(target)
  }
}
