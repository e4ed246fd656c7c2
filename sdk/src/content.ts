/** Contents that a caller may give. */
import type { Body } from './answer-wait.ts'
import { type Bytes, encodeUtf8 } from './bytes.ts'
import { isBrowser } from './runtime.ts'

/** Text is sent as UTF-8. A Blob is read by the runtime, a piece at a time. */
export type Content = string | Bytes | Blob | ReadableStream<Uint8Array>

/** A text is sent as bytes, because `fetch` gives a text a content type. */
export function bodyOf(content: Content): Exclude<Body, undefined> {
  const body = typeof content === 'string' ? encodeUtf8(content) : content
  // Chromium sends 8 MiB of a Blob in 0.7 s, and of an array in 3.4.
  return isBrowser && body instanceof Uint8Array ? new Blob([body]) : body
}

/** Null for a stream. */
export function sizeOf(body: Body): number | null {
  if (body instanceof Blob) return body.size
  return body instanceof Uint8Array ? body.length : null
}
