/**
 * Limits how often each client may do something: a client begins with `burst`, and gets back `perSecond`.
 *
 * The table remembers at most `clientsMax` clients. A client whose allowance is whole again is forgotten first; beyond
 * the bound, the client that was seen longest ago is.
 */
import type { Clock } from '../clock.ts'

export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

interface Allowance {
  left: number
  atMs: number
}

export class RateLimit {
  /** The client that was seen longest ago comes first. */
  private readonly clients = new Map<string, Allowance>()

  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    private readonly rate: Rate,
    private readonly clientsMax: number,
  ) {}

  /** Number of clients that are remembered; 0 means that every client has its whole allowance. */
  get size(): number {
    return this.clients.size
  }

  /** Takes one of the client's allowance; false when nothing is left. */
  take(client: string): boolean {
    const nowMs = this.clock.monotonic()
    const known = this.clients.get(client)
    const left = known ? this.leftOf(known, nowMs) : this.rate.burst
    const isAllowed = left >= 1
    this.clients.delete(client)
    this.clients.set(client, { left: isAllowed ? left - 1 : left, atMs: nowMs })
    this.forget(nowMs)
    return isAllowed
  }

  private leftOf({ left, atMs }: Allowance, nowMs: number): number {
    return Math.min(this.rate.burst, left + ((nowMs - atMs) / 1000) * this.rate.perSecond)
  }

  private forget(nowMs: number): void {
    for (const [client, allowance] of this.clients) {
      const isWhole = this.leftOf(allowance, nowMs) >= this.rate.burst
      if (!isWhole && this.clients.size <= this.clientsMax) return
      this.clients.delete(client)
    }
  }
}
