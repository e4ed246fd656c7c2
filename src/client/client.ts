/**
 * A typed client of the published HTTP contract, over fetch. The client knows nothing about a server but the
 * contract.
 *
 * An answer is believed when the answer has the shape of the contract and is about what was asked: the same path,
 * the same CP, as many results as operations. An answer of another endpoint, of another file or of another program is
 * a failure.
 *
 * Errors: ApiError when the server refuses, UnreachableError when no answer comes, UserError for a senseless answer.
 */
import type { Clock } from '../lib/clock.ts'
import { UserError } from '../lib/user-error.ts'
import { Answer } from './answer.ts'
import { ApiError } from './api-error.ts'
import type { NewToken, PageOptions, Reading, SentAttributes, Writing } from './wishes.ts'
import { AnswerWait, type RequestQuery } from './answer-wait.ts'
import {
  type CreatedToken,
  type ListedCp,
  type ListedMirror,
  type ListedToken,
  type Page,
  type RemoteEntry,
  type RemoteStat,
  type RevokedToken,
  type Shape,
  type WrittenAnswer,
  batchAnswer,
  cpList,
  createdToken,
  listedCp,
  mirrorItem,
  mirrorList,
  pageShape,
  remoteStat,
  revokedToken,
  shaped,
  tokenList,
  writtenAnswer,
} from './shapes.ts'
import { UnreachableError } from './unreachable-error.ts'
import { encodePath } from './url-path.ts'

export type Fetch = (url: string, init: BunFetchRequestInit) => Promise<Response>

/** Limit for the text of a refusal: an error page of another kind of server may be long. */
const errorBytesMax = 64 * 1024
/** A sentence that a person reads is no longer than this, in characters. */
const detailMax = 500
/** A page has at most 1000 entries with their metadata, and some MiB of contents. */
const pageBytesMax = 64 * 2 ** 20
const answerBytesMax = 2 ** 20
interface Asked extends BunFetchRequestInit {
  /** Statuses of success; any other status is a refusal. */
  readonly statuses?: readonly number[]
  readonly bytesMax?: number
  /** Hears of each piece of a body that is a stream. */
  readonly onSent?: (bytes: number) => void
}

/** Content of a file. The caller reads `pieces` to the end, or gives the connection up with `cancel`. */
interface RemoteContent {
  readonly cp: number
  readonly etag: string
  readonly headers: Headers
  readonly pieces: AsyncGenerator<Uint8Array>
  cancel(): void
}

export class Client {
  readonly url: string
  private readonly authorization: Readonly<Record<string, string>>

  /** The token goes to this URL alone, in a header: a redirect is an error. */
  constructor(
    url: string,
    private readonly fetch: Fetch,
    private readonly clock: Clock,
    token: string | null = null,
  ) {
    const address = URL.parse(url)
    if (address === null || (address.protocol !== 'http:' && address.protocol !== 'https:'))
      throw new UserError(`--url is not an http or https URL: ${url}`)
    this.url = `${address.origin}${address.pathname.replace(/\/+$/, '')}`
    this.authorization = token === null ? {} : { Authorization: `Bearer ${token}` }
  }

  async stat(path: readonly string[], reading: Reading = {}): Promise<RemoteStat> {
    const stat = await this.json(remoteStat, 'GET', target('/v1/stat', path), { ...reading })
    this.expect(stat.path === path.join('/') && isOfCp(stat.cp, reading))
    return stat
  }

  async list(path: readonly string[], options: Reading & PageOptions & { cursor?: string }): Promise<Page> {
    const query = { ...options }
    const page = await this.json(pageShape, 'GET', target('/v1/dirs', path), query, {
      bytesMax: pageBytesMax,
    })
    // A page without entries has no next page, so a listing always gets on.
    const getsOn = page.next === null || (page.entries.length > 0 && page.next !== options.cursor)
    this.expect(page.path === path.join('/') && isOfCp(page.cp, options) && getsOn)
    return page
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
      this.expect(page.cp === first.cp)
    }
  }

  async get(path: readonly string[], reading: Reading = {}): Promise<RemoteContent> {
    const answer = await this.request('GET', target('/v1/files', path), { ...reading })
    const { headers } = answer
    const cp = /^\d{1,16}$/.test(headers.get('Stillpoint-CP') ?? '')
      ? Number(headers.get('Stillpoint-CP'))
      : null
    const etag = headers.get('ETag')
    if (cp === null || etag === null || !isOfCp(cp, reading)) {
      answer.cancel()
      throw this.senseless()
    }
    return { cp, etag, headers, pieces: answer.content(), cancel: () => answer.cancel() }
  }

  async put(
    path: readonly string[],
    body: Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array>,
    attributes: SentAttributes,
    writing: Writing = {},
  ): Promise<WrittenAnswer> {
    // A file may grow meanwhile; the request sends what the file has now.
    let size = body instanceof Uint8Array ? body.length : body instanceof Blob ? body.size : 0
    const onSent = (bytes: number): void => void (size += bytes)
    const init = { body, headers: headersOf(attributes), onSent }
    const answer = await this.written('PUT', target('/v1/files', path), { ...writing }, path.join('/'), init)
    this.expect(answer.size === size)
    return answer
  }

  /** Stores all files or none. Resolves with the CP that will have them. */
  async putAll(
    files: readonly {
      readonly path: readonly string[]
      readonly bytes: Uint8Array
      readonly attributes: SentAttributes
    }[],
    writing: Writing = {},
  ): Promise<number> {
    const operations = files.map(({ path, bytes, attributes }) => ({
      op: 'put',
      path: path.join('/'),
      content: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'),
      ...fieldsOf(attributes),
    }))
    const answer = await this.json(batchAnswer, 'POST', '/v1/batch', { ...writing }, jsonBody({ operations }))
    this.expect(answer.results.length === files.length)
    return answer.cp
  }

  putLink(
    path: readonly string[],
    linkTarget: string,
    attributes: SentAttributes,
    writing: Writing = {},
  ): Promise<WrittenAnswer> {
    const headers = { ...headersOf(attributes), 'Stillpoint-Link': encodeHeader(linkTarget) }
    return this.written('PUT', target('/v1/files', path), { ...writing }, path.join('/'), { headers })
  }

  makeDirectory(
    path: readonly string[],
    attributes: SentAttributes,
    writing: Writing = {},
  ): Promise<WrittenAnswer> {
    const init = { headers: headersOf(attributes) }
    return this.written('PUT', target('/v1/dirs', path), { ...writing }, path.join('/'), init)
  }

  async deleteFile(path: readonly string[]): Promise<void> {
    await this.discard('DELETE', target('/v1/files', path), {})
  }

  async deleteDirectory(path: readonly string[], recursive: boolean): Promise<void> {
    await this.discard('DELETE', target('/v1/dirs', path), recursive ? { recursive } : {})
  }

  move(from: string, to: string, overwrite: boolean): Promise<WrittenAnswer> {
    return this.written('POST', '/v1/move', {}, to, jsonBody({ from, to, overwrite }))
  }

  async createToken(wish: NewToken): Promise<CreatedToken> {
    const asked = { ...jsonBody(wish), statuses: [201] }
    const made = await this.json(createdToken, 'POST', '/v1/tokens', { durability: 'committed' }, asked)
    this.expect(made.name === wish.name && made.role === wish.role && made.token.startsWith(`sp_${made.id}_`))
    return made
  }

  async listTokens(): Promise<readonly ListedToken[]> {
    const { items } = await this.json(tokenList, 'GET', '/v1/tokens', {})
    return items
  }

  /** Waits for the mirrors, and names the mirrors that have not confirmed. */
  revokeToken(id: string): Promise<RevokedToken> {
    return this.json(revokedToken, 'DELETE', `/v1/tokens/${encodeURIComponent(id)}`, {})
  }

  /** Takes a consistency point now and waits for it; when nothing is dirty, the result is the last one. */
  takeCp(): Promise<ListedCp> {
    return this.json(listedCp, 'POST', '/v1/cps', {}, { statuses: [200, 201] })
  }

  /** The answer to a question, or to a request for the schema, for `sql.ts` to read. */
  sql(
    asked: { readonly method: string; readonly path: string } & BunFetchRequestInit,
    reading: Reading,
  ): Promise<Answer> {
    const { method, path, ...init } = asked
    return this.request(method, path, { ...reading }, init)
  }

  async newestCp(): Promise<ListedCp | null> {
    const page = await this.json(cpList, 'GET', '/v1/cps', { limit: 1 })
    return page.items[0] ?? null
  }

  async mirrors(): Promise<readonly ListedMirror[]> {
    return (await this.json(mirrorList, 'GET', '/v1/mirrors', {})).items
  }

  /** `code` is the pairing code that a new mirror shows. */
  async addMirror(url: string, code?: string): Promise<ListedMirror> {
    const asked = { ...jsonBody(code === undefined ? { url } : { url, code }), statuses: [201, 202] }
    const added = await this.json(mirrorItem, 'POST', '/v1/mirrors', {}, asked)
    this.expect(added.url === url)
    return added
  }

  async removeMirror(id: string): Promise<void> {
    const answer = await this.request(
      'DELETE',
      `/v1/mirrors/${encodeURIComponent(id)}`,
      {},
      { statuses: [204] },
    )
    answer.cancel()
    this.expect((await this.mirrors()).every((mirror) => mirror.id !== id))
  }

  /**
   * Gives the outcome of a question to a server that may not be ready or may have another role: `body` of a success,
   * or else the code of a refusal. Throws when the answer is neither, and when the client may not ask.
   */
  async probe<T>(shape: Shape<T>, path: string): Promise<{ body: T } | { body: null; code: string }> {
    try {
      return { body: await this.json(shape, 'GET', path, {}) }
    } catch (error) {
      if (error instanceof ApiError && error.status !== 401 && error.status !== 403)
        return { body: null, code: error.code }
      throw error
    }
  }

  private async written(
    method: string,
    address: string,
    query: RequestQuery,
    path: string,
    init: Asked,
  ): Promise<WrittenAnswer> {
    const answer = await this.json(writtenAnswer, method, address, query, { ...init, statuses: [200, 201] })
    this.expect(answer.path === path)
    return answer
  }

  private async json<T>(
    shape: Shape<T>,
    method: string,
    path: string,
    query: RequestQuery,
    { bytesMax = answerBytesMax, ...asked }: Asked = {},
  ): Promise<T> {
    const answer = await this.request(method, path, query, asked)
    const { text, isWhole } = await answer.text(bytesMax)
    const value = isWhole && isJson(answer.headers) ? parsed(text) : undefined
    if (value === undefined)
      throw new UserError(`${this.url} did not answer with JSON: is it a Stillpoint server?`)
    const found = shaped(shape, value)
    if (found === null) throw this.senseless()
    return found
  }

  private async discard(method: string, path: string, query: RequestQuery): Promise<void> {
    const answer = await this.request(method, path, query, { statuses: [204] })
    // The server says which CP will have the change; another kind of server says nothing of the kind.
    this.expect(/^\d{1,16}$/.test(answer.headers.get('Stillpoint-CP') ?? ''))
  }

  private async request(
    method: string,
    path: string,
    query: RequestQuery,
    { statuses = [200], ...init }: Asked = {},
  ): Promise<Answer> {
    const answer = await this.send(method, path, query, init)
    if (statuses.includes(answer.status)) return answer
    if (answer.status < 400) {
      answer.cancel()
      throw this.senseless()
    }
    throw await refusal(answer)
  }

  private async send(
    method: string,
    path: string,
    query: RequestQuery,
    { onSent = () => {}, ...init }: Asked,
  ): Promise<Answer> {
    const parameters = new URLSearchParams()
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) parameters.set(name, String(value))
    const url = `${this.url}${path}${parameters.size > 0 ? `?${parameters.toString()}` : ''}`
    const aborting = new AbortController()
    const { signal } = aborting
    const abort = (reason: Error): void => aborting.abort(reason)
    const wait = new AnswerWait(this.clock, query, () => abort(new Error('the server does not answer')))
    try {
      const headers = { ...(init.headers as Record<string, string> | undefined), ...this.authorization }
      const options = {
        redirect: 'error',
        ...init,
        ...wait.watched(init, onSent),
        headers,
        method,
        timeout: false,
        signal,
      } as const
      return new Answer(await this.fetch(url, options), this.clock, abort)
    } catch (error) {
      throw noAnswer(this.url, error)
    } finally {
      wait.end()
    }
  }

  private expect(isSensible: boolean): void {
    if (!isSensible) throw this.senseless()
  }

  private senseless(): UserError {
    return new UserError(`${this.url} gave an answer to something else: is it a Stillpoint server?`)
  }
}

function isOfCp(cp: number, { cp: wanted, minCp }: Reading): boolean {
  return (wanted === undefined || cp === wanted) && (minCp === undefined || cp >= minCp)
}

const isJson = (headers: Headers): boolean =>
  /^application\/json\s*(?:;|$)/i.test(headers.get('Content-Type') ?? '')

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
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

async function refusal(answer: Answer): Promise<ApiError> {
  const { text } = await answer.text(errorBytesMax)
  const problem = parsed(text)
  if (typeof problem === 'object' && problem !== null && 'code' in problem) {
    const { code } = problem
    const detail =
      'detail' in problem ? problem.detail : 'title' in problem ? problem.title : 'the server refused'
    // A code is a word; anything else comes from another program.
    if (typeof code === 'string' && /^[a-z-]{1,40}$/.test(code))
      return new ApiError(answer.status, code, oneLine(detail))
  }
  return new ApiError(answer.status, String(answer.status), 'the server refused without saying why')
}

function oneLine(value: unknown): string {
  const text = String(value).replace(/\s+/g, ' ')
  return text.length > detailMax ? `${text.slice(0, detailMax)}…` : text
}

/** Codes of the file system for a body that is a local file. */
const localCodes: ReadonlySet<string> = new Set(['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'EIO'])

function noAnswer(url: string, error: unknown): UserError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (localCodes.has(code)) return new UserError(`the file could not be read: ${code}`, { cause: error })
  const reason = code !== '' ? code : error instanceof Error ? oneLine(error.message) : String(error)
  return new UnreachableError(`cannot reach ${url}: ${reason}`, { cause: error })
}
