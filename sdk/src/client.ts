/**
 * A typed client of the published HTTP contract, over fetch. The client knows nothing about a server but the
 * contract.
 *
 * An answer is believed when the answer has the shape of the contract and is about what was asked: the same path,
 * the same CP, as many results as operations. An answer of another endpoint, of another file or of another program is
 * a failure.
 *
 * Errors: ClientError, and the reason of the caller's signal.
 */
import { Administration } from './administration.ts'
import { conditionHeaders, headersOf, withPlainMeta } from './attributes.ts'
import { type BatchStep, operationOf } from './batch-step.ts'
import { bodyOf, type Content, sizeOf } from './content.ts'
import { ClientError } from './client-error.ts'
import type {
  BatchAnswer,
  ListedEntry,
  Listing,
  Opened,
  PatchedFile,
  Stat,
  WrittenEntry,
} from './contract.ts'
import { isRange, rangeHeader } from './extent.ts'
import { comesAfter } from './listing-order.ts'
import { checkNumbers } from './numbers.ts'
import type { ClientOptions } from './options.ts'
import { addressOf, encodePath, encodeText } from './paths.ts'
import { RemoteFile } from './remote-file.ts'
import { isBrowser } from './runtime.ts'
import { cpOf, type ReadingRules, type Server, Servers } from './servers.ts'
import { Sql } from './sql.ts'
import { batchAnswer, listing, patchedFile, stat, writtenEntry } from './shapes.ts'
import { systemRandom, systemTimers } from './timers.ts'
import { type Asked, type RequestQuery, Transport, jsonBody, openingOf } from './transport.ts'
import type { Source } from './parts.ts'
import { type UploadOptions, upload } from './upload.ts'
import type {
  Abortable,
  Conditions,
  PageOptions,
  Range,
  Reading,
  SentAttributes,
  Watched,
  Writing,
} from './wishes.ts'

/** Largest number of entries that a page may have. */
export const pageEntries = 1000
/** A page has at most 1000 entries, each with its path and metadata, and a MiB of contents. */
const pageBytesMax = 16 * 2 ** 20

export interface PutOptions extends SentAttributes, Writing, Conditions, Watched {}

export interface GetOptions extends Reading {
  readonly range?: Range | undefined
  readonly onProgress?:
    ((received: { readonly receivedBytes: number; readonly totalBytes: number | null }) => void) | undefined
}

export class Client {
  readonly administration: Administration
  readonly sql: Sql
  private readonly servers: Servers

  constructor(
    url: string,
    private readonly options: ClientOptions = {},
  ) {
    const { timers = systemTimers, fetch = (...asked) => globalThis.fetch(...asked), token = null } = options
    const transport = (of: string): Transport => new Transport(of, fetch, timers, token)
    const { retriesMax = 4, mirrorWait = 5, cp = 0 } = options
    checkNumbers({ retriesMax, mirrorWait, cp })
    this.servers = new Servers(transport(url), (options.mirrors ?? []).map(transport), {
      retriesMax,
      readsFrom: options.readsFrom ?? 'primary',
      mirrorWait,
      cp,
      random: options.random ?? systemRandom,
      timers,
    })
    this.administration = new Administration(this.servers)
    this.sql = new Sql(this.servers)
  }

  get url(): string {
    return this.servers.primary.url
  }

  /** The newest CP that this client has heard of: a client that is given it reads all that this one has seen. */
  get cp(): number {
    return this.servers.cp
  }

  async stat(path: string, reading: Reading = {}): Promise<Stat> {
    return this.servers.read(reading, ({ transport }, query) => this.statAt(transport, path, reading, query))
  }

  /** One page of a directory; `next` of the page is the cursor of the page after it. */
  async page(
    path: string,
    options: Reading & PageOptions & { readonly cursor?: string } = {},
  ): Promise<Listing> {
    return (await this.pageAt(path, options)).page
  }

  /** Yields every entry from a first page on, all of the CP of that page. */
  async *entriesFrom(
    path: string,
    first: Listing,
    options: PageOptions & Abortable,
  ): AsyncGenerator<ListedEntry> {
    yield* this.following(path, { page: first }, options)
  }

  /** Yields every entry of a directory, all of one CP, or with `recursive` everything below. */
  async *list(path: string, options: Reading & PageOptions = {}): AsyncGenerator<ListedEntry> {
    const { recursive, limit = pageEntries, content, signal } = options
    const first = await this.pageAt(path, { ...options, limit })
    yield* this.following(path, first, { recursive, limit, content, signal })
  }

  /** Resolves when the answer has begun; the content is still to be read. */
  get(path: string, options: GetOptions = {}): Promise<RemoteFile> {
    return this.opened(path, options)
  }

  /**
   * Writes a whole file, atomically. A stream is sent as it comes, once; a browser cannot send streams, and there a
   * stream goes in parts, as by `upload`.
   */
  async put(path: string, content: Content, options: PutOptions = {}): Promise<Opened<WrittenEntry>> {
    const { onProgress, signal, ifMatch, ifNoneMatch } = options
    if (content instanceof ReadableStream && isBrowser) {
      if (ifMatch !== undefined || ifNoneMatch !== undefined)
        throw new ClientError('bad-parameter', 'a browser sends a stream in parts, which takes no condition')
      return this.upload(path, content, options)
    }
    const body = bodyOf(content)
    const totalBytes = sizeOf(body)
    // A file may grow meanwhile; the request sends what the file has now.
    let sentBytes = 0
    const onSent = (bytes: number): void => {
      sentBytes += bytes
      onProgress?.({ sentBytes, totalBytes })
    }
    const headers = { ...headersOf(options), ...conditionHeaders(options) }
    const asked = { body, headers, onSent, signal }
    const answer = await this.written('PUT', addressOf('/v1/files', path), writingQuery(options), path, asked)
    this.servers.primary.expect(answer.size === (totalBytes ?? sentBytes))
    if (totalBytes !== null) onProgress?.({ sentBytes: totalBytes, totalBytes })
    return answer
  }

  /** Writes a range, or appends with the offset `end`. Bytes between the end of the file and the offset are zeros. */
  async patch(
    path: string,
    offset: number | 'end',
    content: Content,
    options: Writing & Conditions = {},
  ): Promise<Opened<PatchedFile>> {
    if (offset !== 'end') checkNumbers({ offset })
    const asked = { body: bodyOf(content), headers: conditionHeaders(options), signal: options.signal }
    return this.patched(path, { offset, ...writingQuery(options) }, asked)
  }

  /** Truncates a file, or extends it with zeros. */
  async resize(path: string, size: number, options: Writing & Conditions = {}): Promise<Opened<PatchedFile>> {
    checkNumbers({ size })
    const asked = { headers: conditionHeaders(options), signal: options.signal }
    return this.patched(path, { size, ...writingQuery(options) }, asked)
  }

  /**
   * Writes a large file in parts, beside its path, and puts it there in one step. A part that fails is sent again; an
   * upload that was cut altogether goes on when it is called again with the same `id`.
   */
  async upload(path: string, source: Source, options: UploadOptions = {}): Promise<Opened<WrittenEntry>> {
    const { primary } = this.servers
    return upload(
      {
        put: (to, content, wish) => this.put(to, content, wish),
        patch: (to, offset, content, wish) => this.patch(to, offset, content, wish),
        move: (from, to, wish) => this.move(from, to, wish),
        remove: (of) => this.deleteFile(of),
        // A mirror may be behind what has arrived.
        stat: async (of, signal) => {
          const asked = { method: 'GET', address: '', signal }
          return this.servers.change(asked, () => this.statAt(primary, of, { signal }, {}), true)
        },
        read: (of, range, etag, signal) =>
          this.opened(of, { range, signal }, etag, { only: this.servers.first }),
        delay: (attempt, error, signal) => this.servers.delay(attempt, error, signal),
        retriesMax: this.servers.retriesMax,
      },
      path,
      source,
      options,
    )
  }

  /** Makes a symbolic link, or replaces what is no directory by one. */
  async putLink(
    path: string,
    target: string,
    options: SentAttributes & Writing & Conditions = {},
  ): Promise<Opened<WrittenEntry>> {
    const link = { 'Stillpoint-Link': encodeText(target, 'bad-parameter') }
    const headers = { ...headersOf(options), ...conditionHeaders(options), ...link }
    const asked = { headers, signal: options.signal }
    return this.written('PUT', addressOf('/v1/files', path), writingQuery(options), path, asked)
  }

  /** Does nothing where the directory exists. */
  async makeDirectory(path: string, options: SentAttributes & Writing = {}): Promise<Opened<WrittenEntry>> {
    const asked = { headers: headersOf(options), signal: options.signal }
    return this.written('PUT', addressOf('/v1/dirs', path), writingQuery(options), path, asked)
  }

  /** Deletes a file or a link. Resolves with the CP that will be without it. */
  async deleteFile(
    path: string,
    options: Writing & Conditions = {},
  ): Promise<Opened<{ readonly cp: number }>> {
    return this.removed(`/v1/files/${encodePath(path)}`, {}, options)
  }

  /** Deletes an empty directory, or with `recursive` everything below it too, in one step. */
  async deleteDirectory(
    path: string,
    options: Writing & Conditions & { readonly recursive?: boolean } = {},
  ): Promise<Opened<{ readonly cp: number }>> {
    const query: RequestQuery = options.recursive === true ? { recursive: true } : {}
    return this.removed(`/v1/dirs/${encodePath(path)}`, query, options)
  }

  /** `ifMatch` is of what is moved. */
  async move(
    from: string,
    to: string,
    options: Writing & Pick<Conditions, 'ifMatch'> & { readonly overwrite?: boolean } = {},
  ): Promise<Opened<WrittenEntry>> {
    const { overwrite = false, ifMatch, signal } = options
    const asked = { ...jsonBody({ from, to, overwrite, ifMatch }), signal }
    return this.written('POST', '/v1/move', writingQuery(options), to, asked)
  }

  /** At most 1,000 operations and 8 MiB, in order, all or none. */
  async batch(steps: readonly BatchStep[], options: Writing = {}): Promise<Opened<BatchAnswer>> {
    const { signal } = options
    const asked: Asked = {
      method: 'POST',
      address: '/v1/batch',
      query: writingQuery(options),
      ...jsonBody({ operations: steps.map(operationOf) }),
      signal,
    }
    const answer = await this.servers.change(asked, (primary) => primary.changed(batchAnswer, asked))
    this.servers.primary.expect(answer.results.length === steps.length)
    return this.servers.saw(answer)
  }

  /** Opens a content: of the version `ifMatch` where one is named, and then goes on with that version alone. */
  private async opened(
    path: string,
    { range, onProgress, ...reading }: GetOptions,
    ifMatch?: string,
    rules?: ReadingRules,
  ): Promise<RemoteFile> {
    if (path === '') throw new ClientError('is-a-directory', 'the root is a directory')
    checkNumbers({ ...range })
    const { signal } = reading
    const open = (part: Range | undefined, etag: string | undefined) =>
      this.servers.read(
        reading,
        async ({ transport }, query) => {
          const address = addressOf('/v1/files', path)
          const headers = {
            ...(part && { Range: rangeHeader(part) }),
            ...conditionHeaders({ ifMatch: etag }),
          }
          const statuses = [part ? 206 : 200]
          const answer = await transport.request({ method: 'GET', address, query, headers, statuses, signal })
          try {
            const cp = cpOf(answer)
            const found = answer.headers.get('ETag')
            transport.expect(found !== null && (etag === undefined || found === etag) && isOfCp(cp, query))
            transport.expect(part === undefined || isRange(answer, part))
            return { answer, cp }
          } catch (error) {
            answer.cancel()
            throw error
          }
        },
        rules,
      )
    const first = await open(range, ifMatch)
    this.servers.saw(first)
    const etag = first.answer.headers.get('ETag')!
    const { offset, length } = range ?? { offset: 0 }
    return new RemoteFile(first.cp, first.answer, {
      createHash: this.options.createHash ?? null,
      onProgress,
      again: async (bytes, attempt, error) => {
        if (attempt >= this.servers.retriesMax) return null
        await this.servers.delay(attempt, error, signal)
        const rest = { offset: offset + bytes, length: length === undefined ? undefined : length - bytes }
        return (await open(rest, etag)).answer
      },
    })
  }

  private async statAt(
    transport: Transport,
    path: string,
    reading: Reading,
    query: RequestQuery,
  ): Promise<Stat> {
    const asked = { method: 'GET', address: addressOf('/v1/stat', path), query, signal: reading.signal }
    const found = await transport.json(stat, asked)
    transport.expect(found.path === path && isOfCp(found.cp, query))
    return this.servers.saw(withPlainMeta(found))
  }

  private async pageAt(
    path: string,
    options: Reading & PageOptions & { readonly cursor?: string },
    only?: Server,
  ): Promise<{ readonly page: Listing; readonly server: Server }> {
    const { recursive, limit, content, cursor, ...reading } = options
    checkNumbers({ limit, content })
    return this.servers.read(
      reading,
      async (server, wished) => {
        const { transport } = server
        // A cursor names its CP by itself.
        const image = cursor === undefined ? wished : {}
        const page = await transport.json(listing, {
          method: 'GET',
          address: addressOf('/v1/dirs', path),
          query: { ...image, recursive, limit, content, cursor },
          bytesMax: pageBytesMax,
          signal: reading.signal,
        })
        // A page without entries has no next page, so a listing always gets on.
        const getsOn = page.next === null || (page.entries.length > 0 && page.next !== cursor)
        transport.expect(page.path === path && isOfCp(page.cp, image) && getsOn)
        this.servers.saw(page)
        return { page: { ...page, entries: page.entries.map(withPlainMeta) }, server }
      },
      { only },
    )
  }

  /** The pages after the first are asked of the server that has given it: the cursor is that server's. */
  private async *following(
    path: string,
    first: { readonly page: Listing; readonly server?: Server },
    options: PageOptions & Abortable,
  ): AsyncGenerator<ListedEntry> {
    let { page } = first
    let before: string | null = null
    for (;;) {
      // The next page is on its way while the caller works through this page.
      const next =
        page.next === null ? null : this.pageAt(path, { ...options, cursor: page.next }, first.server)
      // The caller hears of a failure at the `await` below; a caller that stops earlier does not need to.
      next?.catch(() => {})
      for (const entry of page.entries) {
        this.servers.primary.expect(comesAfter(before, entry.path))
        before = entry.path
        yield entry
      }
      if (!next) return
      const { cp } = page
      page = (await next).page
      this.servers.primary.expect(page.cp === cp)
    }
  }

  private async patched(
    path: string,
    query: RequestQuery,
    init: Partial<Asked>,
  ): Promise<Opened<PatchedFile>> {
    const asked = { ...init, method: 'PATCH', address: addressOf('/v1/files', path), query }
    const answer = await this.servers.change(asked, (primary) => primary.changed(patchedFile, asked))
    this.servers.primary.expect(answer.path === path)
    return this.servers.saw(answer)
  }

  private async written(
    method: string,
    address: string,
    query: RequestQuery,
    path: string,
    init: Partial<Asked>,
  ): Promise<Opened<WrittenEntry>> {
    const asked = { ...init, method, address, query, statuses: [200, 201] }
    const answer = await this.servers.change(asked, (primary) => primary.changed(writtenEntry, asked))
    this.servers.primary.expect(answer.path === path)
    return this.servers.saw(answer)
  }

  private removed(
    address: string,
    query: RequestQuery,
    options: Writing & Conditions,
  ): Promise<Opened<{ readonly cp: number }>> {
    const asked: Asked = {
      method: 'DELETE',
      address,
      query: { ...query, ...writingQuery(options) },
      headers: conditionHeaders(options),
      statuses: [204],
      signal: options.signal,
    }
    return this.servers.change(asked, async (primary) => {
      // The server says which CP will have the change; another kind of server says nothing of the kind.
      const answer = await primary.request(asked)
      return this.servers.saw({ cp: cpOf(answer), opening: openingOf(answer) })
    })
  }
}

/** A mirror that shows less than was asked for is believed no more than one that shows another CP. */
function isOfCp(cp: number, { cp: wanted, minCp }: RequestQuery): boolean {
  return (wanted === undefined || cp === wanted) && (minCp === undefined || cp >= Number(minCp))
}

function writingQuery({ durability, mirrors, wait }: Writing): RequestQuery {
  checkNumbers({ mirrors, wait })
  return { durability, mirrors, wait }
}
