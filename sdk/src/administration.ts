/** Requests of administrators and monitors: status, consistency points, mirrors, tokens. */
import type {
  ConsistencyPoint,
  CreatedToken,
  Mirror,
  MirrorStatus,
  NewToken,
  RevokedToken,
  ServerStatus,
  Token,
  Whoami,
} from './contract.ts'
import { checkNumbers } from './numbers.ts'
import { encodeText } from './paths.ts'
import type { Servers } from './servers.ts'
import {
  type Shape,
  consistencyPoint,
  consistencyPoints,
  createdToken,
  mirror,
  mirrorStatus,
  mirrors,
  revokedToken,
  serverStatus,
  tokens,
  whoami,
} from './shapes.ts'
import { type Asked, type RequestQuery, jsonBody } from './transport.ts'
import type { Abortable } from './wishes.ts'

export class Administration {
  constructor(private readonly servers: Servers) {}

  /**
   * Takes a consistency point now and waits for it; when nothing is dirty, the result is the last one. With the `opening`
   * of an earlier answer it throws `opening-changed` when the server was started anew since.
   */
  async takeCp({
    opening,
    signal,
  }: Abortable & { readonly opening?: string | undefined } = {}): Promise<ConsistencyPoint> {
    const asked = { statuses: [200, 201], signal }
    return this.servers.saw(await this.ask(consistencyPoint, 'POST', '/v1/cps', { opening }, asked))
  }

  async newestCp(options: Abortable = {}): Promise<ConsistencyPoint | null> {
    for await (const cp of this.cps({ limit: 1, ...options })) return cp
    return null
  }

  /** Yields the consistency points, the newest first. */
  async *cps(options: Abortable & { readonly limit?: number } = {}): AsyncGenerator<ConsistencyPoint> {
    const { limit, signal } = options
    checkNumbers({ limit })
    let cursor: string | undefined
    for (;;) {
      const page = await this.ask(consistencyPoints, 'GET', '/v1/cps', { limit, cursor }, { signal })
      yield* page.items
      if (page.next === null) return
      this.servers.primary.expect(page.items.length > 0 && page.next !== cursor)
      cursor = page.next
    }
  }

  async mirrors({ signal }: Abortable = {}): Promise<readonly Mirror[]> {
    return (await this.ask(mirrors, 'GET', '/v1/mirrors', {}, { signal })).items
  }

  /** `code` is the pairing code that a new mirror shows. */
  async addMirror(url: string, code?: string, { signal }: Abortable = {}): Promise<Mirror> {
    const asked = { ...jsonBody({ url, code }), statuses: [201, 202], signal }
    const added = await this.ask(mirror, 'POST', '/v1/mirrors', {}, asked)
    this.servers.primary.expect(added.url === url)
    return added
  }

  async removeMirror(id: string, { signal }: Abortable = {}): Promise<void> {
    const address = `/v1/mirrors/${encodeText(id, 'bad-parameter')}`
    const asked: Asked = { method: 'DELETE', address, statuses: [204], signal }
    await this.servers.change(asked, async (primary) => (await primary.request(asked)).cancel())
    this.servers.primary.expect((await this.mirrors({ signal })).every((left) => left.id !== id))
  }

  async createToken(wish: NewToken, { signal }: Abortable = {}): Promise<CreatedToken> {
    const asked = { ...jsonBody(wish), statuses: [201], signal }
    const made = await this.ask(createdToken, 'POST', '/v1/tokens', { durability: 'committed' }, asked)
    const isAsked = made.name === wish.name && made.role === wish.role
    this.servers.primary.expect(isAsked && made.token.startsWith(`sp_${made.id}_`))
    return this.servers.saw(made)
  }

  async tokens({ signal }: Abortable = {}): Promise<readonly Token[]> {
    return (await this.ask(tokens, 'GET', '/v1/tokens', {}, { signal })).items
  }

  /** Waits for the mirrors, and names the mirrors that have not confirmed. */
  async revokeToken(id: string, { signal }: Abortable = {}): Promise<RevokedToken> {
    const address = `/v1/tokens/${encodeText(id, 'bad-parameter')}`
    return this.servers.saw(await this.ask(revokedToken, 'DELETE', address, {}, { signal }))
  }

  whoami({ signal }: Abortable = {}): Promise<Whoami> {
    return this.ask(whoami, 'GET', '/v1/whoami', {}, { signal })
  }

  /** State of the server in either role; a server that is not ready answers as well. */
  status({ signal }: Abortable = {}): Promise<ServerStatus> {
    return this.ask(serverStatus, 'GET', '/v1/status', {}, { signal })
  }

  /** Status that a mirror reports about its mirroring. */
  mirror({ signal }: Abortable = {}): Promise<MirrorStatus> {
    return this.ask(mirrorStatus, 'GET', '/v1/mirror', {}, { signal })
  }

  private ask<T>(
    shape: Shape<T>,
    method: string,
    address: string,
    query: RequestQuery,
    init: Partial<Asked>,
  ): Promise<T> {
    const asked: Asked = { ...init, method, address, query }
    return this.servers.change(asked, (primary) => primary.json(shape, asked), method === 'GET')
  }
}
