/** Synchronous looks at a tree of which not every node is in memory. */
import { StillpointError } from '../../lib/errors.ts'
import { type BreakClock, Breaks } from '../../lib/breaks.ts'
import { NotLoaded } from './node-cache.ts'
import type { LoadAllowance, NodeLoader } from './node-loader.ts'

/** Runs one look at a tree: the answer is the result of the look, or the node that was missing. */
export function lookOnce<T>(at: () => T): T | NotLoaded {
  try {
    return at()
  } catch (error) {
    if (error instanceof NotLoaded) return error
    throw error
  }
}

/** Nodes that one run may load by itself: enough that a run rarely begins again, and no other caller waits long. */
const loadsAtOnceMax = 64
const loadingMsMax = 5
/** Number of stops beyond which a look counts as one that needs many nodes: from then on its nodes are kept. */
const stopsMax = 4
/** Limit for the nodes that are kept for one look. */
const keptMax = 2 ** 16

/**
 * One look that begins again from its start until no node is missing, so that its last run sees one instant. Other
 * callers have their turn between two runs, and the nodes that they load may push out the nodes of this look. So a
 * look that needs many nodes waits for its turn to keep all of them until the look ends; one look at a time has this
 * turn.
 */
export class Looking implements LoadAllowance {
  private stops = 0
  private breaks: Breaks | null = null
  private letGo: (() => void) | null = null
  /** Nodes that have been loaded since the look began, or since its nodes are kept. */
  private kept = 0
  /** Nodes that the present run has loaded by itself. */
  private loads = 0
  private beganMs = 0

  constructor(
    private readonly loader: NodeLoader,
    private readonly clock: BreakClock,
  ) {}

  once<T>(at: () => T): T | NotLoaded {
    this.loads = 0
    return this.loader.during(this, () => lookOnce(at))
  }

  mayLoad(): boolean {
    if (this.loads === 0) this.beganMs = this.clock.monotonic()
    const isInTime = this.clock.monotonic() - this.beganMs < loadingMsMax
    if (!isInTime || this.loads >= loadsAtOnceMax) return false
    this.loads++
    this.kept++
    return true
  }

  /**
   * Loads the missing node before the next run. Throws `too-large` when the look needs more of the tree than memory
   * can hold at once.
   */
  async load(missing: NotLoaded): Promise<void> {
    if (++this.stops > stopsMax && !this.letGo) {
      this.letGo = await this.loader.keep()
      this.kept = 0
    }
    if (this.letGo && ++this.kept > keptMax)
      throw new StillpointError('too-large', `more than ${keptMax} nodes of the tree are needed at once`)
    this.loader.load(missing)
    this.breaks ??= new Breaks(this.clock)
    await this.breaks.maybe()
  }

  /**
   * Lets the kept nodes go. Every look calls this in the end: when the look has seen all, and also when the look
   * waits for something else than nodes.
   */
  end(): void {
    this.letGo?.()
    this.letGo = null
    this.stops = 0
  }
}

/** Runs a look until no node is missing. */
export async function lookWith<T>(looking: Looking, at: () => T): Promise<T> {
  try {
    for (;;) {
      const seen = looking.once(at)
      if (!(seen instanceof NotLoaded)) return seen
      await looking.load(seen)
    }
  } finally {
    looking.end()
  }
}
