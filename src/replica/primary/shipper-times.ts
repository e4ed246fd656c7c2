/** Times at which the primary acts on one mirror without being asked, in monotonic milliseconds. */
import type { Random } from '../../lib/random.ts'
import type { ShipperLimits } from './shipper-events.ts'

export class ShipperTimes {
  /** Time of the next connection. */
  wakeMs = 0
  /** Time of the next poll. */
  pollMs = 0
  /** Start of the silence: the last sign of life from the mirror, or the begin of the connection. */
  aliveMs = 0
  /** Null when the mirror was never heard. */
  heardMs: number | null = null
  private shortMs = -Infinity
  private attempts = 0

  constructor(
    private readonly limits: ShipperLimits,
    private readonly random: Random,
  ) {}

  get silentMs(): number {
    return this.aliveMs + this.limits.silenceMsMax
  }

  heard(nowMs: number): void {
    this.aliveMs = nowMs
    this.heardMs = nowMs
  }

  /** A session has begun: the next failure counts as the first one again. */
  begun(nowMs: number): void {
    this.attempts = 0
    this.pollLater(nowMs)
  }

  pollLater(nowMs: number): void {
    this.pollMs = nowMs + this.limits.heartbeatMs
  }

  /** The pause is exponential and jittered: between half of the pause and the whole of it. */
  backOff(nowMs: number): void {
    const exponential = Math.min(this.limits.backoffMsMax, this.limits.backoffMsMin * 2 ** this.attempts++)
    this.wakeMs = nowMs + exponential * (0.5 + this.random.bytes(1)[0]! / 512)
  }

  /** True at most once per heartbeat, so that a mirror hears of short space as often as it is polled anyway. */
  maySayShort(nowMs: number): boolean {
    if (nowMs < this.shortMs + this.limits.heartbeatMs) return false
    this.shortMs = nowMs
    return true
  }
}
