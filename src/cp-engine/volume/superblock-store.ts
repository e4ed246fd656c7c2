/**
 * The store of superblocks: two slots, each stored twice (docs/crash-safety.md).
 *
 * 1. Every write goes to the slot that is not the newest, one write at a time: copy 1, sync, copy 2, sync. So at
 *    every moment at most one copy of one slot is being written, and two unreadable copies of one slot are never the
 *    result of a crash.
 * 2. Everything that a slot names is complete before the first copy is written: the caller has synced it.
 * 3. After a failed sync the page cache can hold bytes that the disk does not have. So an open reads past the page
 *    cache, and rewrites and syncs the chosen slot before anything relies on the slot. A copy is rewritten only while
 *    the other is good.
 * 4. After a failed write the store writes nothing any more: the bytes on the device are not known.
 * 5. Going back first marks the older root in the lost slot; an open in between finds the mark and finishes the going
 *    back.
 * 6. Opening has two steps: `read` looks at all four copies and writes nothing, `settle` repairs and finishes. So a
 *    volume that must not be opened, above all a volume of a later program, is refused and left unchanged. One copy
 *    of a later program is enough for a refusal, whatever the other copies are.
 */
import { assert } from '../../lib/assert.ts'
import { equalBytes } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import { DeviceError } from '../../blockdev/block-device.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import {
  blockBytes,
  superblockAddress,
  superblockCopies,
  superblockCopyBlocks,
  superblockSlots,
} from '../../format/geometry.ts'
import { assertWritable } from '../../format/features.ts'
import { decodeRoot } from '../../format/disk/root.ts'
import { decodeSuperblock, encodeSuperblock } from '../../format/disk/superblock.ts'
import type { Superblock } from '../../format/disk/superblock.ts'
import { Turn } from '../../lib/gates/turns.ts'

export type SuperblockChange = Partial<Omit<Superblock, 'generation' | 'geometry' | 'sideUuid'>> & {
  readonly geometry?: Superblock['geometry']
}

/** Called when a slot has a new content, before any other write. */
type OnSlot = (slot: number, superblock: Superblock) => void

export interface OpenOptions {
  /** True when nothing can be written: torn copies and an unfinished going back stay, and nothing is promised. */
  readonly readOnly?: boolean
  /** True when the operator accepts that an unreadable slot is lost, with everything that only this slot named. */
  readonly acceptLoss?: boolean
  /** Makes the change of a going back in the superblock besides the root: a primary raises its epoch. */
  readonly goBack?: (remaining: Superblock) => SuperblockChange
}

/** The copies of a slot; null stands for an unreadable copy. */
type Found = readonly (Superblock | null)[]

export class SuperblockStore {
  private readonly writing = new Turn()
  private isBroken = false

  private constructor(
    private readonly device: BlockDevice,
    private readonly slots: Superblock[],
    /** Copies of each slot as they were read; null once the store is settled. */
    private found: readonly Found[] | null,
    /** True when this open goes back to the CP before, or finishes a going back that an earlier open had begun. */
    readonly goesBack: boolean,
  ) {}

  /** Fills all four copies of a new device; the caller makes the file appear only after this. */
  static async create(device: BlockDevice, first: Superblock): Promise<void> {
    for (let slot = 0; slot < superblockSlots; slot++)
      for (let copy = 0; copy < superblockCopies; copy++)
        await writeCopy(device, { ...first, generation: first.generation + slot }, slot, copy)
  }

  static async open(device: BlockDevice, options: OpenOptions = {}): Promise<SuperblockStore> {
    const store = await SuperblockStore.read(device, options)
    await store.settle()
    return store
  }

  /**
   * Reads all copies and chooses. Throws `corrupt` with the slot that cannot be read, and `newer-format` also for a
   * volume that this program may only read.
   */
  static async read(device: BlockDevice, options: OpenOptions = {}): Promise<SuperblockStore> {
    const found: Found[] = []
    for (let slot = 0; slot < superblockSlots; slot++) {
      const copies = []
      for (let copy = 0; copy < superblockCopies; copy++) copies.push(await readCopy(device, slot, copy))
      found.push(copies)
    }
    if (!options.readOnly) for (const copy of found.flat()) if (copy) assertMayWrite(copy)
    const best = found.map(([first, second]) => newestOf(first!, second!))
    const lost = best.indexOf(null)
    const slots = lost === -1 ? (best as Superblock[]) : withoutLost(lost, best[1 - lost] ?? null, options)
    const { goingBack } = slots[0]!.generation > slots[1]!.generation ? slots[0]! : slots[1]!
    return new SuperblockStore(device, slots, found, goingBack)
  }

  /** Makes the chosen slot safe and both slots whole; called once, before anything relies on the slots. */
  async settle(): Promise<void> {
    const { found } = this
    assert(found, 'superblocks are settled once')
    this.found = null
    await keepWhatWasRead(this.device)
    const lost = found.findIndex((copies) => copies.every((copy) => copy === null))
    const chosen = this.newestSlot()
    if (lost !== -1) await writeSlot(this.device, this.slots[lost]!, lost)
    else for (const slot of [chosen, 1 - chosen]) await this.repair(slot, found[slot]!, slot === chosen)
    if (this.newest.goingBack) await this.write({ goingBack: false })
  }

  get newest(): Superblock {
    return this.slots[this.newestSlot()]!
  }
  get older(): Superblock {
    return this.slots[1 - this.newestSlot()]!
  }
  newestSlot(): number {
    return this.slots[0]!.generation > this.slots[1]!.generation ? 0 : 1
  }
  slot(index: number): Superblock {
    return this.slots[index]!
  }

  /**
   * Writes a superblock; durable when resolved. The change is applied to the superblock that is newest when the write
   * begins, so that two callers never undo each other; `change` may be a function for the same reason.
   */
  async write(
    change: SuperblockChange | ((newest: Superblock) => SuperblockChange),
    onSlot?: OnSlot,
  ): Promise<void> {
    await this.writing.within(async () => {
      assert(!this.found, 'nothing is written before the superblocks are settled')
      if (this.isBroken) throw new DeviceError('an earlier write of a superblock failed')
      const target = 1 - this.newestSlot()
      const base = this.newest
      const next: Superblock = {
        ...base,
        ...(typeof change === 'function' ? change(base) : change),
        generation: base.generation + 1,
      }
      this.isBroken = true
      await writeSlot(this.device, next, target)
      this.isBroken = false
      this.slots[target] = next
      onSlot?.(target, next)
    })
  }

  /** Rewrites bad or older copies first, and then the good copies of the chosen slot: never all copies at once. */
  private async repair(slot: number, copies: Found, chosen: boolean): Promise<void> {
    const best = this.slots[slot]!
    const isGood = copies.map((copy) => copy !== null && copy.generation === best.generation)
    for (let copy = 0; copy < superblockCopies; copy++)
      if (!isGood[copy]) await writeCopy(this.device, best, slot, copy)
    if (chosen)
      for (let copy = 0; copy < superblockCopies; copy++)
        if (isGood[copy]) await writeCopy(this.device, best, slot, copy)
  }
}

/** Slots after the loss of one: both name the remaining slot's root, and the lost slot has the mark. */
function withoutLost(lost: number, remaining: Superblock | null, options: OpenOptions): Superblock[] {
  const what = remaining
    ? `both copies of superblock slot ${lost} cannot be read; the other slot names cp ${cpOf(remaining)}, and a newer one may be lost`
    : 'no superblock can be read: this is not a volume of Stillpoint, or all four copies are damaged'
  if (!remaining || !options.acceptLoss || options.readOnly)
    throw new StillpointError('corrupt', what, {
      slot: lost,
      ...(remaining
        ? { remaining: cpOf(remaining), waysOut: ['restore from a mirror', '--accept-loss=superblock'] }
        : {}),
    })
  const cp = cpOf(remaining)
  const marked: Superblock = {
    ...remaining,
    ...options.goBack?.(remaining),
    holds: remaining.holds.filter((hold) => hold.cp <= cp),
    // The lost slot may have had the next generation, so the mark goes above that.
    generation: remaining.generation + 2,
    goingBack: true,
  }
  return lost === 0 ? [marked, remaining] : [remaining, marked]
}

/** An open writes, so a volume that may only be read is refused; only `check` reads such a volume. */
function assertMayWrite({ features, root }: Superblock): void {
  assertWritable('superblock', features)
  if (root) assertWritable('root node', decodeRoot(root.bytes).features)
}

/** The cp that a superblock names; 0 for a mirror that has received nothing. */
const cpOf = ({ root }: Superblock): number => (root ? decodeRoot(root.bytes).cp : 0)

function newestOf(a: Superblock | null, b: Superblock | null): Superblock | null {
  if (!a || !b) return a ?? b
  if (a.generation === b.generation)
    assert(
      equalBytes(encodeSuperblock(a, 0), encodeSuperblock(b, 0)),
      'two copies of one generation are equal',
    )
  return a.generation >= b.generation ? a : b
}

/**
 * A process that ended between a copy and its sync leaves a copy that the device shows and can still lose. This copy
 * has to be safe before the other copy is written.
 */
const keepWhatWasRead = (device: BlockDevice): Promise<void> => device.sync()

async function writeSlot(device: BlockDevice, superblock: Superblock, slot: number): Promise<void> {
  const bytes = encodeSuperblock(superblock, slot)
  for (let copy = 0; copy < superblockCopies; copy++) await writeBytes(device, bytes, slot, copy)
}

function writeCopy(device: BlockDevice, superblock: Superblock, slot: number, copy: number): Promise<void> {
  return writeBytes(device, encodeSuperblock(superblock, slot), slot, copy)
}

async function writeBytes(device: BlockDevice, bytes: Uint8Array, slot: number, copy: number): Promise<void> {
  await device.write([{ address: superblockAddress(slot, copy), bytes }])
  await device.sync()
}

/**
 * Reads a copy from the disk itself, since the page cache may show bytes that a failed sync has dropped. Null means
 * that the copy is unreadable.
 */
export async function readCopy(device: BlockDevice, slot: number, copy: number): Promise<Superblock | null> {
  const address = superblockAddress(slot, copy)
  if (address + superblockCopyBlocks > device.blockCount) return null
  const bytes = new Uint8Array(superblockCopyBlocks * blockBytes)
  await device.read(address, bytes, { uncached: true })
  return decodeSuperblock(bytes, slot)
}
