/**
 * Buffers that uploads fill, one after the other: the first touch of fresh memory costs more than copying into it
 * (3.4 µs per 4 KiB), and what is never collected needs no collector.
 *
 * - A buffer is lent to one filler and comes back at most once, and only when nobody else has it any more. One that
 *   never comes back is garbage like any other.
 * - What rests here is at most `restingBytesMax`.
 */
import { assert } from '../../lib/assert.ts'

export const restingBytesMax = 16 * 2 ** 20

export class RecordBuffers {
  private readonly resting = new Map<number, Uint8Array[]>()
  private readonly lent = new WeakSet<ArrayBufferLike>()
  private bytesAtRest = 0

  get restingBytes(): number {
    return this.bytesAtRest
  }

  take(bytes: number): Uint8Array {
    const buffer = this.resting.get(bytes)?.pop() ?? null
    if (buffer) this.bytesAtRest -= bytes
    const taken = buffer ?? new Uint8Array(bytes)
    this.lent.add(taken.buffer)
    return taken
  }

  /** The buffer that this is a part of, if it came from here. */
  giveBack(part: Uint8Array): void {
    const { buffer } = part
    if (!this.lent.delete(buffer)) return
    const bytes = buffer.byteLength
    if (this.bytesAtRest + bytes > restingBytesMax) {
      // Its memory goes back now; the collector would wait.
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
}
