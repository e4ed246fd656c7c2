/**
 * Blocks that the open CP has given out and given up so far. Born and freed are the net difference to the CP before.
 * A block that was born and freed in one CP is in neither list, and goes back to the allocator
 * - at once, when no bytes of the block ever left this process;
 * - after the CP is published, when the block was sent: a mirror may still get those bytes for this address in this
 *   CP.
 */
import { bug } from '../../lib/assert.ts'
import type { Run } from './space-map.ts'

export class OpenCp {
  private readonly bornRuns = new Map<number, number>()
  private readonly freedRuns = new Map<number, number>()
  private readonly sentAndFreed: Run[] = []
  /** Number of blocks born, less blocks freed. */
  growth = 0
  isDirty = false

  constructor(readonly cp: number) {}

  born({ address, blocks }: Run): void {
    // Every node that an operation copies passes here, so the text of the error is made only when it is needed.
    if (this.bornRuns.has(address)) bug(`block ${address} is born once`)
    this.bornRuns.set(address, blocks)
    this.growth += blocks
  }

  /**
   * Takes a run out of the born runs. True when this CP gave the run out; the caller then looks whether the run was
   * sent.
   */
  unbear({ address, blocks }: Run): boolean {
    const given = this.bornRuns.get(address)
    if (given === undefined) return false
    if (given !== blocks) bug(`the run at ${address} is freed whole`)
    this.bornRuns.delete(address)
    this.growth -= blocks
    return true
  }

  free({ address, blocks }: Run): void {
    if (this.freedRuns.has(address)) bug(`block ${address} is freed once`)
    this.freedRuns.set(address, blocks)
    this.growth -= blocks
  }

  /** Keeps a run that becomes writable only when this CP is published. */
  spend(run: Run): void {
    this.sentAndFreed.push(run)
  }

  get spent(): readonly Run[] {
    return this.sentAndFreed
  }
  *bornBlocks(): Generator<Run> {
    for (const [address, blocks] of this.bornRuns) yield { address, blocks }
  }
  *freedBlocks(): Generator<Run> {
    for (const [address, blocks] of this.freedRuns) yield { address, blocks }
  }
}
