/**
 * Reads blocks of a held root into the outbox: a difference in address order, or the blocks that a mirror wants. The
 * sender follows one order at a time, the newest one, and reads only as far ahead as the outbox allows.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { Bell } from '../../lib/gates/bell.ts'
import type { PrimaryVolume, PublishedRoot } from '../../cp-engine/contract.ts'
import { blockBytes } from '../../format/geometry.ts'
import { type BlockSource, nowhere } from '../../format/wire/messages.ts'
import type { OutgoingRun, Outbox } from './outbox.ts'
import { positionOf } from '../link/positions.ts'
import type { ReplacedRuns } from './replaced-runs.ts'

/** Most bytes that may wait in the outbox before the sender reads on. */
const aheadBytesMax = 8 * 2 ** 20
const frameBytes = 2 ** 20
const runsPerFrame = 256

interface SenderEvents {
  sentDifference(cp: number): void
  unavailable(cp: number, detail: string): void
  /** The outbox has something to send. */
  wake(): void
}

export class BlockSender {
  private order = 0
  private readonly taken = new Bell()

  constructor(
    private readonly primary: PrimaryVolume,
    private readonly outbox: Outbox,
    private readonly replaced: ReplacedRuns,
    private readonly events: SenderEvents,
  ) {}

  difference(target: PublishedRoot, base: PublishedRoot | null, from: number): void {
    // The root block travels in its offer.
    this.outbox.sentLive.add(target.root.cp, target.address, 1)
    const ranges = async () => {
      const rest = remaining(await this.primary.difference(target, base), from)
      return this.outbox.sentLive.without(rest, target.root.cp)
    }
    this.start(target, base, base ? 'difference' : 'first-copy', ranges)
  }

  wanted(target: PublishedRoot, base: PublishedRoot | null, wanted: readonly BlockRun[]): void {
    this.start(target, base, 'want', () => Promise.resolve(wanted))
  }

  stop(): void {
    this.order++
    this.roomChanged()
  }

  /** Called when the connection has taken a batch out of the outbox. */
  roomChanged(): void {
    this.taken.ring()
  }

  private start(
    target: PublishedRoot,
    base: PublishedRoot | null,
    source: BlockSource,
    ranges: () => Promise<Iterable<BlockRun>>,
  ): void {
    this.stop()
    const order = this.order
    const { cp } = target.root
    this.send(order, source, cp, base, ranges).catch((error: unknown) => {
      const detail = error instanceof Error ? error.message : String(error)
      if (order === this.order) this.events.unavailable(cp, detail)
    })
  }

  private async send(
    order: number,
    source: BlockSource,
    cp: number,
    base: PublishedRoot | null,
    ranges: () => Promise<Iterable<BlockRun>>,
  ): Promise<void> {
    const position = base ? positionOf(base) : nowhere
    let runs: OutgoingRun[] = []
    let bytes = 0
    const put = () => {
      this.outbox.runs(source, cp, position, runs)
      runs = []
      bytes = 0
      this.events.wake()
    }
    for (const { address, blocks } of await ranges()) {
      while (order === this.order && this.outbox.bytes > aheadBytesMax) await this.taken.next()
      if (order !== this.order) return
      const read = await this.primary.readBlocks(address, blocks)
      if (order !== this.order) return
      for (const piece of this.pieces(source, { address, blocks })) {
        const from = (piece.address - address) * blockBytes
        const part = read.subarray(from, from + piece.blocks * blockBytes)
        runs.push({ address: piece.address, bytes: part, claim: null })
      }
      bytes += blocks * blockBytes
      if (bytes >= frameBytes || runs.length >= runsPerFrame) put()
    }
    if (order !== this.order) return
    if (runs.length > 0) put()
    if (source !== 'want') this.events.sentDifference(cp)
  }

  /** A wanted run travels as the mirror asked for it; in other pieces the mirror would not recognise the run. */
  private pieces(source: BlockSource, run: BlockRun): Iterable<BlockRun> {
    return source === 'want' ? [run] : this.replaced.cut(run)
  }
}

function* remaining(ranges: Iterable<BlockRun>, from: number): Generator<BlockRun> {
  for (const range of ranges) if (range.address + range.blocks > from) yield range
}
