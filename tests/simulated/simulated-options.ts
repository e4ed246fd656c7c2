import type { WriteRun } from '../../src/blockdev/block-device.ts'
import type { Image } from './crash-image.ts'
import type { FaultPlan, Operation } from './faults.ts'
import type { Scheduler } from './scheduler.ts'
import type { SimulatedSpace } from './simulated-space.ts'

export interface SimulatedOptions {
  /** What the disk holds at first; it is not changed. */
  readonly image?: Image
  readonly blockCount?: number
  /** The disk that gets full. */
  readonly blocksMax?: number
  /** The room that a sparse device takes and gives back; without it there is always some. */
  readonly space?: SimulatedSpace
  readonly faults?: FaultPlan
  readonly scheduler?: Scheduler
  /** Runs when a mutation has begun and nothing of it is done: the moment to take a `crashState`. */
  readonly onMutation?: (operation: Operation) => void
  /** Sees every write before it begins: for those who know what must not be written. */
  readonly onWrite?: (runs: readonly WriteRun[]) => void
  /** True: a read that asks for what is there at once has to wait, as behind a disk that is busy. */
  readonly isBusy?: () => boolean
  /** False: like a kernel, which goes on after a failed write or sync. The file device refuses, and so does this. */
  readonly refusesAfterFailure?: boolean
  /** Keeps a hash over all operations and their bytes, for tests of determinism. */
  readonly traced?: boolean
}
