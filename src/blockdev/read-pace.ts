/**
 * Decides whether a read is made at once or by a thread.
 *
 * A read at once is the cheapest way to bytes that the kernel has in memory; a thread costs 200 µs more. But a read
 * at once that waits for the disk stops the event loop, and the kernel does not tell beforehand which read will wait.
 * So after a slow read the next reads go to threads, where they wait side by side, before a read is tried at once
 * again.
 */
import type { Clock } from '../lib/clock.ts'

/** A read that took longer waited for the disk; a read from memory takes about a tenth of this time. */
const waitedMs = 2
const threadedReadsMax = 32

export class ReadPace {
  private threadedReads = 0

  constructor(private readonly clock: Pick<Clock, 'monotonic'>) {}

  /** False when the caller has to leave the read to a thread. */
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
