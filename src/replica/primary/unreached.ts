/**
 * Why a mirror is not reached: the reason for the log, and the words for whoever asks. While nobody at the address has
 * proved to be the mirror, the words are always the same ones, so that nobody finds out by way of this primary what
 * answers there. The log hears a reason once, until the reason changes.
 */
import type { ShipperAction } from './shipper-events.ts'

const notAsExpected = 'the mirror does not answer as expected: the log of this primary says more'

export class Unreached {
  said = notAsExpected
  private lastReason: string | null = null

  failed(reason: string, wasProved: boolean, act: (action: ShipperAction) => void): void {
    this.said = wasProved ? reason : notAsExpected
    if (reason !== this.lastReason) act({ kind: 'unreached', reason })
    this.lastReason = reason
  }

  /** A session has begun. */
  reached(): void {
    this.lastReason = null
  }
}
