/**
 * What this process has written since the last consistency point, with the checksum that it was found to have.
 *
 * - An entry holds for as long as nothing was written to any of its blocks since.
 * - It is a shortcut, never a duty: what is not remembered is read back. So the number of blocks is limited, and
 *   whatever becomes doubtful is forgotten.
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

  /** The write has been taken over. `sum` is null when it is not known: then it is only known that it changed. */
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

  /** True when something of a later cp was written there: what comes now is a straggler. */
  isNewer(address: number, blocks: number, cp: number): boolean {
    for (let i = 0; i < blocks; i++) if ((this.byBlock.get(address + i)?.cp ?? 0) > cp) return true
    return false
  }

  /** Entries up to this cp: published, or of no use any more. */
  forgetUpTo(cp: number): void {
    for (const [block, entry] of this.byBlock) if (entry.cp <= cp) this.byBlock.delete(block)
  }

  forgetAll(): void {
    this.byBlock.clear()
  }
}
