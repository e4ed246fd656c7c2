/**
 * Bounds the bytes that are held at once. A caller that asks for more bytes than there is room for waits.
 *
 * - Callers are served in their order: no caller passes a waiting caller, not even with fewer bytes.
 * - One caller alone always has room, however many bytes that caller asks for.
 * - Bytes that were let in are held until the caller lets the bytes go, exactly once.
 */
import { assert } from '../assert.ts'

export class ByteGate {
  private heldBytes = 0
  private readonly waiting: { readonly bytes: number; readonly enter: () => void }[] = []

  constructor(private readonly bytesMax: number) {}

  hasRoom(bytes: number): boolean {
    return this.heldBytes === 0 || this.heldBytes + bytes <= this.bytesMax
  }

  private mustWait(bytes: number): boolean {
    return this.waiting.length > 0 || !this.hasRoom(bytes)
  }

  /** Resolves when there is room; the bytes are held from then on. */
  enter(bytes: number): Promise<void> {
    if (this.mustWait(bytes)) return new Promise((enter) => this.waiting.push({ bytes, enter }))
    this.heldBytes += bytes
    return Promise.resolve()
  }

  /** Counts bytes that are held although no caller has asked for room. */
  hold(bytes: number): void {
    this.heldBytes += bytes
  }

  letGo(bytes: number): void {
    this.heldBytes -= bytes
    assert(this.heldBytes >= 0, 'what is let go was held')
    this.admit()
  }

  async within<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.mustWait(bytes)) await this.enter(bytes)
    else this.heldBytes += bytes
    try {
      return await work()
    } finally {
      this.letGo(bytes)
    }
  }

  /** Lets every waiting caller go on, because room will never come; each caller learns the reason elsewhere. */
  admitAll(): void {
    this.admit(true)
  }

  private admit(always = false): void {
    let count = 0
    for (const { bytes, enter } of this.waiting) {
      if (!always && !this.hasRoom(bytes)) break
      this.heldBytes += bytes
      count++
      enter()
    }
    if (count > 0) this.waiting.splice(0, count)
  }
}
