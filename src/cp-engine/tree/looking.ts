/** Synchronous looks at a tree of which not every node is in memory. */
import { StillpointError } from '../../lib/errors.ts'
import { type BreakClock, Breaks } from '../../lib/breaks.ts'
import { NotLoaded } from './node-cache.ts'
import type { LoadAllowance, NodeLoader } from './node-loader.ts'

/** One look at a tree: what it gives, or the node that was missing. */
export function lookOnce<T>(at: () => T): T | NotLoaded {
  try {
    return at()
  } catch (error) {
    if (error instanceof NotLoaded) return error
    throw error
  }
}

/** What a look loads by itself: so much that it rarely has to begin again, so little that nobody waits for long. */
const loadsAtOnceMax = 64
const loadingMsMax = 5
/** What stops more often than this needs much: what it loads is kept from then on. */
const stopsMax = 4
/** So much can be kept for one. */
const keptMax = 2 ** 16

/**
 * One look that is made again from its start until nothing is missing, so that its last run saw one instant. Others have
 * their turn in between, and what they load may push out what this one has loaded. So one that needs much waits for its
 * turn to have all of it kept until it ends; there is one at a time.
 */
export class Looking implements LoadAllowance {
  private stops = 0
  private breaks: Breaks | null = null
  private letGo: (() => void) | null = null
  /** Of those that are kept. */
  private kept = 0
  /** Of the look that is under way. */
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

  /** Before the next look. `too-large` for one that needs more of the tree than can be in memory at once. */
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

  /** It has seen all, or waits for something else than nodes. Always called in the end. */
  end(): void {
    this.letGo?.()
    this.letGo = null
    this.stops = 0
  }
}

/** Runs a look until it has all that it needs. */
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
