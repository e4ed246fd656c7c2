/**
 * Remembers which blocks have left live in this session, by consistency point (CP). A difference leaves such blocks
 * out: a CP of which some commands found no room, or two CPs that became one target, need not travel twice. The set
 * is a guess of the mirror's content, and nothing relies on the guess: a mirror asks for a block that is missing
 * there.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { BlockSet } from '../link/block-set.ts'

export class SentBlocks {
  private readonly byCp = new Map<number, BlockSet>()

  add(cp: number, address: number, blocks: number): void {
    let set = this.byCp.get(cp)
    if (!set) this.byCp.set(cp, (set = new BlockSet()))
    set.add(address, blocks)
  }

  forgetUpTo(cp: number): void {
    for (const known of this.byCp.keys()) if (known <= cp) this.byCp.delete(known)
  }

  forgetAll(): void {
    this.byCp.clear()
  }

  /** The parts of the ranges that have not been sent with a CP up to `cpMax`. */
  *without(ranges: Iterable<BlockRun>, cpMax: number): Generator<BlockRun> {
    const sets = [...this.byCp].flatMap(([cp, set]) => (cp <= cpMax ? [set] : []))
    for (const { address, blocks } of ranges) {
      let from = address
      for (let block = address; block < address + blocks; block++) {
        if (!sets.some((set) => set.has(block))) continue
        if (block > from) yield { address: from, blocks: block - from }
        from = block + 1
      }
      if (address + blocks > from) yield { address: from, blocks: address + blocks - from }
    }
  }
}
