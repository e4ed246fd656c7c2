/**
 * Room on the way to the device for what leaves before its CP, in turn: everybody who waits would otherwise look at the
 * room of one, each time.
 *
 * - Enough is on its way to keep the device busy, and no more memory than that. One alone always has room.
 * - Who has entered holds its room until it has ended its turn: by then its bytes are on their way, or never will be.
 */
import { assert } from '../../lib/assert.ts'

export class LeavingRoom {
  /** On their way to the device, whether they have asked or not. */
  private leavingBytes = 0
  /** Of those whose turn it is. */
  private enteredBytes = 0
  private readonly waiting: { readonly bytes: number; readonly resolve: () => void }[] = []

  constructor(private readonly bytesMax: number) {}

  has(bytes: number): boolean {
    const taken = this.leavingBytes + this.enteredBytes
    return taken === 0 || taken + bytes <= this.bytesMax
  }

  /** Resolves when there is room, which is then kept. */
  enter(bytes: number): Promise<void> {
    if (this.waiting.length > 0 || !this.has(bytes))
      return new Promise((resolve) => this.waiting.push({ bytes, resolve }))
    this.enteredBytes += bytes
    return Promise.resolve()
  }

  endTurn(bytes: number): void {
    this.enteredBytes -= bytes
    assert(this.enteredBytes >= 0, 'a turn ends once')
    this.letIn()
  }

  leaves(bytes: number): void {
    this.leavingBytes += bytes
  }

  hasLeft(bytes: number): void {
    this.leavingBytes -= bytes
    assert(this.leavingBytes >= 0, 'what has left was leaving')
    this.letIn()
  }

  /** Nothing leaves any more: whoever waits hears why. */
  letAllIn(): void {
    this.letIn(true)
  }

  private letIn(always = false): void {
    let count = 0
    for (const { bytes, resolve } of this.waiting) {
      if (!always && !this.has(bytes)) break
      this.enteredBytes += bytes
      count++
      resolve()
    }
    if (count > 0) this.waiting.splice(0, count)
  }
}
