/**
 * One answer of a server, read to its end or not believed.
 *
 * - A server that falls silent for `silenceMsMax` ends the request: no caller waits for ever.
 * - An answer in memory has a bound, because an answer may be endless.
 * - A content says where the content ends, so a connection that is cut is never the end of a content. A browser shows
 *   no framing, and fails by itself where a content in chunks is cut.
 *
 * Errors: ClientError `cut-short` and `bad-answer`, and the reason of the caller's signal.
 */
import { concat, decodeUtf8 } from './bytes.ts'
import { ClientError } from './client-error.ts'
import { isBrowser } from './runtime.ts'
import type { Timers } from './timers.ts'

/** Longest time between two pieces of an answer. */
const silenceMsMax = 60_000

export class Answer {
  readonly status: number
  readonly headers: Headers

  constructor(
    private readonly response: Response,
    private readonly timers: Timers,
    private readonly abort: (reason: Error) => void,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.status = response.status
    this.headers = response.headers
  }

  /** Yields the bytes; a caller that stops early gives the connection up. */
  async *pieces(): AsyncGenerator<Uint8Array> {
    const body: ReadableStream<Uint8Array> | null = this.response.body
    if (body === null) return
    const reader = body.getReader()
    let isOver = false
    try {
      for (;;) {
        const { value, done } = await this.heard(reader.read())
        isOver = done
        if (done) return
        yield value
      }
    } finally {
      if (!isOver) this.cancel()
    }
  }

  /** Yields the content of a file. Throws at the end of a content that is not all of it. */
  async *content(): AsyncGenerator<Uint8Array> {
    const length = this.headers.get('Content-Length')
    if (length === null && this.headers.get('Transfer-Encoding') === null && !isBrowser) {
      this.cancel()
      throw new ClientError('bad-answer', 'the answer does not say where it ends')
    }
    let bytes = 0
    for await (const piece of this.pieces()) {
      bytes += piece.length
      yield piece
    }
    if (length !== null && bytes !== Number(length))
      throw new ClientError('cut-short', `got ${bytes} bytes instead of ${length}`)
  }

  /** At most the first `bytesMax` bytes; `isWhole` is false when there are more. */
  async text(bytesMax: number): Promise<{ readonly text: string; readonly isWhole: boolean }> {
    const pieces: Uint8Array[] = []
    let bytes = 0
    for await (const piece of this.pieces()) {
      const fits = piece.subarray(0, bytesMax - bytes)
      pieces.push(fits)
      bytes += fits.length
      if (fits.length < piece.length) return { text: decodeUtf8(concat(pieces)), isWhole: false }
    }
    return { text: decodeUtf8(concat(pieces)), isWhole: true }
  }

  /** Gives the connection up. */
  cancel(): void {
    this.abort(new Error('nobody reads the answer any more'))
  }

  private async heard<T>(work: Promise<T>): Promise<T> {
    let isSilent = false
    const stop = this.timers.after(silenceMsMax, () => {
      isSilent = true
      this.cancel()
    })
    try {
      return await work
    } catch (error) {
      this.signal?.throwIfAborted()
      const what = isSilent
        ? `the server was silent for ${silenceMsMax / 1000} s`
        : 'the answer was cut short'
      throw new ClientError('cut-short', what, { cause: error })
    } finally {
      stop()
    }
  }
}
