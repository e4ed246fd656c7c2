/** Contents that a caller may give. */
import type { Body } from './answer-wait.ts'
import { type Bytes, encodeUtf8 } from './bytes.ts'

/** Text is sent as UTF-8. A Blob is read by the runtime, a piece at a time. */
export type Content = string | Bytes | Blob | ReadableStream<Uint8Array>

/** A text is sent as bytes, because `fetch` gives a text a content type. */
export const bodyOf = (content: Content): Exclude<Body, undefined> =>
  typeof content === 'string' ? encodeUtf8(content) : content

/** Null for a stream. */
export function sizeOf(body: Body): number | null {
  if (body instanceof Blob) return body.size
  return body instanceof Uint8Array ? body.length : null
}
