/** Somebody between a primary and its mirror, on real sockets: hears everything, and says to both what a test wants. */
import { binaryType } from '../../../src/replica/link/replica-paths.ts'

export interface Heard {
  readonly path: string
  /** Head and body of the request, as text could be found in. */
  readonly head: string
  readonly body: Uint8Array
  status: number
  answer: Uint8Array
}

export interface Between {
  readonly url: string
  readonly heard: Heard[]
  /** What is done with a request; `pass` asks the mirror. */
  onRequest: (heard: Heard, pass: () => Promise<void>) => Promise<void>
  /** Asks the mirror by itself. */
  ask(path: string, body: Uint8Array): Promise<{ status: number; answer: Uint8Array }>
  stop(): Promise<void>
}

export function between(mirrorUrl: string): Between {
  const ask: Between['ask'] = async (path, body) => {
    const response = await fetch(mirrorUrl + path, {
      method: 'POST',
      body: body as Uint8Array<ArrayBuffer>,
      headers: { 'content-type': binaryType },
    })
    return { status: response.status, answer: await response.bytes() }
  }
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname } = new URL(request.url)
      const heard: Heard = {
        path: pathname,
        head: `${request.method} ${request.url} ${JSON.stringify([...request.headers])}`,
        body: await request.bytes(),
        status: 503,
        answer: new Uint8Array(0),
      }
      self.heard.push(heard)
      await self.onRequest(heard, async () => {
        Object.assign(heard, await ask(pathname, heard.body))
      })
      return new Response(heard.answer as Uint8Array<ArrayBuffer>, { status: heard.status })
    },
  })
  const self: Between = {
    url: `http://127.0.0.1:${server.port}`,
    heard: [],
    onRequest: (_heard, pass) => pass(),
    ask,
    stop: () => server.stop(true),
  }
  return self
}

export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice()
  out[bit >>> 3]! ^= 1 << (bit & 7)
  return out
}
