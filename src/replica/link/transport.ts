/**
 * How frames travel, as seen from the primary. One implementation is HTTP; a simulation has its own. Frames may be lost,
 * doubled, delayed and reordered: the machines at both ends live with that.
 */
import type { Message } from '../../format/wire/messages.ts'
import type { ReceivedFrame } from './frame-stream.ts'

/** The body of one request: frames, one behind the other. */
export interface Batch {
  readonly parts: readonly Uint8Array[]
  readonly bytes: number
}

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

/** A mirror's end of a transport: takes frames, and has answers for whoever asks next. */
export interface FrameReceiver {
  receive(frame: ReceivedFrame): Promise<void>
  readonly hasAnswers: boolean
  takeAnswers(): Uint8Array[]
  /** Calls the listener once there is an answer; the result ends that. */
  onAnswer(listener: () => void): () => void
}
