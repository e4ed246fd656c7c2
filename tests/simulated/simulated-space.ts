/**
 * The room of a disk that several openings of one file share: which of its blocks have space of their own. What a crash
 * does to the bytes of a block changes nothing here.
 */
import { BlockSet } from '../../src/replica/link/block-set.ts'

export class SimulatedSpace {
  private readonly taken = new BlockSet()
  /** A host without holes: nothing is promised beforehand, nothing comes back. */
  readonly isPlain: boolean

  constructor(
    public blocksMax: number,
    { isPlain = false } = {},
  ) {
    this.isPlain = isPlain
  }

  get used(): number {
    return this.taken.size
  }
  get free(): number {
    return Math.max(0, this.blocksMax - this.taken.size)
  }

  has(address: number): boolean {
    return this.taken.has(address)
  }

  /** What an image that is opened with a fresh disk has written. */
  adopt(addresses: readonly number[]): void {
    if (this.used === 0) for (const address of addresses) this.taken.add(address, 1)
  }

  /** False when there was no room for all of them: the first ones have it. */
  take(address: number, blocks: number): boolean {
    for (let block = address; block < address + blocks; block++) {
      if (this.taken.has(block)) continue
      if (this.free === 0) return false
      this.taken.add(block, 1)
    }
    return true
  }

  giveBack(address: number, blocks: number): void {
    this.taken.delete(address, blocks)
  }
}
