/**
 * Which blocks have left live in this session, by consistency point. A difference leaves them out: a CP of which some
 * commands found no room, or two CPs that became one target, need not travel twice. It is a guess of what the mirror has,
 * and nothing relies on it: what is missing there is wanted.
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

  /** What of the ranges has not been sent with a CP up to this one. */
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
