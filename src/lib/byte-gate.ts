/**
 * Bounds the bytes that are held at once. The caller that asks for more than there is room for waits.
 *
 * - First come, first served: nobody passes a caller that waits, also not with fewer bytes.
 * - One caller alone always has room, however much it asks for.
 * - What was let in is held until it is let go, once.
 */
import { assert } from './assert.ts'

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

  /** Resolves when there is room, which is held from then on. */
  enter(bytes: number): Promise<void> {
    if (this.mustWait(bytes)) return new Promise((enter) => this.waiting.push({ bytes, enter }))
    this.heldBytes += bytes
    return Promise.resolve()
  }

  /** Counts bytes that nobody asked for, and that are there nevertheless. */
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

  /** There is nothing to wait for any more: every caller goes on, and hears why elsewhere. */
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
