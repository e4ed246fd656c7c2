/**
 * Asks for a collection before buffers that nobody needs any more have doubled the process.
 *
 * The runtime collects when the heap has doubled, and counts the bodies and records that pass through as heap: a
 * server that streams with full queues would rest at twice of what it needs. So after growth a collection beside the
 * event loop is asked for; when that does not keep up, one that stops it for some tens of milliseconds.
 */
import type { Clock } from '../lib/clock.ts'

interface Memory {
  residentBytes(): number
  /** `waits`: it is over, and freed pages are returned, when the call returns. */
  collect(waits: boolean): void
}

const lookMs = 50
/** Below this nothing is asked for. */
const smallBytes = 224 * 2 ** 20
/** Growth since the lowest point: a process that is large for good reasons is left alone. */
const growthBytes = 48 * 2 ** 20
/** Above this a collection is worth a pause, if there has been growth since the last one, and not too often. */
const largeBytes = 400 * 2 ** 20
const pauseGrowthBytes = 24 * 2 ** 20
const pauseEveryMs = 200

/** Until the returned function is called. */
export function guardMemory(clock: Clock, memory: Memory): () => void {
  let lowest = Infinity
  let paused = { atMs: -Infinity, leftBytes: 0 }
  let cancel = (): void => {}
  const look = (): void => {
    const bytes = memory.residentBytes()
    const nowMs = clock.monotonic()
    lowest = Math.min(lowest, bytes)
    const grewSince = bytes > paused.leftBytes + pauseGrowthBytes
    if (bytes > largeBytes && grewSince && nowMs >= paused.atMs + pauseEveryMs) {
      memory.collect(true)
      paused = { atMs: nowMs, leftBytes: memory.residentBytes() }
      lowest = paused.leftBytes
    } else if (bytes > smallBytes && bytes > lowest + growthBytes) {
      memory.collect(false)
      // The next one after half as much growth again, however little this one frees.
      lowest = bytes - growthBytes / 2
    }
    cancel = clock.after(lookMs, look)
  }
  look()
  return () => cancel()
}
