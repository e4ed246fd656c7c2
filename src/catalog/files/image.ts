/**
 * Reads the items of one published root straight from the blocks, without the engine: the thread of the catalog has
 * neither the nodes in memory nor a say in what is kept.
 *
 * - Every block is compared with the checksum in its parent (I11). A root that is no longer kept while it is read
 *   gives `corrupt`, never wrong rows.
 * - Nothing is written (I1).
 */
import { equalBytes, toHex } from '../../lib/bytes.ts'
import { sha256 } from '../../lib/checksum.ts'
import { StillpointError } from '../../lib/errors.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { NodePointer, RecordSums } from '../../format/pointer.ts'
import { epochOfCp } from '../../format/position.ts'
import type { TreeRoot } from '../../format/disk/root.ts'
import { type EntryExtra, decodeEntryExtra } from '../../format/items/entry-extra.ts'
import type { EntryItem } from '../../format/items/items.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import { decodeRecord } from '../../cp-engine/records/records.ts'
import {
  type DifferenceSteps,
  type WalkedRange,
  walkDifference,
} from '../../cp-engine/tree/tree-difference.ts'

/** Orders operations: epoch, opening, sequence. */
export type Moment = readonly [epoch: number, opening: number, sequence: number]

/** The facts of a root that its files are read by: plain data, which a thread can be handed. */
export interface ImageRoot {
  readonly cp: number
  /** Lower-case hexadecimal: names the root, since after a failover two roots may have the same cp. */
  readonly hash: string
  readonly blockCount: number
  readonly fileTree: TreeRoot
  readonly sums: RecordSums
  readonly committedMs: number
  /** The last operation that the root contains. */
  readonly moment: Moment
}

export const imageOf = ({ root, hash }: PublishedRoot): ImageRoot => ({
  cp: root.cp,
  hash: toHex(hash),
  blockCount: root.blockCount,
  fileTree: root.fileTree,
  sums: root.sums,
  committedMs: root.committedAtMs,
  moment: [epochOfCp(root.cp), root.opening, root.sequence],
})

/** Blocks of the volume, for reading only. */
export type Blocks = Pick<BlockDevice, 'readSync' | 'blockCount'>

const noSuchBlock = (address: number): StillpointError =>
  new StillpointError('corrupt', `block ${address} does not match its checksum`, { address })

export class ImageReader {
  constructor(
    private readonly blocks: Blocks,
    private readonly sums: RecordSums,
    /** Called between two nodes. A throw ends the walk. */
    private readonly pause: () => Promise<void>,
  ) {}

  /** Visits the items of `target` in the range that `base` has not, or has with another value, in key order. */
  walk(
    target: ImageRoot,
    base: ImageRoot | null,
    range: WalkedRange,
    visit: DifferenceSteps['visit'],
  ): Promise<void> {
    const steps: DifferenceSteps = {
      obtain: (pointers) => Promise.resolve(pointers.map((pointer) => this.node(pointer))),
      readBase: (pointer) => Promise.resolve(this.node(pointer)),
      visit,
      pause: this.pause,
    }
    return walkDifference(target.fileTree, base?.fileTree ?? null, steps, range)
  }

  extraOf({ extra }: EntryItem): EntryExtra {
    if (extra.inline) return extra.inline
    const { record } = extra
    return decodeEntryExtra(decodeRecord(this.read(record.address, record.blocks), record, this.sums))
  }

  private node({ address, sum }: NodePointer): Uint8Array {
    const bytes = this.read(address, 1)
    if (!equalBytes(sha256(bytes), sum)) throw noSuchBlock(address)
    return bytes
  }

  private read(address: number, blocks: number): Uint8Array {
    if (address + blocks > this.blocks.blockCount) throw noSuchBlock(address)
    const bytes = new Uint8Array(blocks * blockBytes)
    this.blocks.readSync(address, bytes)
    return bytes
  }
}
