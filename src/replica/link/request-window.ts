/**
 * The counters of a session that have been used. Requests of one session may overtake each other, so the window
 * remembers the counters just below the highest one; whatever is older counts as used.
 */

/** Requests that may be overtaken; a primary has three under way. */
export const windowCounters = 32

export class RequestWindow {
  private highest = 0
  /** Bit n stands for the counter that is n below the highest one. */
  private used = 0

  /** True once for each counter above 0. */
  take(counter: number): boolean {
    if (!Number.isSafeInteger(counter) || counter < 1) return false
    const below = this.highest - counter
    if (below >= windowCounters) return false
    if (below >= 0) {
      const bit = 2 ** below
      if (Math.floor(this.used / bit) % 2 === 1) return false
      this.used += bit
      return true
    }
    const shifted = -below >= windowCounters ? 0 : (this.used * 2 ** -below) % 2 ** windowCounters
    this.highest = counter
    this.used = shifted + 1
    return true
  }
}
