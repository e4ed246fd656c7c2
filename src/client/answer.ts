/**
 * One answer of a server, read to its end or not believed.
 *
 * - A server that falls silent for `silenceMsMax` ends the request: no caller waits for ever.
 * - An answer in memory has a bound, because an answer may be endless.
 * - A content says where the content ends, so a connection that is cut is never the end of a content; a digest that
 *   the server sends is compared with the bytes.
 *
 * Errors: UserError with one sentence.
 */
import type { Clock } from '../lib/clock.ts'
import { UserError } from '../lib/user-error.ts'

/** Longest time between two pieces of an answer. */
const silenceMsMax = 60_000

export class Answer {
  readonly status: number
  readonly headers: Headers

  constructor(
    private readonly response: Response,
    private readonly clock: Clock,
    private readonly abort: (reason: Error) => void,
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
    if (length === null && this.headers.get('Transfer-Encoding') === null) {
      this.cancel()
      throw new UserError('the answer does not say where it ends')
    }
    const digests = digestsOf(this.headers)
    let bytes = 0
    for await (const piece of this.pieces()) {
      bytes += piece.length
      for (const { hasher } of digests) hasher.update(piece)
      yield piece
    }
    if (length !== null && bytes !== Number(length))
      throw new UserError(`got ${bytes} bytes instead of ${length}`)
    for (const { hasher, wanted, name } of digests)
      if (hasher.digest('base64') !== wanted) throw new UserError(`the content does not match its ${name}`)
  }

  /** At most the first `bytesMax` bytes; `isWhole` is false when there are more. */
  async text(bytesMax: number): Promise<{ readonly text: string; readonly isWhole: boolean }> {
    const pieces: Uint8Array[] = []
    let bytes = 0
    for await (const piece of this.pieces()) {
      const fits = piece.subarray(0, bytesMax - bytes)
      pieces.push(fits)
      bytes += fits.length
      if (fits.length < piece.length) return { text: Buffer.concat(pieces).toString(), isWhole: false }
    }
    return { text: Buffer.concat(pieces).toString(), isWhole: true }
  }

  /** Gives the connection up. */
  cancel(): void {
    this.abort(new Error('nobody reads the answer any more'))
  }

  private async heard<T>(work: Promise<T>): Promise<T> {
    let isSilent = false
    const stop = this.clock.after(silenceMsMax, () => {
      isSilent = true
      this.cancel()
    })
    try {
      return await work
    } catch (error) {
      const what = isSilent
        ? `the server was silent for ${silenceMsMax / 1000} s`
        : 'the answer was cut short'
      throw new UserError(what, { cause: error })
    } finally {
      stop()
    }
  }
}

/** Digests of RFC 9530 that the server sends; digests of other algorithms say nothing here. */
function digestsOf(headers: Headers) {
  const digests: { readonly name: string; readonly wanted: string; readonly hasher: Bun.CryptoHasher }[] = []
  for (const name of ['Content-Digest', 'Repr-Digest'])
    for (const member of (headers.get(name) ?? '').split(',')) {
      const [, algorithm, wanted] = /^\s*sha-(256|512)=:([A-Za-z0-9+/]+={0,2}):\s*$/.exec(member) ?? []
      if (wanted === undefined) continue
      digests.push({ name, wanted, hasher: new Bun.CryptoHasher(algorithm === '256' ? 'sha256' : 'sha512') })
    }
  return digests
}
