/**
 * The content of a file, of one version. The caller reads it to the end, once, or gives it up with `cancel`.
 *
 * A content that is cut is asked for again from where it was cut, of the same version, wherever that version is. An answer
 * that has other bytes than are missing is not believed, so that versions are never mixed.
 *
 * Errors: ClientError `cut-short` when it could not be had to its end, `digest-mismatch`, `precondition-failed` when the
 * version is gone meanwhile.
 */
import type { Answer } from './answer.ts'
import { metaIn } from './attributes.ts'
import { type Bytes, concat, decodeUtf8 } from './bytes.ts'
import { ClientError, isClientError } from './client-error.ts'
import { bytesOf } from './extent.ts'

/** A hash that takes its input in pieces, as `createHash` of `node:crypto` makes them. */
export type CreateHash = (algorithm: 'sha256' | 'sha512') => {
  update(bytes: Uint8Array): unknown
  digest(encoding: 'base64'): string
}

export interface FileReading {
  readonly createHash: CreateHash | null
  readonly onProgress:
    ((received: { readonly receivedBytes: number; readonly totalBytes: number | null }) => void) | undefined
  /** Asks for the rest, from so many bytes of this content on. `attempt` counts from 0; null when there were enough. */
  readonly again: (bytes: number, attempt: number, error: unknown) => Promise<Answer | null>
}

export class RemoteFile implements AsyncIterable<Uint8Array> {
  readonly etag: string
  readonly headers: Headers
  private isGivenUp = false
  private bytesWanted: number | null

  constructor(
    /** The consistency point that has, or will have, this version. */
    readonly cp: number,
    private answer: Answer,
    private readonly reading: FileReading,
  ) {
    this.headers = answer.headers
    this.etag = answer.headers.get('ETag') ?? ''
    this.bytesWanted = bytesOf(answer)
  }

  get contentType(): string | null {
    return this.headers.get('Content-Type')
  }

  /** RFC 3339. */
  get modified(): string | null {
    return this.headers.get('Stillpoint-Modified')
  }

  /** In a browser the metadata of a server of another origin is only in `stat`. */
  get meta(): Readonly<Record<string, string>> {
    return metaIn(this.headers)
  }

  /** Bytes of this content; null where the answer, which is a long one, does not say. */
  get size(): number | null {
    return this.bytesWanted
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const { createHash, onProgress } = this.reading
    const digests = createHash === null ? [] : digestsOf(this.answer, createHash)
    const totalBytes = this.size
    let receivedBytes = 0
    for await (const piece of this.toTheEnd()) {
      receivedBytes += piece.length
      for (const { hash } of digests) hash.update(piece)
      onProgress?.({ receivedBytes, totalBytes })
      yield piece
    }
    for (const { hash, wanted, name } of digests)
      if (hash.digest('base64') !== wanted)
        throw new ClientError('digest-mismatch', `the content does not match its ${name}`)
  }

  stream(): ReadableStream<Bytes> {
    const pieces = this[Symbol.asyncIterator]()
    return new ReadableStream<Bytes>(
      {
        async pull(controller) {
          const next = await pieces.next()
          if (next.done === true) controller.close()
          else controller.enqueue(next.value as Bytes)
        },
        cancel: async () => {
          this.cancel()
          await pieces.return(undefined)
        },
      },
      { highWaterMark: 0 },
    )
  }

  async bytes(): Promise<Bytes> {
    const pieces: Uint8Array[] = []
    for await (const piece of this) pieces.push(piece)
    return concat(pieces)
  }

  async text(): Promise<string> {
    return decodeUtf8(await this.bytes())
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text()) as unknown
  }

  /** Gives the connection up. */
  cancel(): void {
    this.isGivenUp = true
    this.answer.cancel()
  }

  private async *toTheEnd(): AsyncGenerator<Uint8Array> {
    let bytes = 0
    for (let attempt = 0; ;) {
      try {
        for await (const piece of this.answer.content()) {
          this.expect(this.bytesWanted === null || bytes + piece.length <= this.bytesWanted)
          bytes += piece.length
          attempt = 0
          yield piece
        }
        if (bytes === (this.bytesWanted ?? bytes)) return
        throw new ClientError('cut-short', `got ${bytes} bytes instead of ${this.bytesWanted}`)
      } catch (error) {
        if (this.isGivenUp || !isClientError(error, 'cut-short')) throw error
        // The end that a broken connection did not tell is known all the same.
        if (bytes === this.bytesWanted) return
        const next = await this.reading.again(bytes, attempt++, error)
        if (next === null) throw error
        this.answer = next
        const wanted = bytes + bytesOf(next)!
        this.expect(wanted === (this.bytesWanted ?? wanted))
        this.bytesWanted = wanted
      }
    }
  }

  private expect(isSensible: boolean): void {
    if (isSensible) return
    this.answer.cancel()
    throw new ClientError('bad-answer', 'the server gave other bytes than those that were asked for')
  }
}

/** Digests of RFC 9530 that the server sends; digests of other algorithms say nothing here. */
function digestsOf({ status, headers }: Answer, createHash: CreateHash) {
  const digests: {
    readonly name: string
    readonly wanted: string
    readonly hash: ReturnType<CreateHash>
  }[] = []
  // The digest of the representation is that of the whole file, also where the answer has a part.
  for (const name of status === 206 ? ['Content-Digest'] : ['Content-Digest', 'Repr-Digest'])
    for (const member of (headers.get(name) ?? '').split(',')) {
      const [, bits, wanted] = /^\s*sha-(256|512)=:([A-Za-z0-9+/]+={0,2}):\s*$/.exec(member) ?? []
      if (wanted === undefined) continue
      digests.push({ name, wanted, hash: createHash(bits === '256' ? 'sha256' : 'sha512') })
    }
  return digests
}
