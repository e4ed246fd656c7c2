/**
 * A large file in parts. The parts go to a file beside the target, `.upload-ID`, and a move puts that file in its place
 * in one step: no reader ever sees half of it.
 *
 * - A part is written at its offset, under the condition that the version is the one that this upload has made. So a
 *   part is never written twice, and never after a gap that a crash of the server has left.
 * - A part in doubt is decided by the bytes that the server has: they are read back and compared. So two uploads with one
 *   `id` are never mixed, whoever of them is faster.
 * - With an `id` of the caller, what has arrived stays when the upload fails, and the next call with this `id` goes on
 *   from there, when its content begins with what has arrived and it names no other attributes. Otherwise it is deleted.
 *
 * Memory: one part of a stream, and of what is compared; a Blob that is sent is read by the runtime.
 */
import { differingAttribute } from './attributes.ts'
import { isSame } from './bytes.ts'
import { ClientError, isClientError } from './client-error.ts'
import type { Content } from './content.ts'
import type { Opened, PatchedFile, Stat, WrittenEntry } from './contract.ts'
import { checkNumbers } from './numbers.ts'
import { type Part, type Source, bytesOf, bytesOfPart, partsOf, sliceOf, totalOf } from './parts.ts'
import { splitPath } from './paths.ts'
import { isInDoubt } from './retry.ts'
import { randomId } from './timers.ts'
import type { Conditions, Range, SentAttributes, Watched, Writing } from './wishes.ts'

const partBytesDefault = 8 * 2 ** 20

/** `modified` is missing: each part that arrives changes the time. */
export interface UploadOptions extends Omit<SentAttributes, 'modified'>, Writing, Watched {
  /**
   * Names this upload among those into one directory, so that another call may go on with it: 1 to 64 letters, digits, `.`,
   * `_`, `-`. What has arrived is read back and compared; of a source that is a function, its last part.
   */
  readonly id?: string | undefined
  /** Bytes of one request, and of memory where the source is a stream (default 8 MiB). */
  readonly partBytes?: number | undefined
  /** Replaces what is there (default true). */
  readonly overwrite?: boolean | undefined
}

/** The requests that an upload is made of. */
export interface UploadRequests {
  put(
    path: string,
    content: Content,
    options: SentAttributes & Writing & Conditions,
  ): Promise<Opened<WrittenEntry>>
  patch(path: string, offset: number, content: Content, options: Writing & Conditions): Promise<PatchedFile>
  move(
    from: string,
    to: string,
    options: Writing & Pick<Conditions, 'ifMatch'> & { readonly overwrite?: boolean },
  ): Promise<Opened<WrittenEntry>>
  remove(path: string): Promise<unknown>
  stat(path: string, signal: AbortSignal | undefined): Promise<Stat>
  /** A part of one version, from the primary. */
  read(
    path: string,
    range: Range,
    etag: string,
    signal: AbortSignal | undefined,
  ): Promise<AsyncIterable<Uint8Array>>
  delay(attempt: number, error: unknown, signal: AbortSignal | undefined): Promise<void>
  readonly retriesMax: number
}

/** Size and version of what the server has of an upload; null where the server has nothing. */
type Arrived = Pick<Stat, 'size' | 'etag'> | null

export async function upload(
  requests: UploadRequests,
  path: string,
  source: Source,
  options: UploadOptions,
): Promise<Opened<WrittenEntry>> {
  // The wishes for the last step, too: no upload runs for an hour to find out about them.
  const { mode, contentType, meta, durability, mirrors, wait } = options
  checkNumbers({ partBytes: options.partBytes, mirrors, wait, mode })
  const { id = randomId(), partBytes = partBytesDefault, overwrite = true, signal, onProgress } = options
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(id))
    throw new ClientError(
      'bad-parameter',
      'the id of an upload has 1 to 64 letters, digits, ".", "_" and "-"',
    )
  const { directory } = splitPath(path)
  const beside = `${directory}${directory === '' ? '' : '/'}.upload-${id}`
  const attributes = { mode, contentType, meta }
  const totalBytes = totalOf(source)

  /** Throws where the file that is there was begun with other attributes than this call names. */
  const look = async (): Promise<Arrived> => {
    try {
      const found = await requests.stat(beside, signal)
      const differing = differingAttribute(attributes, found)
      if (differing === null) return found
      throw refused(`${beside} was begun with another ${differing}: name the same, or another id`)
    } catch (error) {
      if (isClientError(error, 'not-found')) return null
      throw error
    }
  }
  /** Whether the version that the server has contains this part at this offset. */
  const isThere = async (part: Part, offset: number, { etag }: NonNullable<Arrived>): Promise<boolean> => {
    const length = bytesOfPart(part)
    if (length === 0) return true
    const wanted = await bytesOf(part)
    let at = 0
    for await (const piece of await requests.read(beside, { offset, length }, etag, signal)) {
      if (!isSame(piece, wanted.subarray(at, at + piece.length))) return false
      at += piece.length
    }
    return at === length
  }
  /** Writes one part after what has arrived, once, however often the part has to be sent. */
  const send = async (part: Part, arrived: Arrived): Promise<NonNullable<Arrived>> => {
    const offset = arrived?.size ?? 0
    const size = offset + bytesOfPart(part)
    for (let attempt = 0; ; attempt++) {
      try {
        const sent =
          arrived === null
            ? await requests.put(beside, part, { ...attributes, ifNoneMatch: '*', signal })
            : await requests.patch(beside, offset, part, { ifMatch: arrived.etag, signal })
        expectSize(sent, size)
        return sent
      } catch (error) {
        const mayHelp = isInDoubt(error) || isClientError(error, 'precondition-failed')
        if (!mayHelp || attempt >= requests.retriesMax) throw error
        await requests.delay(attempt, error, signal)
        const found = await look()
        if (found?.size === size && (await isThere(part, offset, found))) return found
        if (found?.etag !== arrived?.etag || (found?.size ?? 0) !== offset)
          throw refused(`somebody else writes to ${beside}`, error)
      }
    }
  }
  const finish = async (arrived: NonNullable<Arrived>): Promise<Opened<WrittenEntry>> => {
    const wish = { durability, mirrors, wait, signal }
    for (let attempt = 0; ; attempt++) {
      try {
        const moved = await requests.move(beside, path, { ...wish, overwrite, ifMatch: arrived.etag })
        expectSize(moved, arrived.size)
        return moved
      } catch (error) {
        // A browser may have sent the request again by itself, and then the first one has moved the file.
        const mayBeDone = isInDoubt(error) || isClientError(error, 'not-found')
        if (!mayBeDone || attempt >= requests.retriesMax) throw error
        await requests.delay(attempt, error, signal)
        // A file that is moved onto itself stays as it is; the answer says how durable it is.
        if ((await look()) === null && (await requests.stat(path, signal)).etag === arrived.etag)
          return requests.move(path, path, { ...wish, overwrite: true })
      }
    }
  }

  let arrived: Arrived = options.id === undefined ? null : await look()
  try {
    onProgress?.({ sentBytes: arrived?.size ?? 0, totalBytes })
    // A caller that opens its source anywhere wants less read than all: the last part tells one content from another.
    let at = typeof source === 'function' ? Math.max(0, (arrived?.size ?? 0) - partBytes) : 0
    for await (const part of partsOf(source, partBytes, at)) {
      const known = sliceOf(part, 0, Math.max(0, (arrived?.size ?? 0) - at))
      if (arrived !== null && !(await isThere(known, at, arrived)))
        throw refused(`${beside} has another content: delete it, or name another id`)
      at += bytesOfPart(part)
      if (at <= (arrived?.size ?? 0)) continue
      arrived = await send(sliceOf(part, bytesOfPart(known)), arrived)
      onProgress?.({ sentBytes: arrived.size, totalBytes })
    }
    if (at < (arrived?.size ?? 0))
      throw new ClientError(
        'bad-body',
        `${beside} has more bytes than the body: delete it, or name another id`,
      )
    arrived ??= await send(new Uint8Array(0), null)
    return await finish(arrived)
  } catch (error) {
    // The failure that the caller hears of is the first one; a file that stays is in the way of nobody.
    if (options.id === undefined && arrived !== null) await requests.remove(beside).catch(() => {})
    throw error
  }
}

function expectSize({ size }: { readonly size: number }, wanted: number): void {
  if (size !== wanted)
    throw new ClientError('bad-answer', `the server has ${size} bytes of the upload instead of ${wanted}`)
}

const refused = (why: string, cause?: unknown): ClientError =>
  new ClientError('precondition-failed', why, { cause })
