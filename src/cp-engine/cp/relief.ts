/**
 * Relief tells what the engine can do when space is short: which holders keep blocks, and which of them may still let
 * go.
 *
 * A block comes back when no root uses the block any more. The roots before the carrier (the root that carries the
 * present frees) are named by two slots, by pins, and by mirrors, which have two slots as well. So up to two
 * consistency points give everything back, and the rest waits for readers.
 */
import type { Clock } from '../../lib/clock.ts'
import { formatUuid } from '../../lib/random.ts'
import type { HoldListener, SpaceFloor } from '../contract.ts'
import type { Holder, Reclaimer } from '../space/space.ts'
import { pinMsMax } from '../volume/volume.ts'
import type { Volume } from '../volume/volume.ts'

interface ReliefParts {
  readonly volume: Volume
  readonly clock: Clock
  carrier(): number
  /** Number of blocks that the newest tree does not use and that may not be written yet. */
  pending(): number
  /** True when there are blocks that a CP alone gives back. */
  hasSpent(): boolean
  /** Takes a CP when the open state is dirty, or when `always` is set; writes only a superblock otherwise. */
  turn(always: boolean): Promise<void>
  failed(error: unknown): void
}

export class Relief implements Reclaimer {
  private readonly reapers = new Set<() => boolean>()
  private readonly holdListeners = new Set<HoldListener>()

  constructor(private readonly parts: ReliefParts) {}

  onSpaceShort(listener: () => boolean): void {
    this.reapers.add(listener)
  }

  onHoldsInTheWay(listener: HoldListener): () => void {
    this.holdListeners.add(listener)
    return () => this.holdListeners.delete(listener)
  }

  carrier(): number {
    return this.parts.carrier()
  }

  async reclaim(carrier: number): Promise<void> {
    const { parts } = this
    for (const hurry of this.reapers) hurry()
    parts.volume.cutPins(parts.clock.monotonic() - pinMsMax)
    const needsNext = [...this.holdListeners].some((ask) => ask(carrier) === 'the next cp')
    await parts.turn(parts.hasSpent() || needsNext)
  }

  mayRelease(floor: SpaceFloor, blocks: number, carrier: number): boolean {
    // The reaper asks from the last floor, and cannot wait for itself.
    if (floor !== 'reclaim' && [...this.reapers].some((hurry) => hurry())) return true
    if (this.parts.pending() < blocks) return false
    if (this.parts.volume.readers.count > 0) return true
    return [...this.holdListeners].some((ask) => ask(carrier) !== 'nothing')
  }

  holders(): readonly Holder[] {
    const { volume } = this.parts
    const current = volume.current().root.cp
    return volume.superblock.members.flatMap(({ uuid, url }) => {
      const mirror = formatUuid(uuid)
      const cps = volume.holdsOf(mirror).flatMap(({ root }) => (root.cp < current ? root.cp : []))
      return cps.length > 0 ? { mirror, url, cps } : []
    })
  }

  failed(error: unknown): void {
    this.parts.failed(error)
  }
}
