/**
 * Decides what is said about mirrors: that one falls behind, that one does not get on, and that it has caught up.
 *
 * - `lag` is said when a mirror is `lagMsMin` behind, and again whenever it is twice as far behind as it was said to
 *   be.
 * - `stalled` is said once when a mirror needs something, and when it has been away for `awayMsMin`.
 * - `caught-up` follows either, once the mirror is live and less than half of `lagMsMin` behind. So a mirror at the
 *   edge is not told of at every look.
 */
import type { ServerEvent } from '../../routes/http/event-source.ts'

export const lagMsMin = 5_000
export const awayMsMin = 5_000

export interface WatchedMirror {
  readonly id: string
  readonly state: 'live' | 'catching-up' | 'stalled' | 'away'
  readonly cp: number | null
  readonly lagCps: number
  readonly lagMs: number
  readonly needs: string | null
}

interface Standing {
  /** The lag that was said last; 0 when none was. */
  saidLagMs: number
  /** The state that was said to keep the mirror; null when none was. */
  saidState: WatchedMirror['state'] | null
  awaySinceMs: number | null
}

export class MirrorWatch {
  private readonly standings = new Map<string, Standing>()
  /** The last CP of each mirror that was told. */
  private readonly mirrored = new Map<string, number>()

  /** A mirror is known to have this CP. */
  has(mirror: string, cp: number): ServerEvent[] {
    if (cp <= (this.mirrored.get(mirror) ?? 0)) return []
    this.mirrored.set(mirror, cp)
    return [{ event: 'mirrored', cp, mirror, facts: {} }]
  }

  look(mirrors: readonly WatchedMirror[], nowMs: number): ServerEvent[] {
    for (const known of [this.standings, this.mirrored])
      for (const id of known.keys()) if (!mirrors.some((mirror) => mirror.id === id)) known.delete(id)
    return mirrors.flatMap((mirror) => this.lookAt(mirror, nowMs))
  }

  private lookAt(mirror: WatchedMirror, nowMs: number): ServerEvent[] {
    const { id, state, cp, lagCps, lagMs, needs } = mirror
    let standing = this.standings.get(id)
    if (!standing) this.standings.set(id, (standing = { saidLagMs: 0, saidState: null, awaySinceMs: null }))
    standing.awaySinceMs = state === 'away' ? (standing.awaySinceMs ?? nowMs) : null
    const about = (event: ServerEvent['event'], facts: ServerEvent['facts']): ServerEvent => ({
      event,
      cp: cp ?? 0,
      mirror: id,
      facts,
    })
    const events: ServerEvent[] = []
    const isAway = standing.awaySinceMs !== null && nowMs - standing.awaySinceMs >= awayMsMin
    if ((state === 'stalled' || isAway) && standing.saidState !== state) {
      standing.saidState = state
      events.push(about('stalled', { state, needs }))
    }
    if (lagMs >= lagMsMin && lagMs >= 2 * standing.saidLagMs) {
      standing.saidLagMs = lagMs
      events.push(about('lag', { lagCps, lagMs }))
    }
    const wasTold = standing.saidState !== null || standing.saidLagMs > 0
    if (wasTold && state === 'live' && lagMs < lagMsMin / 2) {
      standing.saidState = null
      standing.saidLagMs = 0
      events.push(about('caught-up', { lagCps, lagMs }))
    }
    return events
  }
}
