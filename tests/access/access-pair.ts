/** A primary and its mirror inside the test, with tokens of every kind, and requests of both. */
import { expect } from 'bun:test'
import type { TokenRole } from '../../src/format/items/token-setting.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import type { RunningServer } from '../../src/server/running-server.ts'
import type { Served } from '../server/served.ts'
import { bearer } from './issued.ts'

export class SetClock implements Clock {
  private aheadMs = 0
  pass(ms: number): void {
    this.aheadMs += ms
  }
  now = () => systemClock.now() + this.aheadMs
  monotonic = () => systemClock.monotonic()
  after = (ms: number, callback: () => void) => systemClock.after(ms, callback)
  sleep = (ms: number) => systemClock.sleep(ms)
  yield = () => systemClock.yield()
}

interface MadeToken {
  readonly id: string
  readonly token: string
}

interface TokenWish {
  readonly prefix?: string
  readonly expiresAt?: string
}

/** The table of who may do what asks with wrong tokens more often than a client may. */
const wrongCredentials = { burst: 1e6, perSecond: 1e6 }

export class AccessPair {
  readonly clock = new SetClock()
  primary!: RunningServer
  mirror!: RunningServer
  /** Token of an administrator. */
  admin = ''

  private constructor(
    private readonly served: Served,
    private readonly folders: { readonly primary: string; readonly mirror: string },
  ) {}

  static async start(served: Served): Promise<AccessPair> {
    const pair = new AccessPair(served, { primary: served.folder(), mirror: served.folder() })
    await pair.open()
    pair.admin = (await pair.make('admin')).token
    return pair
  }

  async open(): Promise<void> {
    const { served, folders, clock } = this
    const flags = { cpIntervalMs: '20' }
    this.mirror = await served.start(folders.mirror, { verb: 'mirror', clock, wrongCredentials })
    this.primary = await served.start(folders.primary, {
      clock,
      mirrors: [this.mirror.url],
      flags,
      wrongCredentials,
    })
  }

  /** `token` is the empty text for nobody. */
  ask(token: string, method: string, path: string, more: RequestInit = {}): Promise<Response> {
    return fetch(`${this.primary.url}${path}`, asked(token, method, more))
  }

  askMirror(token: string, method: string, path: string, more: RequestInit = {}): Promise<Response> {
    return fetch(`${this.mirror.url}${path}`, asked(token, method, more))
  }

  async make(role: TokenRole, wish: TokenWish = {}): Promise<MadeToken> {
    const answer = await this.ask(this.admin, 'POST', '/v1/tokens?durability=mirrored&wait=30', {
      body: JSON.stringify({ name: `a ${role}`, role, ...wish }),
      headers: { 'Content-Type': 'application/json' },
    })
    expect(answer.status).toBe(201)
    return (await answer.json()) as MadeToken
  }

  async revoke(id: string): Promise<{ cp: number; durability: string; unconfirmed: string[] }> {
    const answer = await this.ask(this.admin, 'DELETE', `/v1/tokens/${id}?wait=30`)
    expect(answer.status).toBe(200)
    return (await answer.json()) as { cp: number; durability: string; unconfirmed: string[] }
  }

  async put(path: string): Promise<number> {
    const answer = await this.ask(this.admin, 'PUT', `/v1/files/${path}?durability=mirrored&wait=30`, {
      body: path,
    })
    expect(answer.ok).toBe(true)
    return ((await answer.json()) as { cp: number }).cp
  }

  /** Every path, with the version of its content. */
  async files(): Promise<string[]> {
    const answer = await this.ask(this.admin, 'GET', '/v1/dirs?recursive=true&limit=1000')
    const { entries } = (await answer.json()) as { entries: { path: string; etag: string }[] }
    return entries.map(({ path, etag }) => `${path} ${etag}`)
  }
}

function asked(token: string, method: string, more: RequestInit): RequestInit {
  const headers = {
    ...(token === '' ? {} : bearer(token)),
    ...(more.headers as Record<string, string> | undefined),
  }
  return { ...more, method, headers }
}
