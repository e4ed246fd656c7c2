/** Derives the status of a mirror, as `GET /v1/mirrors` shows it, from what the mirror's shipper knows. Pure. */
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import type { Lag } from '../link/lag.ts'
import type { MirrorState, ShipperStatus } from './shipper-events.ts'

interface Standing {
  readonly hasSession: boolean
  /** Every write goes to the mirror at once. */
  readonly isLive: boolean
  /** The root that the mirror has published, where this side knows it. */
  readonly base: PublishedRoot | null
  readonly currentCp: number
  readonly lag: Lag
  readonly trouble: string | null
  /** Why the last connection ended or could not be made. */
  readonly unreached: string
  /** Monotonic milliseconds of the last frame from the mirror; null when none ever came. */
  readonly heardMs: number | null
  readonly sentBytes: number
  readonly refused: number
}

function stateOf({ hasSession, isLive, base, trouble }: Standing): MirrorState {
  if (trouble !== null) return 'stalled'
  if (!hasSession) return 'away'
  return isLive && base ? 'live' : 'catching-up'
}

export function statusOf(standing: Standing, nowMs: number): ShipperStatus {
  const { base, currentCp, lag, trouble, unreached, heardMs, sentBytes, refused } = standing
  const cp = base?.root.cp ?? null
  const state = stateOf(standing)
  return {
    state,
    cp,
    ...lag.of(cp, currentCp, nowMs),
    needs: trouble ?? (state === 'away' ? unreached : null),
    silentMs: heardMs === null ? null : nowMs - heardMs,
    sentBytes,
    refused,
  }
}
