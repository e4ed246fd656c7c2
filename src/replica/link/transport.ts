/**
 * The transport of frames, as the primary sees it. One implementation is HTTP; a simulation has its own. Frames may
 * be lost, doubled, delayed and reordered: the state machines at both ends cope with such frames.
 */
import type { Message } from '../../format/wire/messages.ts'
import type { ReceivedFrame } from './frame-stream.ts'

/** The body of one request: frames, one after another. */
export interface Batch {
  readonly parts: readonly Uint8Array[]
  readonly bytes: number
}

export interface ConnectionEvents {
  /** The batch that may leave now; null when nothing may leave. */
  take(): Batch | null
  frame(message: Message): void
  /** The other side has received a batch that was taken. */
  received(): void
  /** The connection is of no use any more. The transport calls this event once, and no event after it. */
  failed(reason: string): void
}

export interface Connection {
  /** Tells the connection that a batch may be ready to take. */
  wake(): void
  /** Ends the connection: no event is called any more. */
  close(): void
}

export interface ReplicaTransport {
  /** `member` is the side UUID that has to answer there; null while nobody knows which mirror is at the URL. */
  connect(url: string, events: ConnectionEvents, member: string | null): Connection
}

/** A mirror's end of a transport: takes frames, and has answers for the next request. */
export interface FrameReceiver {
  receive(frame: ReceivedFrame): Promise<void>
  readonly hasAnswers: boolean
  takeAnswers(): Uint8Array[]
  /** Calls the listener when an answer is ready; the returned function stops that. */
  onAnswer(listener: () => void): () => void
}
