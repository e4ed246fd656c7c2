/** Servers that answer what a test tells them, and remember what they were asked. */
import { type ClientOptions, Client } from '../../sdk/src/index.ts'
import { VirtualClock } from '../simulated/clock.ts'

export interface Heard {
  readonly host: string
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Headers
  readonly body: unknown
}

/** A string is a failure of the connection. */
export type Said = Response | string

export class FakeServers {
  readonly heard: Heard[] = []
  readonly clock = new VirtualClock()

  constructor(private readonly say: (heard: Heard, index: number) => Said | Promise<Said>) {}

  client(options: ClientOptions = {}, host = 'primary'): Client {
    return new Client(`http://${host}`, {
      timers: this.clock,
      random: () => 0,
      fetch: async (address, { method, headers, body }) => {
        const url = new URL(address)
        const query = Object.fromEntries(url.searchParams)
        const asked: Heard = {
          host: url.host,
          method: method!,
          path: url.pathname,
          query,
          headers: new Headers(headers),
          body,
        }
        const said = await this.say(asked, this.heard.push(asked) - 1)
        if (typeof said === 'string') throw new Error(said)
        return said
      },
      ...options,
    })
  }

  /** Lets time go by until the work has ended. */
  async ended<T>(work: Promise<T>): Promise<T> {
    const state = { isOver: false }
    const watched = work.finally(() => (state.isOver = true))
    watched.catch(() => {})
    // A promise that nothing moves any more ends the test by its time limit.
    while (!state.isOver) await this.clock.advance(50)
    return watched
  }

  get hosts(): string[] {
    return this.heard.map(({ host }) => host)
  }
}

const time = '2026-01-31T12:00:00.000Z'
export const statOf = (path: string, cp: number) => ({
  path,
  kind: 'file',
  size: 1,
  etag: '"1-2-3"',
  contentType: null,
  created: time,
  modified: time,
  mode: '0644',
  cp,
  meta: {},
})

export const refusal = (
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): Response =>
  new Response(JSON.stringify({ type: `urn:stillpoint:${code}`, title: 't', status, code, detail: 'why' }), {
    status,
    headers: { 'Content-Type': 'application/problem+json', ...headers },
  })
export const busy = (seconds = '1'): Response => refusal(503, 'busy', { 'Retry-After': seconds })
export const saysStat = (path: string, cp: number): Response => Response.json(statOf(path, cp))
export const written = (path: string, cp: number, size = 1): Response =>
  Response.json({ path, size, etag: '"1-2-3"', cp, durability: 'logged' })
