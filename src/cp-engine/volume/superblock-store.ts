/**
 * Two slots, each stored twice (docs/crash-safety.md).
 *
 * 1. Every write goes to the slot that is not the newest, one at a time: copy 1, sync, copy 2, sync. So at every moment
 *    at most one copy of one slot is being written, and two unreadable copies of one slot are never a crash.
 * 2. What a slot names is complete before the first copy is written: the caller has synced it.
 * 3. After a failed sync the page cache can hold what the disk does not. So open reads past it, and rewrites and syncs
 *    the slot that it chose before anything relies on it. A copy is rewritten only while the other one is good.
 * 4. After a failed write nothing is written any more: which bytes the device has is not known.
 * 5. Going back marks the older root in the lost slot first; an open in between finds the mark and finishes.
 * 6. Opening has two steps: `read` looks at all four copies and writes nothing, `settle` repairs and finishes. So a volume
 *    that must not be opened, of a later program above all, is refused as it was found; and one copy of a later program is
 *    enough for that, whatever the others are.
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
import { Turn } from '../../lib/turns.ts'

export type SuperblockChange = Partial<Omit<Superblock, 'generation' | 'geometry' | 'sideUuid'>> & {
  readonly geometry?: Superblock['geometry']
}

/** Called when a slot has a new content, before anything else is written. */
type OnSlot = (slot: number, superblock: Superblock) => void

export interface OpenOptions {
  /** Nothing can be written: a torn copy and an unfinished going back stay as they are, and nothing is promised. */
  readonly readOnly?: boolean
  /** The operator accepts that a slot that cannot be read is lost, with whatever only it named. */
  readonly acceptLoss?: boolean
  /** What a going back changes in the superblock besides the root: a primary raises its epoch. */
  readonly goBack?: (remaining: Superblock) => SuperblockChange
}

/** The copies of a slot; null: unreadable. */
type Found = readonly (Superblock | null)[]

export class SuperblockStore {
  private readonly writing = new Turn()
  private isBroken = false

  private constructor(
    private readonly device: BlockDevice,
    private readonly slots: Superblock[],
    /** What was read of each slot, until it is settled. */
    private found: readonly Found[] | null,
    /** This open goes back to the CP before, or finishes what an earlier open had begun. */
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

  /** Reads and chooses. `corrupt` names the slot that cannot be read; `newer-format` also for what may only be read. */
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

  /** Once, before anything relies on what was read: makes the chosen slot safe, and both of them whole. */
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
   * Durable when resolved. Changes are applied to what is newest when the write begins, so that two callers never undo
   * each other; `change` may be a function for the same reason.
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

  /** Bad or older copies first; then, of the chosen slot, the one that was good: never both at once. */
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

/** What an open goes back to when nothing of one slot can be read: the root of the other one, marked, in both. */
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
    // The lost slot may have had the next generation, so the mark goes above it.
    generation: remaining.generation + 2,
    goingBack: true,
  }
  return lost === 0 ? [marked, remaining] : [remaining, marked]
}

/** An open writes: what only reads is `check`. */
function assertMayWrite({ features, root }: Superblock): void {
  assertWritable('superblock', features)
  if (root) assertWritable('root node', decodeRoot(root.bytes).features)
}

/** A mirror that has received nothing has none. */
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
 * A process that ended between a copy and its sync leaves one that the disk gives and can still lose. It has to be safe
 * before the other copy is written.
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

/** As the disk has it: the page cache may show what a failed sync has dropped. Null: unreadable. */
export async function readCopy(device: BlockDevice, slot: number, copy: number): Promise<Superblock | null> {
  const address = superblockAddress(slot, copy)
  if (address + superblockCopyBlocks > device.blockCount) return null
  const bytes = new Uint8Array(superblockCopyBlocks * blockBytes)
  await device.read(address, bytes, { uncached: true })
  return decodeSuperblock(bytes, slot)
}
