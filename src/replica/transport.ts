/**
 * How frames travel, as seen from the primary. One implementation is HTTP; a simulation has its own. Frames may be lost,
 * doubled, delayed and reordered: the machines at both ends live with that.
 */
import type { Message } from '../format/wire-messages.ts'
import type { Batch } from './outbox.ts'

export interface ConnectionEvents {
  /** What may leave now; null when nothing may. */
  take(): Batch | null
  frame(message: Message): void
  /** The other side has a batch that was taken. */
  received(): void
  /** The connection is of no use any more. Called once, and nothing after it. */
  failed(reason: string): void
}

export interface Connection {
  /** There may be something to take. */
  wake(): void
  /** No event is called any more. */
  close(): void
}

export interface ReplicaTransport {
  connect(url: string, events: ConnectionEvents): Connection
}
