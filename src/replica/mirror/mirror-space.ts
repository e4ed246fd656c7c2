/**
 * Manages the space of a mirror's block file, which is sparse: blocks get space of their own before they are written,
 * and unneeded blocks give their space back when the disk is short.
 *
 * - A block is given back only when no kept root uses the block (slots, pins, readers that still drain), when the
 *   block is neither verified nor waits to be written, and when the block was not received for the target or for a
 *   later CP. Superblocks and the log are never given back. The check and the punch are one step.
 * - Nothing refers to a punched block, so a crash at any moment costs nothing.
 * - Where the host cannot give back or allocate, a write shows whether there is room.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { hasCode } from '../../lib/errors.ts'
import type { BreakClock } from '../../lib/breaks.ts'
import type { SpaceMap } from '../../cp-engine/space/space-map.ts'
import type { Volume } from '../../cp-engine/volume/volume.ts'
import { blockBytes, fixedRuns } from '../../format/geometry.ts'
import { mapPageBitsBytes } from '../../format/disk/map-page.ts'
import { BlockSet, chunkBlocks } from '../link/block-set.ts'
import type { Presence } from './presence.ts'

interface MirrorSpaceParts {
  readonly volume: Volume
  readonly presence: Presence
  readonly clock: BreakClock
  /** Blocks that are verified for the target, or being verified. */
  claimed(): BlockSet | null
  /** True when a block of the run waits to be written, or is being written. */
  isPending(address: number, blocks: number): boolean
}

/** Limits of one step of giving back, so that other work has its turn. */
const stepRunsMax = 128
const stepBlocksMax = 16_384

export class MirrorSpace {
  /** Blocks known to have space, and blocks known to have none; of all other blocks nothing is known. */
  private readonly real = new BlockSet()
  private readonly holes = new BlockSet()
  /** Blocks received since the target was taken, by the CP that they are for. */
  private readonly received = new Map<number, BlockSet>()
  private readonly mask = new Uint8Array(chunkBlocks / 8)
  /** The next chunk to search, and the number of chunks searched in vain since the last release. */
  private cursor = 0
  private inVain = 0
  private canPunch = true
  private isPunchUnsynced = false
  private isTrimming = false
  private isStopped = false
  private target = { cp: 0, blocks: 0 }

  constructor(private readonly parts: MirrorSpaceParts) {
    parts.volume.retention.onRelease(() => (this.inVain = 0))
  }

  // --- Space that is needed ---

  /** Notes that blocks of this CP are about to be written. */
  receives(cp: number, run: BlockRun): void {
    let blocks = this.received.get(cp)
    if (!blocks) this.received.set(cp, (blocks = new BlockSet()))
    blocks.add(run.address, run.blocks)
  }

  /** Forgets blocks received for CPs before this one: such blocks are no longer kept for those CPs' sake. */
  forgetBefore(cp: number): void {
    for (const each of this.received.keys()) if (each < cp) this.received.delete(each)
    this.inVain = 0
  }

  /**
   * Makes sure that the blocks have space, and gives other blocks back where that is needed. Resolves to the number
   * of bytes that are lacking.
   */
  async provide(runs: readonly BlockRun[]): Promise<number> {
    let lacking = 0
    for (const run of runs) {
      const { address, blocks } = run
      if (this.real.hasAll(address, blocks)) continue
      if (lacking === 0 && (await this.allocate(run))) {
        this.real.add(address, blocks)
        this.holes.delete(address, blocks)
      } else lacking += blocks * blockBytes
    }
    return lacking
  }

  /**
   * The bytes that are lacking for a target with `blocks` blocks beside its base, some of which have been received.
   */
  async lackingFor(cp: number, blocks: number): Promise<number> {
    this.target = { cp, blocks }
    while (this.lacking() > 0 && (await this.giveSomeBack()));
    // Unneeded blocks keep their space here and can be written again; nobody knows how many such blocks there are.
    return this.canPunch ? this.lacking() : 0
  }

  /** The bytes that are lacking for the target of the last `lackingFor`. */
  lacking(): number {
    const { cp, blocks } = this.target
    // `received` also has blocks that were dropped for want of space, so only blocks with space count.
    const missing = blocks - (this.received.get(cp)?.countIn(this.real) ?? 0)
    return Math.max(0, missing - this.parts.volume.device.freeBlocks()) * blockBytes
  }

  /** From here on nothing more is given back. */
  stop(): void {
    this.isStopped = true
  }

  /** Gives space back in the background while less than one step of growth is free. */
  async trim(): Promise<void> {
    if (this.isTrimming) return
    this.isTrimming = true
    const { clock, volume } = this.parts
    while (volume.device.freeBlocks() < volume.geometry.growBlocks && this.punchSome()) await clock.yield()
    this.isTrimming = false
  }

  private async allocate(run: BlockRun): Promise<boolean> {
    const { device, geometry } = this.parts.volume
    const end = run.address + run.blocks
    const { growBlocks, blocksMax } = geometry
    for (;;) {
      try {
        if (end > device.blockCount)
          // The limit of the image's growth may have been raised since the last root.
          await device.extend(Math.max(end, Math.min(blocksMax, Math.ceil(end / growBlocks) * growBlocks)))
        await device.allocate(run)
        return true
      } catch (error) {
        if (!hasCode(error, 'disk-full')) throw error
      }
      if (await this.giveSomeBack()) continue
      this.undo(run)
      return false
    }
  }

  /** Gives back what a failed allocation may have got; nobody has written to these blocks. */
  private undo({ address, blocks }: BlockRun): void {
    for (let block = address; block < address + blocks; block++)
      if (!this.real.has(block) && block < this.parts.volume.device.blockCount && this.canPunch)
        this.punch({ address: block, blocks: 1 })
  }

  // --- Space that is given back ---

  /** False when there is nothing more to give back. */
  private async giveSomeBack(): Promise<boolean> {
    const { volume, clock } = this.parts
    await clock.yield()
    if (this.isStopped) return false
    if (this.punchSome()) return true
    // A file system may keep freed space until its journal has the change.
    if (this.isPunchUnsynced) {
      this.isPunchUnsynced = false
      await volume.device.sync()
      return true
    }
    // Blocks that only the older slot names come back when both slots name the newest root.
    if (!volume.keepsOlderRoot) return false
    await volume.writeSuperblock()
    return true
  }

  /** Makes one step; false when a whole round has found nothing. */
  private punchSome(): boolean {
    const { device } = this.parts.volume
    const chunks = Math.ceil(device.blockCount / chunkBlocks)
    let blocks = 0
    let runs = 0
    while (
      this.canPunch &&
      !this.isStopped &&
      this.inVain < chunks &&
      blocks < stepBlocksMax &&
      runs < stepRunsMax
    ) {
      if (this.cursor >= chunks) this.cursor = 0
      const before = runs
      for (const run of this.unneeded(this.cursor)) {
        if (!this.punch(run)) break
        blocks += run.blocks
        if (++runs === stepRunsMax) break
      }
      this.inVain = runs === before ? this.inVain + 1 : 0
      if (runs < stepRunsMax) this.cursor++
    }
    return runs > 0
  }

  private punch(run: BlockRun): boolean {
    const { volume, presence } = this.parts
    this.canPunch = volume.device.punch(run)
    if (!this.canPunch) return false
    const { address, blocks } = run
    this.real.delete(address, blocks)
    this.holes.add(address, blocks)
    presence.wrote(address, blocks, 0, null)
    this.isPunchUnsynced = true
    return true
  }

  /** Runs of a chunk that may have space and that nothing needs. */
  private *unneeded(chunk: number): Generator<BlockRun> {
    const { parts, mask } = this
    const { volume } = parts
    mask.fill(0)
    const first = chunk * chunkBlocks
    for (const map of volume.retention.usedMaps()) addUsed(mask, first, map)
    for (const set of [this.holes, parts.claimed(), ...this.received.values()]) set?.addTo(mask, chunk)
    for (const { address, blocks } of fixedRuns(volume.geometry))
      for (
        let block = Math.max(address, first);
        block < Math.min(address + blocks, first + chunkBlocks);
        block++
      )
        mask[(block - first) >>> 3]! |= 1 << (block & 7)
    const end = Math.min(chunkBlocks, volume.device.blockCount - first)
    const isNeeded = (at: number) => isSet(mask, at) || parts.isPending(first + at, 1)
    for (let at = 0; at < end;) {
      if (isNeeded(at)) {
        at++
        continue
      }
      const from = at
      while (at < end && !isNeeded(at)) at++
      yield { address: first + from, blocks: at - from }
    }
  }
}

const isSet = (mask: Uint8Array, bit: number): boolean => (mask[bit >>> 3]! & (1 << (bit & 7))) !== 0

function addUsed(mask: Uint8Array, first: number, { pages }: SpaceMap): void {
  for (let at = 0; at < mask.length;) {
    const byte = first / 8 + at
    const from = byte % mapPageBitsBytes
    const length = Math.min(mask.length - at, mapPageBitsBytes - from)
    const bits = pages[Math.floor(byte / mapPageBitsBytes)]?.bits
    if (bits) for (let i = 0; i < length; i++) mask[at + i]! |= bits[from + i]!
    at += length
  }
}
