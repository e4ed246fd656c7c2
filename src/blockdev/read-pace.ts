/**
 * Whether a read is made at once or by a thread.
 *
 * Of what the kernel has in memory a read at once costs least (handing it to a thread: 200 µs). One that has to wait for
 * the disk makes everybody wait; nobody can ask beforehand. So after one that took long the next are handed to threads,
 * where they wait beside each other, before one is tried again.
 */
import type { Clock } from '../lib/clock.ts'

/** A read of memory takes a tenth of this. */
const waitedMs = 2
const threadedReadsMax = 32

export class ReadPace {
  private threadedReads = 0

  constructor(private readonly clock: Pick<Clock, 'monotonic'>) {}

  /** False when it is left to a thread. */
  readAtOnce(read: () => void): boolean {
    if (this.threadedReads > 0) {
      this.threadedReads--
      return false
    }
    const began = this.clock.monotonic()
    read()
    if (this.clock.monotonic() - began > waitedMs) this.threadedReads = threadedReadsMax
    return true
  }
}
