import type { Blocks } from './blocks.ts'
import { BlockSet } from './blockset.ts'
import { equal } from './bytes.ts'
import { Damage, want } from './damage.ts'
import type { BlockPointer, NodePointer } from './pointers.ts'
import { sha256 } from './sums.ts'

/** A stretch of blocks that no tree may use. */
export interface Stretch {
  readonly from: number
  readonly count: number
}

/** Reads address blocks of one volume, and notes which blocks were named. */
export class Nodes {
  /** The blocks that pointers have named since the set was put here. */
  reached = new BlockSet()
  private readonly blocks: Blocks
  private readonly taken: readonly Stretch[]
  private readonly blockCount: number

  constructor(blocks: Blocks, blockCount: number, ring: Stretch) {
    this.blocks = blocks
    this.blockCount = blockCount
    this.taken = [...[0, 256, 512, 768].map((from) => ({ from, count: 4 })), ring]
  }

  read(pointer: NodePointer, kind: string): Uint8Array {
    this.reach(pointer.address, 1, kind)
    let block: Uint8Array
    try {
      block = this.blocks.read(pointer.address, 1)
    } catch (error) {
      throw error instanceof Damage ? error : new Damage(kind, String(error), pointer.address)
    }
    want(equal(sha256(block), pointer.sum), kind, 'the SHA-256 is not that of the pointer', pointer.address)
    return block
  }

  reachRecord(pointer: BlockPointer): void {
    this.reach(pointer.address, pointer.blocks, 'record')
  }

  private reach(address: number, count: number, kind: string): void {
    const end = address + count
    want(address > 0 && end <= this.blockCount, kind, 'the address is not on the volume', address)
    for (const stretch of this.taken) {
      const isOutside = end <= stretch.from || address >= stretch.from + stretch.count
      want(isOutside, kind, 'the address is that of a superblock or the log', address)
    }
    for (let i = 0; i < count; i += 1) {
      want(this.reached.add(address + i), kind, 'the block is named twice', address + i)
    }
  }
}
