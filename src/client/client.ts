/**
 * A typed client of the published HTTP contract, over fetch. The client knows nothing about a server but the
 * contract.
 *
 * Errors: ApiError when the server refuses, UnreachableError when no answer comes, UserError for a senseless answer.
 */
import { UserError } from '../lib/user-error.ts'
import { UnreachableError } from './unreachable-error.ts'
import { encodePath } from './url-path.ts'

export interface RemoteStat {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'link'
  readonly size: number
  readonly etag: string
  readonly contentType: string | null
  readonly created: string
  readonly modified: string
  /** Permission bits, octal. */
  readonly mode: string
  readonly cp: number
  readonly target?: string
}

export interface RemoteEntry extends RemoteStat {
  readonly name: string
  /** Content in base64; present for some small files, when the caller asked for contents. */
  readonly content?: string
}

export interface Page {
  readonly cp: number
  readonly path: string
  readonly entries: readonly RemoteEntry[]
  readonly next: string | null
}

interface Written {
  readonly path: string
  readonly size?: number
  readonly etag: string
  readonly cp: number
  readonly durability: string
}

export interface ListedCp {
  readonly cp: number
  readonly epoch: number
  readonly rootHash: string
  readonly cause: string
  readonly committedAt: string
  readonly blocksWritten: number
  readonly bytesWritten: number
  readonly coalesced: number
  readonly retained: boolean
}

export interface RemoteMirror {
  readonly id: string
  readonly url: string
  readonly state: string
  readonly cp: number | null
  readonly lagCps: number | null
  readonly lagMs: number | null
  /** Bytes on the primary that are kept for the mirror alone. */
  readonly heldBytes: number | null
  readonly needs: string | null
}

/** Attributes that a writer gives to an entry. */
export interface SentAttributes {
  readonly mode?: number
  /** RFC 3339. */
  readonly modified?: string
  readonly contentType?: string
}

/** The image to read: the newest, exactly `cp`, an image that is no older than `minCp`, or the newest of a time. */
export interface Reading {
  readonly cp?: number | undefined
  readonly at?: string | undefined
  readonly minCp?: number | undefined
  /** Longest wait for a CP that is yet to come, in seconds. */
  readonly wait?: number | undefined
}

export interface Writing {
  readonly durability?: string | undefined
  readonly mirrors?: number | undefined
  readonly wait?: number | undefined
}

/** Options that stay the same for all pages of a listing. */
export interface PageOptions {
  readonly recursive?: boolean | undefined
  readonly limit?: number
  /** Files up to this size, in bytes, bring their content. */
  readonly content?: number
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>
export type Fetch = (url: string, init: BunFetchRequestInit) => Promise<Response>

export class ApiError extends Error {
  override readonly name = 'ApiError'
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(`${detail} (${code})`)
  }
}

/** Limit for the text of an answer: an error page of another kind of server may be long. */
const errorBytesMax = 64 * 1024

export class Client {
  readonly url: string
  private readonly fetch: Fetch

  constructor(url: string, fetcher: Fetch = fetch) {
    const parsed = URL.parse(url)
    if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:'))
      throw new UserError(`--url is not an http or https URL: ${url}`)
    this.url = `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`
    this.fetch = fetcher
  }

  stat(path: readonly string[], reading: Reading = {}): Promise<RemoteStat> {
    return this.json('GET', target('/v1/stat', path), { ...reading })
  }

  list(path: readonly string[], options: Reading & PageOptions & { cursor?: string }): Promise<Page> {
    return this.json('GET', target('/v1/dirs', path), { ...options })
  }

  /** Yields every entry from a first page on, all of the CP of that page. */
  async *pages(path: readonly string[], first: Page, options: PageOptions): AsyncGenerator<RemoteEntry> {
    let page = first
    for (;;) {
      // The next page is on its way while the caller works through this page.
      const next = page.next === null ? null : this.list(path, { ...options, cursor: page.next })
      // The caller hears of a failure at the `await` below; a caller that stops earlier does not need to.
      next?.catch(() => {})
      yield* page.entries
      if (!next) return
      page = await next
    }
  }

  /**
   * The body of the response is the content; a caller that does not read the body to its end has to cancel the body.
   */
  get(path: readonly string[], reading: Reading = {}): Promise<Response> {
    return this.request('GET', target('/v1/files', path), { ...reading })
  }

  put(
    path: readonly string[],
    body: Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array>,
    attributes: SentAttributes,
    writing: Writing = {},
  ): Promise<Written> {
    return this.json(
      'PUT',
      target('/v1/files', path),
      { ...writing },
      { body, headers: headersOf(attributes) },
    )
  }

  /** Stores all files or none. */
  async putAll(
    files: readonly {
      readonly path: readonly string[]
      readonly bytes: Uint8Array
      readonly attributes: SentAttributes
    }[],
    writing: Writing = {},
  ): Promise<void> {
    const operations = files.map(({ path, bytes, attributes }) => ({
      op: 'put',
      path: path.join('/'),
      content: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'),
      ...fieldsOf(attributes),
    }))
    await this.json('POST', '/v1/batch', { ...writing }, jsonBody({ operations }))
  }

  putLink(
    path: readonly string[],
    linkTarget: string,
    attributes: SentAttributes,
    writing: Writing = {},
  ): Promise<Written> {
    const headers = { ...headersOf(attributes), 'Stillpoint-Link': encodeHeader(linkTarget) }
    return this.json('PUT', target('/v1/files', path), { ...writing }, { headers })
  }

  makeDirectory(
    path: readonly string[],
    attributes: SentAttributes,
    writing: Writing = {},
  ): Promise<Written> {
    return this.json('PUT', target('/v1/dirs', path), { ...writing }, { headers: headersOf(attributes) })
  }

  async deleteFile(path: readonly string[]): Promise<void> {
    await this.discard('DELETE', target('/v1/files', path), {})
  }

  async deleteDirectory(path: readonly string[], recursive: boolean): Promise<void> {
    await this.discard('DELETE', target('/v1/dirs', path), recursive ? { recursive } : {})
  }

  move(from: string, to: string, overwrite: boolean): Promise<Written> {
    return this.json('POST', '/v1/move', {}, jsonBody({ from, to, overwrite }))
  }

  /** Takes a consistency point now and waits for it; when nothing is dirty, the result is the last one. */
  takeCp(): Promise<ListedCp> {
    return this.json('POST', '/v1/cps', {})
  }

  async newestCp(): Promise<ListedCp | null> {
    const page = await this.json<{ items: readonly ListedCp[] }>('GET', '/v1/cps', { limit: 1 })
    return page.items[0] ?? null
  }

  async mirrors(): Promise<readonly RemoteMirror[]> {
    return (await this.json<{ items: readonly RemoteMirror[] }>('GET', '/v1/mirrors', {})).items
  }

  /** `code` is the pairing code that a new mirror shows. */
  addMirror(url: string, code?: string): Promise<RemoteMirror> {
    return this.json('POST', '/v1/mirrors', {}, jsonBody(code === undefined ? { url } : { url, code }))
  }

  async removeMirror(id: string): Promise<void> {
    await this.discard('DELETE', `/v1/mirrors/${encodeURIComponent(id)}`, {})
  }

  /** Gives any answer, also a refusal, for questions to a server that may not be ready or may have another role. */
  async probe(path: string): Promise<{ status: number; body: unknown }> {
    const response = await this.send('GET', path, {}, {})
    const text = await limitedText(response)
    try {
      return { status: response.status, body: JSON.parse(text) as unknown }
    } catch {
      return { status: response.status, body: text }
    }
  }

  private async json<T>(
    method: string,
    path: string,
    query: Query,
    init: BunFetchRequestInit = {},
  ): Promise<T> {
    const response = await this.request(method, path, query, init)
    try {
      return (await response.json()) as T
    } catch (error) {
      throw new UserError(`${this.url} did not answer with JSON: is it a Stillpoint server?`, {
        cause: error,
      })
    }
  }

  private async discard(method: string, path: string, query: Query): Promise<void> {
    await (await this.request(method, path, query)).arrayBuffer()
  }

  private async request(
    method: string,
    path: string,
    query: Query,
    init: BunFetchRequestInit = {},
  ): Promise<Response> {
    const response = await this.send(method, path, query, init)
    if (response.ok) return response
    throw await refusal(response)
  }

  private async send(
    method: string,
    path: string,
    query: Query,
    init: BunFetchRequestInit,
  ): Promise<Response> {
    const parameters = new URLSearchParams()
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) parameters.set(name, String(value))
    const url = `${this.url}${path}${parameters.size > 0 ? `?${parameters.toString()}` : ''}`
    try {
      // The request has no limit of time: a large upload may wait for space, and the server bounds its own waiting.
      return await this.fetch(url, { redirect: 'error', ...init, method, timeout: false })
    } catch (error) {
      throw noAnswer(this.url, error)
    }
  }
}

/** Largest number of entries that a page may have. */
export const pageEntries = 1000

/** The addresses `/v1/dirs` and `/v1/stat` without a path mean the root. */
const target = (prefix: string, path: readonly string[]): string =>
  path.length === 0 ? prefix : `${prefix}/${encodePath(path)}`

/** Attributes in their JSON form; JSON leaves out an attribute that is undefined. */
function fieldsOf({ mode, modified, contentType }: SentAttributes) {
  return {
    mode: mode === undefined ? undefined : (mode & 0o7777).toString(8).padStart(4, '0'),
    modified,
    contentType,
  }
}

function headersOf(attributes: SentAttributes): Record<string, string> {
  const { mode, modified, contentType } = fieldsOf(attributes)
  const headers: Record<string, string> = {}
  if (mode !== undefined) headers['Stillpoint-Mode'] = mode
  if (modified !== undefined) headers['Stillpoint-Modified'] = modified
  if (contentType !== undefined) headers['Content-Type'] = contentType
  return headers
}

const jsonBody = (value: unknown): BunFetchRequestInit => ({
  body: JSON.stringify(value),
  headers: { 'Content-Type': 'application/json' },
})

/** Percent-encodes every character but letters, digits and a few marks, so the header is visible ASCII. */
const encodeHeader = (value: string): string => encodeURIComponent(value)

async function refusal(response: Response): Promise<ApiError> {
  const text = await limitedText(response)
  try {
    const problem = JSON.parse(text) as Record<string, unknown>
    const { code, detail, title } = problem
    if (typeof code === 'string') return new ApiError(response.status, code, oneLine(detail ?? title ?? code))
  } catch {
    // The body is no problem document; the error below says so.
  }
  return new ApiError(response.status, String(response.status), 'the server refused without saying why')
}

async function limitedText(response: Response): Promise<string> {
  const text = await response.text()
  return text.slice(0, errorBytesMax)
}

const oneLine = (value: unknown): string => String(value).replace(/\s+/g, ' ')

/** Codes of the file system for a body that is a local file. */
const localCodes: ReadonlySet<string> = new Set(['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'EIO'])

function noAnswer(url: string, error: unknown): UserError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (localCodes.has(code)) return new UserError(`the file could not be read: ${code}`, { cause: error })
  const reason = code !== '' ? code : error instanceof Error ? oneLine(error.message) : String(error)
  return new UnreachableError(`cannot reach ${url}: ${reason}`, { cause: error })
}
