/**
 * A copy outlives a server that is away for a while, because somebody restarts the server. A request without an answer is
 * sent again: whatever a copy asks for may happen twice. The copy gives up when nothing has been heard of the server
 * for `awayMsMax`, and at once where the server was never heard of: its address may be wrong.
 */
import type { Clock } from '../../lib/clock.ts'
import { ClientError } from '../../../sdk/src/client-error.ts'
import { delayMs, isInDoubt, isRefusedForNow } from '../../../sdk/src/retry.ts'
import { pause } from '../../../sdk/src/timers.ts'
import { endsAll } from './tree-report.ts'

const awayMsMax = 120_000
/** How often a read of a copy is asked for again: with the delays between, for about as long. */
export const retriesMax = 24
/** Attempts grow further apart up to here: a server that is back is noticed soon. */
const attemptsGrowing = 4
/** Answers of a proxy whose server is away. */
const proxyStatuses: ReadonlySet<number | null> = new Set([502, 503, 504])

export class Patience {
  private hasHeard = false
  /** Null while the server answers. */
  private awaySinceMs: number | null = null

  constructor(
    private readonly clock: Clock,
    /** From 0 to below 1, so that the requests of one copy do not come back together. */
    private readonly chance: () => number,
  ) {}

  async of<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        const result = await work()
        this.hasHeard = true
        this.awaySinceMs = null
        return result
      } catch (error) {
        // A refusal is a word of the server, too.
        if (error instanceof ClientError && error.status !== null) this.hasHeard = true
        if (!isAway(error) || this.isOver()) throw error
        const delay = delayMs(Math.min(attempt, attemptsGrowing), error, this.chance())
        await pause(this.clock, delay)
      }
    }
  }

  private isOver(): boolean {
    this.awaySinceMs ??= this.clock.monotonic()
    return !this.hasHeard || this.clock.monotonic() - this.awaySinceMs > awayMsMax
  }
}

function isAway(error: unknown): boolean {
  if (error instanceof ClientError && endsAll(error.code)) return false
  const isProxy = error instanceof ClientError && error.code === 'unknown' && proxyStatuses.has(error.status)
  return isInDoubt(error) || isRefusedForNow(error) || isProxy
}
