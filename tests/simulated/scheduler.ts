/** Who decides when an operation of a simulated device is done. Without one, it is done in the next microtask. */
import type { Operation } from './faults.ts'
import type { Clock } from '../../src/lib/clock.ts'

export interface Scheduler {
  schedule(operation: Operation, done: () => void): void
}

/** Every operation takes a random time on the given clock. */
export function clockScheduler(
  clock: Clock,
  random: { below(limit: number): number },
  msMax: number,
): Scheduler {
  return { schedule: (_operation, done) => void clock.after(random.below(msMax + 1), done) }
}

/** Operations wait until the driver lets one of them go, in any order that the random numbers say. */
export class HeldOperations implements Scheduler {
  private readonly queue: { readonly operation: Operation; readonly done: () => void }[] = []

  get waiting(): readonly Operation[] {
    return this.queue.map((entry) => entry.operation)
  }

  schedule(operation: Operation, done: () => void): void {
    this.queue.push({ operation, done })
  }

  /** False when nothing waits. */
  release(random: { below(limit: number): number }): boolean {
    if (this.queue.length === 0) return false
    const [entry] = this.queue.splice(random.below(this.queue.length), 1)
    entry!.done()
    return true
  }
}
