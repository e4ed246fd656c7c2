/** Options that tell an engine how to behave, beside the settings of its volume. */
import type { Packing } from './records/payloads.ts'

export interface EngineOptions {
  /** Milliseconds from the first change to its CP, unless a request asks for a CP earlier. */
  readonly cpIntervalMs: number
  /** Limit for the open CP, in bytes; the CP that is being written may have as much again. */
  readonly queueBytesMax: number
  /** Packing for new records, used where packing saves blocks. Null means that records are stored unpacked. */
  readonly packing?: Packing | null
  /** Milliseconds without a new group after which the log is idle and its last group is sealed; null means never. */
  readonly logSealIdleMs?: number | null
  /** Hears of each durable write of the log: milliseconds, and bytes. */
  readonly onLogSynced?: (ms: number, bytes: number) => void
  /**
   * Called once, after a failed write or sync: the engine acknowledges nothing any more, and the process should end.
   */
  readonly onPoisoned?: (error: unknown) => void
}
