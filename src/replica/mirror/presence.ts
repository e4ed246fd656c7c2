/**
 * Remembers the runs that this process has written since the last consistency point, with the checksum of each run.
 *
 * - An entry holds as long as nothing else was written to any of its blocks.
 * - The memory is a shortcut, never a duty: a block without an entry is read back. So the number of blocks is
 *   limited, and every doubtful entry is forgotten.
 */
import { equalBytes } from '../../lib/bytes.ts'

interface Entry {
  readonly address: number
  readonly blocks: number
  readonly cp: number
  readonly sum: Uint8Array
}

const presentBlocksMax = 2 ** 20

export class Presence {
  private readonly byBlock = new Map<number, Entry>()

  constructor(private readonly blocksMax = presentBlocksMax) {}

  get size(): number {
    return this.byBlock.size
  }

  /**
   * Notes a write that the device's queue has taken. `sum` is null when the checksum is unknown: then the blocks only
   * count as changed.
   */
  wrote(address: number, blocks: number, cp: number, sum: Uint8Array | null): void {
    const entry = sum && this.byBlock.size + blocks <= this.blocksMax ? { address, blocks, cp, sum } : null
    for (let block = address; block < address + blocks; block++) {
      if (entry) this.byBlock.set(block, entry)
      else this.byBlock.delete(block)
    }
  }

  has(address: number, blocks: number, sum: Uint8Array): boolean {
    const entry = this.byBlock.get(address)
    if (!entry || entry.address !== address || entry.blocks !== blocks || !equalBytes(entry.sum, sum))
      return false
    for (let i = 1; i < blocks; i++) if (this.byBlock.get(address + i) !== entry) return false
    return true
  }

  /** True when blocks of a later CP were written there: the present run is a straggler. */
  isNewer(address: number, blocks: number, cp: number): boolean {
    for (let i = 0; i < blocks; i++) if ((this.byBlock.get(address + i)?.cp ?? 0) > cp) return true
    return false
  }

  /** Forgets entries up to this CP: the CP is published, or the entries are of no use any more. */
  forgetUpTo(cp: number): void {
    for (const [block, entry] of this.byBlock) if (entry.cp <= cp) this.byBlock.delete(block)
  }

  forgetAll(): void {
    this.byBlock.clear()
  }
}
