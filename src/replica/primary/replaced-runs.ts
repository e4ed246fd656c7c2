/**
 * Which runs of blocks each run of late took the place of, as write commands said. So what a mirror still has under
 * another address is found again, also when it has missed some consistency points.
 *
 * Nothing relies on it: a wrong answer makes a patch long, not wrong. So everything is limited, and the oldest is
 * forgotten. A published root of a mirror never goes back: what came before a run that it has is not kept.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import type { HeldBlocks, WriteCommand } from '../../cp-engine/contract.ts'
import { blockBytes } from '../../format/geometry.ts'
import { Oldest } from '../../lib/oldest.ts'

const replacedRunsMax = 32_768
/** Of one run. Then those in the middle go: the newest and what the mirror has are looked for. */
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

  /** `held`: what the mirror has, as far as it is known. */
  note(commands: readonly WriteCommand[], held: HeldBlocks | null): void {
    for (const { address, bytes, replaces } of commands) {
      const ancestors = replaces ? this.ancestorsFrom(replaces, held) : null
      // It was something else before, and is the youngest now.
      this.byAddress.delete(address)
      if (!ancestors) continue
      this.byAddress.set(address, { blocks: bytes.length / blockBytes, ancestors })
      if (this.byAddress.size > this.runsMax) this.byAddress.delete(this.oldest.next())
    }
  }

  /** The newest run that this one came from and that is held. */
  find({ address, blocks }: BlockRun, held: HeldBlocks): BlockRun | null {
    const entry = this.byAddress.get(address)
    if (entry?.blocks !== blocks) return null
    return entry.ancestors.find((run) => held.has(run)) ?? null
  }

  /** The run in pieces, so that what has replaced something is a piece of its own. */
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
