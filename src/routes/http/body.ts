/**
 * The bytes of a request. Reading a body throws when the body is cut short, is longer or shorter than declared, or
 * differs from its digest, so a caller that stores the body stores nothing. A caller that stores a body while it comes
 * hears at its end, too, whether the sender may still send it.
 */
import type { Body } from '../../fs/contract.ts'
import { decodeUtf8 } from '../../lib/bytes.ts'
import { type ErrorCode, StillpointError } from '../../lib/errors.ts'
import { type HeaderValues, headerValues } from './header-values.ts'
import { type Digest, parseDigests } from './digest.ts'
import type { Permit } from './permit.ts'
import type { Traffic } from '../limits/traffic.ts'

/** A body up to this size is read in one piece: a stream would cost more than it saves. */
const wholeBodyBytesMax = 64 * 1024
export const jsonBytesMax = 64 * 1024

const bad = (code: ErrorCode, detail: string): never => {
  throw new StillpointError(code, detail)
}

/** Null when the request has no Content-Length. Two headers arrive joined by a comma, and are refused. */
export function contentLength(headers: HeaderValues): number | null {
  const text = headers['content-length']
  if (text === undefined) return null
  const length = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(length)) bad('bad-parameter', 'Content-Length is not one number')
  return length
}

/** Content of a file or of a part. `whole` means that the body is the whole file, so Repr-Digest can be checked. */
export function fileBody(
  request: Request,
  headers: HeaderValues,
  whole: boolean,
  permit: Permit,
  traffic: Traffic,
): Body | Promise<Uint8Array> {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    bad('unsupported-media-type', 'content codings are not supported; send the bytes as they are')
  }
  if (headers['content-range'] !== undefined)
    bad('bad-parameter', 'Content-Range is not supported; PATCH takes ?offset=')
  const reprDigest = headers['repr-digest'] ?? null
  const contentDigest = headers['content-digest'] ?? null
  if (reprDigest !== null && !whole)
    bad('bad-parameter', 'Repr-Digest is of a whole file; use Content-Digest')
  const length = contentLength(headers)
  const digests =
    reprDigest === null && contentDigest === null
      ? noDigests
      : [...parseDigests(reprDigest, 'Repr-Digest'), ...parseDigests(contentDigest, 'Content-Digest')]
  // Asking for `request.body` makes a stream, even where no stream is wanted.
  if (length !== null && length <= wholeBodyBytesMax) return wholeBody(request, length, digests, traffic)
  const { body } = request
  if (body !== null) {
    const pieces = checked(body, length, digests, permit, (bytes) => (traffic.receivedBytes += bytes))
    return { [Symbol.asyncIterator]: () => pieces, release }
  }
  if (length !== null) bad('bad-parameter', 'the body was cut short')
  for (const digest of digests) digest.verify()
  return new Uint8Array(0)
}

const noDigests: readonly Digest[] = []

/**
 * Gives the memory back at once: pieces that wait for the collector are most of the memory that many uploads take.
 */
function release(piece: Uint8Array): void {
  const { buffer } = piece
  if (buffer instanceof ArrayBuffer && piece.length === buffer.byteLength) buffer.transfer(0)
}

async function wholeBody(
  request: Request,
  length: number,
  digests: readonly Digest[],
  traffic: Traffic,
): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await request.bytes()
  } catch (error) {
    throw cutShort(error)
  }
  traffic.receivedBytes += bytes.length
  if (bytes.length < length) bad('bad-parameter', 'the body was cut short')
  if (bytes.length > length) bad('bad-parameter', 'the body is longer than declared')
  for (const digest of digests) digest.update(bytes)
  for (const digest of digests) digest.verify()
  return bytes
}

const cutShort = (cause: unknown): StillpointError =>
  new StillpointError('bad-parameter', 'the body was cut short', {}, { cause })

async function* checked(
  body: ReadableStream<Uint8Array>,
  length: number | null,
  digests: readonly Digest[],
  permit: Permit,
  arrived: (bytes: number) => void = () => {},
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  let received = 0
  let ended = false
  try {
    for (;;) {
      const next = await reader.read().catch((error: unknown) => {
        throw cutShort(error)
      })
      if (next.done) break
      received += next.value.length
      arrived(next.value.length)
      if (length !== null && received > length) bad('bad-parameter', 'the body is longer than declared')
      for (const digest of digests) digest.update(next.value)
      if (next.value.length > 0) yield next.value
    }
    ended = true
    if (length !== null && received !== length) bad('bad-parameter', 'the body was cut short')
    for (const digest of digests) digest.verify()
    await permit.renew()
  } finally {
    // A reader that stops early lets the connection go.
    if (!ended) await reader.cancel().catch(() => {})
  }
}

/** True when the body has at least one byte. Only for requests that must have no body: the bytes are lost. */
export async function hasBody(request: Request, headers: HeaderValues): Promise<boolean> {
  const length = contentLength(headers)
  if (length !== null) return length > 0
  if (request.body === null) return false
  const body: ReadableStream<Uint8Array> = request.body
  const reader = body.getReader()
  for (;;) {
    const next = await reader.read()
    if (next.done) return false
    if (next.value.length === 0) continue
    await reader.cancel().catch(() => {})
    return true
  }
}

/** Reads a JSON value of at most `bytesMax` bytes; a schema has to check the shape of the value. */
export async function jsonBody(request: Request, bytesMax: number, permit: Permit): Promise<unknown> {
  const type = (request.headers.get('Content-Type') ?? '').split(';')[0]!.trim().toLowerCase()
  if (type !== 'application/json') bad('unsupported-media-type', 'send JSON, declared as application/json')
  const encoding = request.headers.get('Content-Encoding')
  if (encoding !== null && encoding.trim().toLowerCase() !== 'identity') {
    bad('unsupported-media-type', 'content codings are not supported')
  }
  const tooLarge = `the body is at most ${bytesMax} bytes`
  const length = contentLength(headerValues(request.headers))
  if (length !== null && length > bytesMax) bad('too-large', tooLarge)
  const parts: Uint8Array[] = []
  let received = 0
  if (request.body !== null) {
    for await (const part of checked(request.body, length, [], permit)) {
      received += part.length
      if (received > bytesMax) bad('too-large', tooLarge)
      parts.push(part)
    }
  }
  try {
    const text = decodeUtf8(Buffer.concat(parts))
    return mayNamePrototype.test(text) ? JSON.parse(text, refusePrototype) : JSON.parse(text)
  } catch (error) {
    if (error instanceof StillpointError) throw error
    return bad('bad-json', 'the body is not JSON in UTF-8')
  }
}

/**
 * Text that may name `__proto__`, also in escapes. Looking at each name of every body would cost more than parsing
 * the body.
 */
const mayNamePrototype = /__proto__|\\u00[567]/i

/** The schemas would leave out the name `__proto__` without a word. */
function refusePrototype(name: string, value: unknown): unknown {
  return name === '__proto__' ? bad('bad-json', 'no name may be __proto__') : value
}
