/** The content of a file as it comes, or an error: believed no further than to the size that was announced. */
import type { Client } from '../../../sdk/src/client.ts'
import type { Reading } from '../../../sdk/src/wishes.ts'
import { UserError } from '../../lib/user-error.ts'
import { showPath } from '../command/server-path.ts'

interface Received {
  readonly bytes: number
  readonly cp: number
  readonly etag: string
  readonly headers: Headers
}

/**
 * Receives the whole content or throws: an answer that ends early is not a file, and neither is an answer with
 * another size or entity tag than the caller knows.
 */
export async function receive(
  client: Client,
  path: readonly string[],
  reading: Reading,
  known: { readonly size?: number; readonly etag?: string },
  take: (chunk: Uint8Array) => Promise<void> | void,
): Promise<Received> {
  const content = await client.get(showPath(path), reading)
  const { cp, etag, headers } = content
  const size = known.size ?? content.size
  if (known.etag !== undefined && etag !== known.etag) {
    content.cancel()
    throw new UserError('the server answered with another file than it listed')
  }
  if (size !== null && content.size !== null && content.size !== size) {
    content.cancel()
    throw new UserError(`got ${content.size} bytes instead of ${size}`)
  }
  let bytes = 0
  try {
    for await (const piece of content) {
      bytes += piece.length
      if (size !== null && bytes > size) throw new UserError(`got more than ${size} bytes`)
      await take(piece)
    }
  } catch (error) {
    // The rest is not wanted, and must not gather in memory meanwhile.
    content.cancel()
    throw error
  }
  if (size !== null && bytes !== size) throw new UserError(`got ${bytes} bytes instead of ${size}`)
  return { bytes, cp, etag, headers }
}

export function listedContent(content: string, size: number): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = Uint8Array.fromBase64(content, { lastChunkHandling: 'strict' })
  } catch (error) {
    throw new UserError('the listed content is no base64', { cause: error })
  }
  if (bytes.length !== size) throw new UserError(`got ${bytes.length} bytes instead of ${size}`)
  return bytes
}
