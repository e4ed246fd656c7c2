/**
 * Bounds the bytes that are held at once, in all and for each client, so that one client cannot keep what the others
 * need. A caller that asks for more bytes than there is room for waits.
 *
 * - Callers are served in their order, but a caller who waits for the share of its own client lets the others pass.
 * - One caller alone always has room, however many bytes that caller asks for; so has the only caller of a client, as
 *   far as the client's share goes.
 * - At most `waitingMax` callers wait, and at most `clientWaitingMax` of one client; the next caller is refused.
 * - A caller who leaves while waiting (`signal`) has no room, and takes none.
 */
import { assert } from '../assert.ts'

interface SharedGateLimits {
  readonly bytesMax: number
  readonly clientBytesMax: number
  readonly waitingMax: number
  readonly clientWaitingMax: number
}

/** Why a caller gets no room: too many wait, too many of its client wait, or the caller has left. */
export type GateRefusal = 'full' | 'share' | 'left'

interface Waiting {
  readonly client: string
  readonly bytes: number
  readonly enter: () => void
}

export class SharedGate {
  private heldBytes = 0
  private readonly held = new Map<string, number>()
  private readonly waiting = new Set<Waiting>()

  constructor(private readonly limits: SharedGateLimits) {}

  /** Bytes that are held now. */
  get bytes(): number {
    return this.heldBytes
  }

  get waiters(): number {
    return this.waiting.size
  }

  /** True as long as less than half of the room is taken. */
  get isRoomy(): boolean {
    return this.heldBytes * 2 < this.limits.bytesMax
  }

  /** Resolves when the bytes are held, or with the reason why they are not. */
  enter(client: string, bytes: number, signal: () => AbortSignal): Promise<GateRefusal | null> | null {
    return this.enterNow(client, bytes) ? null : this.wait(client, bytes, signal())
  }

  /** True when the bytes are held; false when the caller would have to wait. */
  enterNow(client: string, bytes: number): boolean {
    if (this.waiting.size > 0 || !this.hasRoom(client, bytes)) return false
    this.hold(client, bytes)
    return true
  }

  letGo(client: string, bytes: number): void {
    const left = (this.held.get(client) ?? 0) - bytes
    this.heldBytes -= bytes
    assert(left >= 0 && this.heldBytes >= 0, 'what is let go was held')
    if (left > 0) this.held.set(client, left)
    else this.held.delete(client)
    this.admit()
  }

  private hasRoom(client: string, bytes: number): boolean {
    return (
      this.hasShare(client, bytes) && (this.heldBytes === 0 || this.heldBytes + bytes <= this.limits.bytesMax)
    )
  }

  private hasShare(client: string, bytes: number): boolean {
    const held = this.held.get(client) ?? 0
    return held === 0 || held + bytes <= this.limits.clientBytesMax
  }

  private hold(client: string, bytes: number): void {
    this.heldBytes += bytes
    this.held.set(client, (this.held.get(client) ?? 0) + bytes)
  }

  private async wait(client: string, bytes: number, signal: AbortSignal): Promise<GateRefusal | null> {
    if (signal.aborted) return 'left'
    if (this.waiting.size >= this.limits.waitingMax) return 'full'
    let ofClient = 0
    for (const other of this.waiting) if (other.client === client) ofClient++
    if (ofClient >= this.limits.clientWaitingMax) return 'share'
    const { promise, resolve } = Promise.withResolvers<GateRefusal | null>()
    const waiting: Waiting = { client, bytes, enter: () => resolve(null) }
    const leave = () => {
      if (!this.waiting.delete(waiting)) return
      resolve('left')
      // The one who has left may have been the only reason why others waited.
      this.admit()
    }
    this.waiting.add(waiting)
    signal.addEventListener('abort', leave, { once: true })
    // A client that has room while others wait for their own share passes them at once.
    this.admit()
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  private admit(): void {
    for (const waiting of this.waiting) {
      const { client, bytes, enter } = waiting
      if (!this.hasShare(client, bytes)) continue
      if (!this.hasRoom(client, bytes)) return
      this.waiting.delete(waiting)
      this.hold(client, bytes)
      enter()
    }
  }
}
