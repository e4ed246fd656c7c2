/**
 * A server that answers as the real door does, but for one request, whose answer a fault spoils. Raw sockets, so that an
 * answer may be cut, stalled or wrong at any byte.
 */
import type { Socket } from 'bun'

export interface HonestAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

/** Bytes to send, then an end: close the connection, leave it open without a word, or send without an end. */
export interface Spoiled {
  readonly bytes: Uint8Array | string
  readonly end: 'close' | 'stall' | 'keep' | { readonly endless: Uint8Array }
}

export interface Asked {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** Gives the honest answer to another request. */
  readonly other: (method: string, target: string, body?: string) => Promise<HonestAnswer>
}

/** Null: this answer cannot be spoiled so, and stays honest. */
export type Spoil = (honest: HonestAnswer, asked: Asked) => Spoiled | null | Promise<Spoiled | null>

type App = (request: Request) => Response | Promise<Response>

/** More than this is never sent: a client that still reads then has no bound. */
const endlessBytesMax = 384 * 2 ** 20

export const headOf = (status: number | string, headers: Headers | Record<string, string>): string =>
  [
    `HTTP/1.1 ${status} Said`,
    ...[...new Headers(headers)].map(([name, value]) => `${name}: ${value}`),
    '',
    '',
  ].join('\r\n')

/** The answer with its length declared. */
export function whole({ status, headers, body }: HonestAnswer): Uint8Array {
  const said = new Headers(headers)
  if (status !== 204 && status !== 304) said.set('Content-Length', String(body.length))
  return Buffer.concat([Buffer.from(headOf(status, said)), body])
}

/** What a connection has received of its next request. */
interface Connection {
  received: Buffer
  isBusy: boolean
  hasStopped: boolean
  onDrain: (() => void) | null
}

export class HostileServer {
  /** Requests so far, as `METHOD /path?query`. */
  readonly requests: string[] = []
  /** What the door answers to each of them. */
  readonly answers: HonestAnswer[] = []
  /** Requests whose answer was spoiled. */
  spoiled = 0
  /** Resolves when a client waits for bytes that do not come. */
  readonly stalled: Promise<void>
  private readonly stall: () => void
  /** True when a client went on reading what has no end. */
  wasReadWithoutEnd = false
  private spoiledName = ''
  private readonly listener

  constructor(
    private readonly app: App,
    /** The request with the index `at`, from 0, is spoiled, and so is the same request again; no other. */
    private readonly fault: { readonly spoil: Spoil; readonly at: number } | null,
  ) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.stalled = promise
    this.stall = resolve
    this.listener = Bun.listen<Connection>({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        open: (socket) => {
          socket.data = { received: Buffer.alloc(0), isBusy: false, hasStopped: false, onDrain: null }
        },
        data: (socket, bytes) => {
          socket.data.received = Buffer.concat([socket.data.received, bytes])
          this.serve(socket).catch(this.fail)
        },
        drain: (socket) => socket.data.onDrain?.(),
        close: (socket) => {
          socket.data.hasStopped = true
          socket.data.onDrain?.()
        },
        error: () => {},
      },
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.listener.port}`
  }

  /** Of the harness itself: seen by the test as a failure of its own. */
  private readonly fail = (error: unknown): void => {
    queueMicrotask(() => {
      throw error as Error
    })
  }

  stop(): void {
    this.listener.stop(true)
  }

  private async serve(socket: Socket<Connection>): Promise<void> {
    const connection = socket.data
    if (connection.isBusy) return
    const request = takeRequest(connection)
    if (request === null) return
    connection.isBusy = true
    const index = this.requests.length
    const name = `${request.method} ${request.target}`
    this.requests.push(name)
    const honest = await this.ask(request.method, request.target, request.headers, request.body)
    this.answers[index] = honest
    const asked: Asked = {
      method: request.method,
      target: request.target,
      other: (method, target, body) => this.ask(method, target, new Headers(), Buffer.from(body ?? '')),
    }
    // A client may ask again by itself when a connection closes without a byte; the answer is the same.
    const isSpoiled = this.fault?.at === index || name === this.spoiledName
    const spoiled = isSpoiled ? await this.fault!.spoil(honest, asked) : null
    if (spoiled !== null) {
      this.spoiled++
      this.spoiledName = name
    }
    const { bytes, end } = spoiled ?? { bytes: whole(honest), end: 'keep' }
    await send(socket, Buffer.from(bytes as Uint8Array))
    if (end === 'stall') this.stall()
    else if (end === 'close') socket.end()
    else if (end !== 'keep') await this.sendWithoutEnd(socket, end.endless)
    if (end !== 'keep') return
    connection.isBusy = false
    this.serve(socket).catch(this.fail)
  }

  private async ask(
    method: string,
    target: string,
    headers: Headers,
    body: Uint8Array,
  ): Promise<HonestAnswer> {
    const init = { method, headers, ...(body.length > 0 ? { body: body as Uint8Array<ArrayBuffer> } : {}) }
    const answer = await this.app(new Request(`${this.url}${target}`, init))
    return {
      status: answer.status,
      headers: answer.headers,
      body: new Uint8Array(await answer.arrayBuffer()),
    }
  }

  private async sendWithoutEnd(socket: Socket<Connection>, piece: Uint8Array): Promise<void> {
    for (let sent = 0; !socket.data.hasStopped; sent += piece.length) {
      if (sent > endlessBytesMax) {
        this.wasReadWithoutEnd = true
        socket.end()
        return
      }
      await send(socket, piece)
      // The client runs on the same thread, and has to come to see what has arrived.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

async function send(socket: Socket<Connection>, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.data.hasStopped;) {
    const written = socket.write(bytes.subarray(at))
    if (written < 0) return
    at += written
    if (at < bytes.length)
      await new Promise<void>((resolve) => {
        socket.data.onDrain = resolve
      })
    socket.data.onDrain = null
  }
}

/** Takes a request off what has come; null when the request is not whole yet. */
function takeRequest(connection: Connection) {
  const { received } = connection
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd < 0) return null
  const [first, ...lines] = received.subarray(0, headEnd).toString('latin1').split('\r\n')
  const [method, target] = first!.split(' ') as [string, string]
  const headers = new Headers(
    lines.map((line): [string, string] => {
      const mark = line.indexOf(':')
      return [line.slice(0, mark), line.slice(mark + 1).trim()]
    }),
  )
  const begin = headEnd + 4
  if (headers.get('Transfer-Encoding') === 'chunked') {
    const pieces: Uint8Array[] = []
    for (let at = begin; ;) {
      const lineEnd = received.indexOf('\r\n', at)
      if (lineEnd < 0) return null
      const length = Number.parseInt(received.subarray(at, lineEnd).toString(), 16)
      if (received.length < lineEnd + 2 + length + 2) return null
      pieces.push(received.subarray(lineEnd + 2, lineEnd + 2 + length))
      at = lineEnd + 2 + length + 2
      if (length > 0) continue
      connection.received = received.subarray(at)
      headers.delete('Transfer-Encoding')
      return { method, target, headers, body: Buffer.concat(pieces) }
    }
  }
  const length = Number(headers.get('Content-Length') ?? 0)
  if (received.length < begin + length) return null
  connection.received = received.subarray(begin + length)
  return { method, target, headers, body: received.subarray(begin, begin + length) }
}
