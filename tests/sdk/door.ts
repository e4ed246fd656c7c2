/** A way to a server that can be cut after so many bytes, as a cable is; and an address where nobody listens. */
import { type Server, type Socket, connect, createServer } from 'node:net'
import { once } from 'node:events'
import type { Cut } from './suite/world.ts'

export class Door {
  /** How often connections were cut. */
  cuts = 0
  /** Nobody gets through. */
  isShut = false
  private pending: (Cut & { bytes: number }) | null = null
  private readonly open = new Set<Socket>()

  private constructor(
    private readonly server: Server,
    private readonly port: number,
  ) {}

  static async to(url: string): Promise<Door> {
    const port = Number(new URL(url).port)
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const door = new Door(server, port)
    server.on('connection', (socket) => door.connected(socket))
    return door
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as { port: number }).port}`
  }

  cut(cut: Cut): void {
    this.pending = { ...cut, bytes: 0 }
  }

  async close(): Promise<void> {
    this.server.close()
    for (const socket of this.open) socket.destroy()
    await once(this.server, 'close')
  }

  private connected(client: Socket): void {
    if (this.isShut) {
      client.destroy()
      return
    }
    const server = connect(this.port, '127.0.0.1')
    this.carry('up', client, server)
    this.carry('down', server, client)
  }

  private carry(direction: Cut['direction'], from: Socket, to: Socket): void {
    this.open.add(from)
    from.on('data', (bytes: Buffer) => {
      const { pending } = this
      if (pending?.direction === direction && (pending.bytes += bytes.length) > pending.afterBytes) {
        this.pending = null
        this.cuts++
        this.isShut = pending.staysShut === true
        from.destroy()
        to.destroy()
        return
      }
      if (!to.write(bytes)) {
        from.pause()
        to.once('drain', () => from.resume())
      }
    })
    from.on('end', () => to.end())
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.open.delete(from)
      to.destroy()
    })
  }
}

/** A port that was free a moment ago, and that the system gives to nobody else so soon. */
export async function nobody(): Promise<string> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}
