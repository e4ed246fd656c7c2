/**
 * One keep-alive HTTP/1.1 connection, one request at a time, on a raw socket: several times cheaper than fetch, so that
 * the generator is not what is measured.
 *
 * - It reads Content-Length and chunked bodies, and believes the peer otherwise: it talks to servers of the bench only.
 * - A buffer handed to `send` must not change before the answer has come.
 */
import type { Socket } from 'bun'

const headBytesMax = 16 * 1024
const decoder = new TextDecoder('latin1')
const noBytes = new Uint8Array(0)

export interface Answer {
  readonly status: number
  readonly head: string
  readonly bodyBytes: number
}
export interface Exchange {
  readonly method: string
  /** Called with each part of the body. */
  onBody?(part: Uint8Array): void
  onAnswer(status: number, bodyBytes: number, head: string): void
}

type Body = 'none' | 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailer'

export class Connection {
  private exchange: Exchange | null = null
  private output: Uint8Array = noBytes
  private outputAt = 0
  private more: (() => Uint8Array | null) | null = null
  private head: Uint8Array = noBytes
  private isInHead = true
  private body: Body = 'none'
  private left = 0
  private sizeText = ''
  private status = 0
  private headText = ''
  private bodyBytes = 0

  private constructor(
    private socket: Socket | null,
    private readonly onBroken: (error: Error) => void,
  ) {}

  static async open(port: number, onBroken: (error: Error) => void): Promise<Connection> {
    const connection = new Connection(null, onBroken)
    connection.socket = await Bun.connect({
      hostname: '127.0.0.1',
      port,
      socket: {
        data: (_socket, data) => connection.receive(data),
        drain: () => connection.flush(),
        close: () => connection.broken('the server closed the connection'),
        error: (_socket, error) => connection.broken(error.message),
      },
    })
    return connection
  }

  /** `more` gives the parts of the request that follow; null ends it. */
  send(request: Uint8Array, exchange: Exchange, more: (() => Uint8Array | null) | null = null): void {
    this.exchange = exchange
    this.output = request
    this.outputAt = 0
    this.more = more
    this.flush()
  }

  close(): void {
    const socket = this.socket
    this.socket = null
    this.exchange = null
    socket?.end()
  }

  private flush(): void {
    const { socket } = this
    if (!socket) return
    for (;;) {
      if (this.outputAt < this.output.length) {
        const written = socket.write(this.output, this.outputAt, this.output.length - this.outputAt)
        if (written < 0) return
        this.outputAt += written
        if (this.outputAt < this.output.length) return
      }
      const next = this.more?.() ?? null
      if (next === null) {
        this.more = null
        return
      }
      this.output = next
      this.outputAt = 0
    }
  }

  private broken(why: string): void {
    if (this.socket === null) return
    this.socket = null
    this.exchange = null
    this.onBroken(new Error(why))
  }

  private receive(data: Uint8Array): void {
    let rest = data
    while (rest.length > 0 && this.exchange) {
      if (this.isInHead) {
        const all = this.head.length === 0 ? rest : join(this.head, rest)
        const end = headEnd(all)
        if (end < 0) {
          if (all.length > headBytesMax) return this.broken('the head of the answer is too long')
          this.head = all.slice()
          return
        }
        this.head = noBytes
        this.startBody(decoder.decode(all.subarray(0, end)))
        rest = all.subarray(end)
        this.isInHead = false
        if (this.body === 'none') this.finish()
      } else rest = this.takeBody(rest)
    }
  }

  private startBody(head: string): void {
    this.headText = head
    this.status = Number(head.slice(9, 12))
    this.bodyBytes = 0
    this.body = 'none'
    if (this.exchange?.method === 'HEAD' || this.status === 204 || this.status === 304) return
    const lower = head.toLowerCase()
    const at = lower.indexOf('\r\ncontent-length:')
    if (at >= 0) {
      this.left = Number.parseInt(head.slice(at + 17), 10)
      if (this.left > 0) this.body = 'length'
    } else if (lower.includes('\r\ntransfer-encoding: chunked')) {
      this.body = 'chunk-size'
      this.sizeText = ''
    }
  }

  /** What it did not need. */
  private takeBody(data: Uint8Array): Uint8Array {
    switch (this.body) {
      case 'length':
      case 'chunk-data': {
        const part = data.length > this.left ? data.subarray(0, this.left) : data
        this.left -= part.length
        this.bodyBytes += part.length
        this.exchange?.onBody?.(part)
        const rest = data.subarray(part.length)
        if (this.left === 0) {
          if (this.body === 'length') this.finish()
          else {
            this.body = 'chunk-end'
            this.left = 2
          }
        }
        return rest
      }
      case 'chunk-end': {
        const taken = Math.min(this.left, data.length)
        this.left -= taken
        if (this.left === 0) {
          this.body = 'chunk-size'
          this.sizeText = ''
        }
        return data.subarray(taken)
      }
      case 'chunk-size':
      case 'trailer': {
        const end = data.indexOf(10)
        this.sizeText += decoder.decode(end < 0 ? data : data.subarray(0, end))
        if (end < 0) return noBytes
        const line = this.sizeText.trim()
        this.sizeText = ''
        if (this.body === 'trailer') {
          if (line === '') this.finish()
        } else {
          this.left = Number.parseInt(line, 16)
          this.body = this.left === 0 ? 'trailer' : 'chunk-data'
        }
        return data.subarray(end + 1)
      }
      case 'none':
        return noBytes
    }
  }

  private finish(): void {
    this.isInHead = true
    const { exchange } = this
    this.exchange = null
    exchange?.onAnswer(this.status, this.bodyBytes, this.headText)
  }
}

function headEnd(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4
    if (at + 4 > bytes.length) return -1
  }
  return -1
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
