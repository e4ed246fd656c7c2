/** Takes orders of the suite to the door, and is the page and the script of the suite for a browser. */
import type { Server } from 'bun'
import type { Door } from './door.ts'
import type { Cut } from './suite/world.ts'

export class Control {
  private readonly server: Server<undefined>
  private door: Door | null = null

  constructor(script: string) {
    this.server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      idleTimeout: 0,
      fetch: async (request) => {
        switch (new URL(request.url).pathname) {
          case '/cut':
            this.door!.cut((await request.json()) as Cut)
            return Response.json({})
          case '/mend':
            this.door!.isShut = false
            return Response.json({})
          case '/cuts':
            return Response.json({ count: this.door!.cuts })
          case '/suite.js':
            return new Response(script, { headers: { 'Content-Type': 'text/javascript' } })
          case '/silent/v1/stat':
            return new Promise(() => {})
          default:
            return new Response('<!doctype html><title>a page</title>', {
              headers: { 'Content-Type': 'text/html' },
            })
        }
      },
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.server.port}`
  }

  commands(door: Door): void {
    this.door = door
  }

  async stop(): Promise<void> {
    await this.server.stop(true)
  }
}
