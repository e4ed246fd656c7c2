/** When the primary does something about one mirror by itself, in monotonic milliseconds. */
import type { Random } from '../../lib/random.ts'
import type { ShipperLimits } from './shipper-events.ts'

export class ShipperTimes {
  /** The next connection is made then. */
  wakeMs = 0
  /** The next poll is due then. */
  pollMs = 0
  /** Silence is measured from here: what was heard last, or the begin of the connection. */
  aliveMs = 0
  /** Null: nothing was ever heard. */
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

  /** A session has begun: the next failure is the first one again. */
  begun(nowMs: number): void {
    this.attempts = 0
    this.pollLater(nowMs)
  }

  pollLater(nowMs: number): void {
    this.pollMs = nowMs + this.limits.heartbeatMs
  }

  /** Exponential, and jittered: from half of it to all of it. */
  backOff(nowMs: number): void {
    const exponential = Math.min(this.limits.backoffMsMax, this.limits.backoffMsMin * 2 ** this.attempts++)
    this.wakeMs = nowMs + exponential * (0.5 + this.random.bytes(1)[0]! / 512)
  }

  /** A mirror hears that space is short as often as it is polled anyway. */
  maySayShort(nowMs: number): boolean {
    if (nowMs < this.shortMs + this.limits.heartbeatMs) return false
    this.shortMs = nowMs
    return true
  }
}
