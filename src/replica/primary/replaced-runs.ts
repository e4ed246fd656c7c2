/**
 * Remembers which runs of blocks each recent run replaced, according to the write commands. So the primary can find
 * the old bytes that a mirror still has under another address, also when the mirror has missed some consistency
 * points.
 *
 * Nothing relies on this memory: a wrong answer makes a patch long, not wrong. So everything is limited, and the
 * oldest entries are forgotten. A published root of a mirror never goes back, so runs older than a run that the
 * mirror has are not kept.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import type { HeldBlocks, WriteCommand } from '../../cp-engine/contract.ts'
import { blockBytes } from '../../format/geometry.ts'
import { Oldest } from '../../lib/oldest.ts'

const replacedRunsMax = 32_768
/**
 * Limit for one run. Above the limit ancestors in the middle go: the useful ones are the newest, and the ones that
 * the mirror has.
 */
const ancestorsMax = 16

interface Replaced {
  readonly blocks: number
  /** Newest first. */
  readonly ancestors: readonly BlockRun[]
}

export class ReplacedRuns {
  private readonly byAddress = new Map<number, Replaced>()
  private readonly oldest = new Oldest(this.byAddress)

  constructor(private readonly runsMax = replacedRunsMax) {}

  /** `held` has the blocks that the mirror is known to have; null when the primary knows of none. */
  note(commands: readonly WriteCommand[], held: HeldBlocks | null): void {
    for (const { address, bytes, replaces } of commands) {
      const ancestors = replaces ? this.ancestorsFrom(replaces, held) : null
      // The run had another content before, and is the youngest entry now.
      this.byAddress.delete(address)
      if (!ancestors) continue
      this.byAddress.set(address, { blocks: bytes.length / blockBytes, ancestors })
      if (this.byAddress.size > this.runsMax) this.byAddress.delete(this.oldest.next())
    }
  }

  /** The newest held run that the given run came from. */
  find({ address, blocks }: BlockRun, held: HeldBlocks): BlockRun | null {
    const entry = this.byAddress.get(address)
    if (entry?.blocks !== blocks) return null
    return entry.ancestors.find((run) => held.has(run)) ?? null
  }

  /** Cuts the run into pieces, so that each part that has replaced another run is a piece of its own. */
  *cut({ address, blocks }: BlockRun): Generator<BlockRun> {
    const end = address + blocks
    let from = address
    let at = address
    while (at < end) {
      const entry = this.byAddress.get(at)
      if (!entry || at + entry.blocks > end) {
        at++
        continue
      }
      if (at > from) yield { address: from, blocks: at - from }
      yield { address: at, blocks: entry.blocks }
      at += entry.blocks
      from = at
    }
    if (end > from) yield { address: from, blocks: end - from }
  }

  private ancestorsFrom(run: BlockRun, held: HeldBlocks | null): readonly BlockRun[] {
    if (held?.has(run)) return [run]
    const before = this.byAddress.get(run.address)
    if (before?.blocks !== run.blocks) return [run]
    const first = held ? before.ancestors.findIndex((each) => held.has(each)) : -1
    const ancestors = [run, ...(first < 0 ? before.ancestors : before.ancestors.slice(0, first + 1))]
    if (ancestors.length > ancestorsMax) ancestors.splice(ancestorsMax / 2, 1)
    return ancestors
  }
}
