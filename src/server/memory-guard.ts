/**
 * Asks for a garbage collection before unused buffers have doubled the memory of the process.
 *
 * The runtime collects when the heap has doubled, and counts the bodies and records that pass through as heap: a
 * server that streams with full queues would rest at twice the memory that the server needs. So after growth the
 * guard asks for a collection that runs beside the event loop. When such collections do not keep up, the guard asks
 * for one that stops the event loop for some tens of milliseconds.
 */
import type { Clock } from '../lib/clock.ts'

interface Memory {
  residentBytes(): number
  /** `waits` means that the collection is over, and freed pages are returned, when the call returns. */
  collect(waits: boolean): void
}

const lookMs = 50
/** Below this size the guard asks for nothing. */
const smallBytes = 224 * 2 ** 20
/**
 * Growth since the lowest point that calls for a collection: a process that is large for good reasons is left alone.
 */
const growthBytes = 48 * 2 ** 20
/**
 * Above this size a collection is worth a pause, when the process has grown by `pauseGrowthBytes` since the last
 * pause, and `pauseEveryMs` have passed.
 */
const largeBytes = 400 * 2 ** 20
const pauseGrowthBytes = 24 * 2 ** 20
const pauseEveryMs = 200

/** Guards the process until the caller calls the returned function. */
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
      // The next collection comes after half as much growth again, however little this collection frees.
      lowest = bytes - growthBytes / 2
    }
    cancel = clock.after(lookMs, look)
  }
  look()
  return () => cancel()
}
