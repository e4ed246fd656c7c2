/** Tells how far a mirror is behind: in consistency points, and in time since the first CP that the mirror lacks. */
import { cpsBetween } from '../../format/position.ts'

const publicationsMax = 64

export class Lag {
  private readonly publications: { readonly cp: number; readonly ms: number }[] = []

  published(cp: number, nowMs: number): void {
    this.publications.push({ cp, ms: nowMs })
    if (this.publications.length > publicationsMax) this.publications.shift()
  }

  /**
   * `cp` is the newest CP that the mirror has; null when the mirror has none. The time is a lower bound when the
   * mirror is far behind.
   */
  of(cp: number | null, current: number, nowMs: number): { readonly lagCps: number; readonly lagMs: number } {
    const lagCps = cpsBetween(cp ?? 0, current)
    const missed = cp === current ? undefined : this.publications.find((later) => later.cp > (cp ?? 0))
    return { lagCps, lagMs: missed ? nowMs - missed.ms : 0 }
  }
}
