/**
 * Counts the bytes that the holds of a member keep besides the newest root. A caller that polls the list of mirrors
 * pays for the count once: the answer is remembered while neither the holds nor the newest root change.
 */
import { toHex } from '../../lib/bytes.ts'
import type { PrimaryVolume, RootSource } from '../../cp-engine/contract.ts'
import { blockBytes } from '../../format/geometry.ts'
import { BlockSet } from '../link/block-set.ts'

interface Known {
  readonly of: string
  readonly bytes: Promise<number>
}

export class HeldBytes {
  /** The key is the member; each member has one answer. */
  private readonly known = new Map<string, Known>()

  constructor(
    private readonly primary: PrimaryVolume,
    private readonly source: RootSource,
  ) {}

  async of(member: string): Promise<number> {
    const held = this.primary.holds.of(member)
    if (held.length === 0) {
      this.known.delete(member)
      return 0
    }
    const of = [this.source.current(), ...held].map(({ hash }) => toHex(hash)).join()
    let known = this.known.get(member)
    if (known?.of !== of) this.known.set(member, (known = { of, bytes: this.count(member) }))
    try {
      return await known.bytes
    } catch (error) {
      if (this.known.get(member) === known) this.known.delete(member)
      throw error
    }
  }

  forget(member: string): void {
    this.known.delete(member)
  }

  private async count(member: string): Promise<number> {
    const current = this.source.current()
    const others = this.primary.holds.of(member).filter(({ root }) => root.cp !== current.root.cp)
    // All differences are requested at once, while all roots are held.
    const differences = await Promise.all(others.map((root) => this.primary.difference(root, current)))
    const blocks = new BlockSet()
    for (const runs of differences) for (const run of runs) blocks.add(run.address, run.blocks)
    return blocks.size * blockBytes
  }
}
