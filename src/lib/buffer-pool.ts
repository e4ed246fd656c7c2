/**
 * Buffers that are filled, used and filled again: the first touch of fresh memory costs more than copying into it (3.4 µs
 * per 4 KiB), and what is never collected needs no collector.
 *
 * - A buffer is lent to one caller, and rests when it comes back: at most once, and only when nobody else has it. The bytes
 *   of a buffer that is lent are anything.
 * - A buffer that somebody may still have is left to the collector: then it is only no longer lent.
 * - At most `restingBytesMax` rest here. The memory of what is more than that goes back to the system at once.
 */
import { assert } from './assert.ts'

export class BufferPool {
  private readonly resting = new Map<number, Uint8Array[]>()
  private readonly lentOut = new WeakSet<ArrayBufferLike>()
  private lentCount = 0
  private bytesAtRest = 0

  constructor(private readonly restingBytesMax: number) {}

  get restingBytes(): number {
    return this.bytesAtRest
  }

  /** Buffers that are lent, without those that never came back. */
  get lent(): number {
    return this.lentCount
  }

  take(bytes: number): Uint8Array {
    const buffer = this.resting.get(bytes)?.pop() ?? null
    if (buffer) this.bytesAtRest -= bytes
    const taken = buffer ?? new Uint8Array(bytes)
    this.lentOut.add(taken.buffer)
    this.lentCount++
    return taken
  }

  /** The buffer that this is a part of, if it came from here. */
  giveBack(part: Uint8Array): void {
    const { buffer } = part
    if (!this.end(buffer)) return
    const bytes = buffer.byteLength
    if (this.bytesAtRest + bytes > this.restingBytesMax) {
      // The collector would wait.
      if (buffer instanceof ArrayBuffer) buffer.transfer(0)
      return
    }
    this.bytesAtRest += bytes
    const others = this.resting.get(bytes)
    const whole = new Uint8Array(buffer)
    if (others) {
      assert(!others.some((other) => other.buffer === buffer), 'a buffer rests once')
      others.push(whole)
    } else this.resting.set(bytes, [whole])
  }

  /** Somebody may still read or fill it: it is not used again. */
  giveUp(part: Uint8Array): void {
    this.end(part.buffer)
  }

  private end(buffer: ArrayBufferLike): boolean {
    const wasLent = this.lentOut.delete(buffer)
    if (wasLent) this.lentCount--
    return wasLent
  }
}
