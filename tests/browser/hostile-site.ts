/** Another origin than the server's: pages of somebody else, and a place where scripts report that they run. */
import type { Server } from 'bun'

/** Null where the site has no page of its own. */
export type Answer = (request: Request) => Response | null | Promise<Response | null>

export class HostileSite {
  private readonly server: Server<undefined>
  /** Origins on which scripts ran, as the scripts told it. */
  readonly ran: { readonly name: string; readonly origin: string }[] = []

  constructor(private readonly answer: Answer = () => null) {
    this.server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: async (request) => {
        const url = new URL(request.url)
        if (url.pathname === '/ran') {
          const [name, origin] = [url.searchParams.get('name')!, url.searchParams.get('origin')!]
          this.ran.push({ name, origin })
          return new Response('')
        }
        return (await this.answer(request)) ?? new Response('<!doctype html><title>a page</title>', html)
      },
    })
  }

  /** Of one site with the server, and of another origin. */
  get origin(): string {
    return `http://127.0.0.1:${this.server.port}`
  }

  /** Of another site. */
  get crossSite(): string {
    return `http://localhost:${this.server.port}`
  }

  async stop(): Promise<void> {
    await this.server.stop(true)
  }
}

const html = { headers: { 'Content-Type': 'text/html' } }
