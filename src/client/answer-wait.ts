/**
 * The time until an answer begins. A large upload may wait for space, and the server bounds its own waiting, so the
 * bound is long; the bound begins anew with each piece that is sent from a stream.
 */
import type { Clock } from '../lib/clock.ts'

export type RequestQuery = Readonly<Record<string, string | number | boolean | undefined>>

/** Longest wait for the first byte of an answer, beside the wait that the caller asks for. */
const answerMsMax = 15 * 60_000
/** A body that is sent slower than this counts as a server that does not answer. */
const sentBytesPerMsMin = 16

export class AnswerWait {
  private stop: () => void
  private hasEnded = false

  constructor(
    private readonly clock: Clock,
    private readonly query: RequestQuery,
    private readonly giveUp: () => void,
  ) {
    this.stop = this.begin(0)
  }

  /** Returns the body of the request where the body has to be watched. `onSent` hears of each piece of a stream. */
  watched({ body }: BunFetchRequestInit, onSent: (bytes: number) => void): BunFetchRequestInit {
    if (body instanceof Blob) this.again(body.size)
    if (!(body instanceof ReadableStream)) return {}
    const watch = new TransformStream<Uint8Array, Uint8Array>({
      transform: (piece, controller) => {
        this.again(piece.length)
        onSent(piece.length)
        controller.enqueue(piece)
      },
    })
    return { body: (body as ReadableStream<Uint8Array>).pipeThrough(watch) }
  }

  end(): void {
    this.hasEnded = true
    this.stop()
  }

  private again(bytes: number): void {
    if (this.hasEnded) return
    this.stop()
    this.stop = this.begin(bytes)
  }

  private begin(bytes: number): () => void {
    const waitMs = Number(this.query['wait'] ?? 0) * 1000
    return this.clock.after(answerMsMax + waitMs + bytes / sentBytesPerMsMin, this.giveUp)
  }
}
