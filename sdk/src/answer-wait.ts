/**
 * The time until an answer begins. A large upload may wait for space, and the server bounds its own waiting, so the
 * bound is long; the bound begins anew with each piece that is sent from a stream.
 */
import type { Timers } from './timers.ts'

/** Longest wait for the first byte of an answer, beside the wait that the caller asks for. */
const answerMsMax = 15 * 60_000
/** A body that is sent slower than this counts as a server that does not answer. */
const sentBytesPerMsMin = 16

export type Body = Uint8Array<ArrayBuffer> | string | Blob | ReadableStream<Uint8Array> | undefined

export class AnswerWait {
  private stop: () => void
  private hasEnded = false

  /** `askedMs` is the wait that the caller asks the server for. */
  constructor(
    private readonly timers: Timers,
    private readonly askedMs: number,
    private readonly giveUp: () => void,
  ) {
    this.stop = this.begin(0)
  }

  /**
   * Returns the body as the request sends it. Of a stream, `onSent` hears of each piece, and `onFailure` of the reason
   * for which there is no more of the stream: the request that fails then says nothing about the server.
   */
  watched(body: Body, onSent: (bytes: number) => void, onFailure: (error: unknown) => void): Body {
    if (body instanceof Blob) this.again(body.size)
    if (!(body instanceof ReadableStream)) return body
    const reader = body.getReader()
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const { value, done } = await reader.read()
            if (done) {
              controller.close()
              return
            }
            this.again(value.length)
            onSent(value.length)
            controller.enqueue(value)
          } catch (error) {
            onFailure(error)
            throw error
          }
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    )
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
    return this.timers.after(answerMsMax + this.askedMs + bytes / sentBytesPerMsMin, this.giveUp)
  }
}
