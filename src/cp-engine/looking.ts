/** Synchronous looks at a tree of which not every node is in memory. */
import { StillpointError } from '../lib/errors.ts'
import { type BreakClock, Breaks } from '../lib/breaks.ts'
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
const loadsAtFirst = 64
const loadingMsAtFirst = 5
/** After so many stops it may load twice as much, for twice as long. */
const stopsOfOneKind = 16
const loadsMax = 2 ** 16

/**
 * One look that is made again from its start until nothing is missing, so that its last run saw one instant. Others have
 * their turn in between; what they load may push out what this one has loaded, so in the end it loads all by itself.
 */
export class Looking implements LoadAllowance {
  #stops = 0
  #breaks: Breaks | null = null
  /** Of the look that is under way. */
  #loads = 0
  #beganMs = 0

  constructor(
    private readonly loader: NodeLoader,
    private readonly clock: BreakClock,
  ) {}

  once<T>(at: () => T): T | NotLoaded {
    this.#loads = 0
    return this.loader.during(this, () => lookOnce(at))
  }

  mayLoad(): boolean {
    if (this.#loads === 0) this.#beganMs = this.clock.monotonic()
    const times = this.#times
    const isInTime = this.clock.monotonic() - this.#beganMs < loadingMsAtFirst * times
    return isInTime && this.#loads++ < loadsAtFirst * times
  }

  /** Before the next look. `too-large` for one that needs more of the tree than can be in memory at once. */
  async load(missing: NotLoaded): Promise<void> {
    if (loadsAtFirst * this.#times > loadsMax)
      throw new StillpointError('too-large', `more than ${loadsMax} nodes of the tree are needed at once`)
    this.#stops++
    this.loader.load(missing)
    this.#breaks ??= new Breaks(this.clock)
    await this.#breaks.maybe()
  }

  get #times(): number {
    return 2 ** Math.floor(this.#stops / stopsOfOneKind)
  }
}

/** Runs a look until it has all that it needs. */
export async function lookWith<T>(looking: Looking, at: () => T): Promise<T> {
  for (;;) {
    const seen = looking.once(at)
    if (!(seen instanceof NotLoaded)) return seen
    await looking.load(seen)
  }
}
