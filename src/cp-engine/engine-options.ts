/** How an engine is told to behave, beside what its volume says. */
import type { Packing } from './records/payloads.ts'

export interface EngineOptions {
  /** Milliseconds from the first change to its CP, unless something asks for one earlier. */
  readonly cpIntervalMs: number
  /** Of the open CP; the one being written may have as much again. */
  readonly queueBytesMax: number
  /** Records are stored from now on as this makes them, where that saves blocks. Null: as they come. */
  readonly packing?: Packing | null
  /** After so long without a group the log is idle, and its last group is sealed; null: never. */
  readonly logSealIdleMs?: number | null
  /** Called once, after a failed write or sync: nothing is acknowledged any more and the process should end. */
  readonly onPoisoned?: (error: unknown) => void
}
