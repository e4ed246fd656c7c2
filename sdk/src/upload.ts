/**
 * A large file in parts. The parts go to a file beside the target, `.upload-ID`, and a move puts that file in its place
 * in one step: no reader ever sees half of it.
 *
 * - A part is written at its offset, under the condition that the version is the one that this upload has made. So a
 *   part is never written twice, and never after a gap that a crash of the server has left.
 * - A part in doubt is decided by the size that the server has.
 * - With an `id` of the caller, what has arrived stays when the upload fails, and the next call with this `id` goes on
 *   from there. Otherwise it is deleted.
 *
 * Memory: one part of a stream; a Blob is read by the runtime.
 */
import { ClientError, isClientError } from './client-error.ts'
import type { Content } from './content.ts'
import type { Opened, PatchedFile, Stat, WrittenEntry } from './contract.ts'
import { type Part, type Source, bytesOfPart, partsOf, totalOf } from './parts.ts'
import { splitPath } from './paths.ts'
import { isInDoubt } from './retry.ts'
import { randomId } from './timers.ts'
import type { Conditions, SentAttributes, Watched, Writing } from './wishes.ts'

const partBytesDefault = 8 * 2 ** 20

/** `modified` is missing: each part that arrives changes the time. */
export interface UploadOptions extends Omit<SentAttributes, 'modified'>, Writing, Watched {
  /** Names this upload among those into one directory: 1 to 64 letters, digits, `.`, `_`, `-`. */
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
    options: Writing & { readonly overwrite?: boolean },
  ): Promise<Opened<WrittenEntry>>
  remove(path: string): Promise<unknown>
  stat(path: string, signal: AbortSignal | undefined): Promise<Stat>
  delay(attempt: number, error: unknown, signal: AbortSignal | undefined): Promise<void>
  readonly retriesMax: number
}

/** The part of an upload that the server has; null where the server has nothing. */
type Arrived = { readonly size: number; readonly etag: string } | null

export async function upload(
  requests: UploadRequests,
  path: string,
  source: Source,
  options: UploadOptions,
): Promise<Opened<WrittenEntry>> {
  const { id = randomId(), partBytes = partBytesDefault, overwrite = true, signal, onProgress } = options
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(id))
    throw new ClientError(
      'bad-parameter',
      'the id of an upload has 1 to 64 letters, digits, ".", "_" and "-"',
    )
  if (!(partBytes >= 1)) throw new ClientError('bad-parameter', 'a part has at least one byte')
  const { directory } = splitPath(path)
  const beside = `${directory}${directory === '' ? '' : '/'}.upload-${id}`
  const { mode, contentType, meta, durability, mirrors, wait } = options
  const attributes = { mode, contentType, meta }
  const totalBytes = totalOf(source)

  const look = async (): Promise<Arrived> => {
    try {
      return await requests.stat(beside, signal)
    } catch (error) {
      if (isClientError(error, 'not-found')) return null
      throw error
    }
  }
  /** Writes one part after what has arrived, once, however often the part has to be sent. */
  const send = async (part: Part, before: Arrived): Promise<NonNullable<Arrived>> => {
    const offset = before?.size ?? 0
    const size = offset + bytesOfPart(part)
    let arrived = before
    for (let attempt = 0; ; attempt++) {
      try {
        return arrived === null
          ? await requests.put(beside, part, { ...attributes, ifNoneMatch: '*', signal })
          : await requests.patch(beside, offset, part, { ifMatch: arrived.etag, signal })
      } catch (error) {
        const mayHelp = isInDoubt(error) || isClientError(error, 'precondition-failed')
        if (!mayHelp || attempt >= requests.retriesMax) throw error
        await requests.delay(attempt, error, signal)
        arrived = await look()
        if (arrived?.size === size) return arrived
        if ((arrived?.size ?? 0) !== offset)
          throw new ClientError('precondition-failed', `somebody else writes to ${beside}`, { cause: error })
      }
    }
  }
  const finish = async (arrived: NonNullable<Arrived>): Promise<Opened<WrittenEntry>> => {
    const wish = { durability, mirrors, wait, signal }
    for (let attempt = 0; ; attempt++) {
      try {
        return await requests.move(beside, path, { ...wish, overwrite })
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
    for await (const part of partsOf(source, arrived?.size ?? 0, partBytes)) {
      arrived = await send(part, arrived)
      onProgress?.({ sentBytes: arrived.size, totalBytes })
    }
    arrived ??= await send(new Uint8Array(0), null)
    return await finish(arrived)
  } catch (error) {
    // The failure that the caller hears of is the first one; a file that stays is in the way of nobody.
    if (options.id === undefined && arrived !== null) await requests.remove(beside).catch(() => {})
    throw error
  }
}
