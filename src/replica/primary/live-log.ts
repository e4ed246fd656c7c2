/**
 * Remembers which consistency points (CPs) a mirror has been sent whole while the CPs were written: all commands of
 * the CP, from the first, with nothing dropped, and with the mirror at the CP before. Only such a CP can be offered
 * without sending a difference.
 */
import { type Position, samePosition } from '../../format/wire/messages.ts'

interface LiveCp {
  isWhole: boolean
  /** Position of the root before the CP; null until the CP is sealed. */
  base: Position | null
}

export class LiveLog {
  private readonly cps = new Map<number, LiveCp>()

  /**
   * Notes that commands of the CP leave, or that the CP is sealed. `isSent` says whether the mirror gets all of these
   * commands.
   */
  note(cp: number, isSent: boolean): void {
    const entry = this.cps.get(cp)
    if (!entry) this.cps.set(cp, { isWhole: isSent, base: null })
    else if (!isSent) entry.isWhole = false
  }

  sealed(cp: number, isSent: boolean, base: Position): void {
    this.note(cp, isSent)
    this.cps.get(cp)!.base = base
  }

  /** The connection is lost, and with it everything that was sent. */
  lostAll(): void {
    for (const entry of this.cps.values()) entry.isWhole = false
  }

  forgetBefore(cp: number): void {
    for (const known of this.cps.keys()) if (known < cp) this.cps.delete(known)
  }

  isWhole(cp: number, base: Position): boolean {
    const entry = this.cps.get(cp)
    return entry !== undefined && entry.isWhole && entry.base !== null && samePosition(entry.base, base)
  }
}
