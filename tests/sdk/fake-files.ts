/** A server that keeps files in memory, each with its version and its attributes, as far as an upload asks for them. */
import { FakeServers, type Heard, refusal, type Said, statOf } from './fake-servers.ts'

interface Kept {
  readonly bytes: Uint8Array
  readonly version: number
  readonly mode: string
  readonly contentType: string | null
  readonly meta: Readonly<Record<string, string>>
}

const etagOf = ({ version }: Kept): string => `"1-2-${version}"`

export class FakeFiles {
  readonly files = new Map<string, Kept>()
  readonly servers: FakeServers
  /** Called before a request is served; what it returns is the answer instead. */
  before: (heard: Heard) => Said | null = () => null
  /** Called after a request is served; what it returns is the answer instead. */
  after: (heard: Heard) => Said | null = () => null
  private versions = 0

  constructor() {
    this.servers = new FakeServers(async (heard) => {
      const instead = this.before(heard)
      if (instead !== null) return instead
      const answer = await this.serve(heard)
      return this.after(heard) ?? answer
    })
  }

  text(path: string): string | null {
    const kept = this.files.get(path)
    return kept ? Buffer.from(kept.bytes).toString() : null
  }

  set(path: string, text: string, attributes: Partial<Kept> = {}): void {
    const plain = { mode: '0644', contentType: null, meta: {} }
    const bytes = Buffer.from(text)
    this.files.set(path, { ...plain, ...attributes, bytes, version: ++this.versions })
  }

  /** Paths of the requests that change a file, with their methods. */
  get changes(): string[] {
    return this.servers.heard
      .filter(({ method }) => method !== 'GET')
      .map(({ method, path }) => method + path)
  }

  private async serve(heard: Heard): Promise<Response> {
    const { method, query, headers } = heard
    const [, , kind, ...names] = heard.path.split('/')
    const path = names.map(decodeURIComponent).join('/')
    const kept = this.files.get(path)
    const sent = new Uint8Array(await new Response(heard.body as Blob).arrayBuffer())
    if (kind === 'move') return this.move(JSON.parse(Buffer.from(sent).toString()) as Record<string, string>)
    if (method !== 'PUT' && !kept) return refusal(404, 'not-found')
    const isWanted = (headers.get('If-Match') ?? (kept && etagOf(kept))) === (kept && etagOf(kept))
    if (!isWanted || (headers.has('If-None-Match') && kept)) return refusal(412, 'precondition-failed')
    switch (method) {
      case 'PUT': {
        const meta = [...headers].flatMap(([name, value]) =>
          name.startsWith('stillpoint-meta-') ? [[name.slice('stillpoint-meta-'.length), value]] : [],
        )
        this.set(path, Buffer.from(sent).toString(), {
          contentType: headers.get('Content-Type'),
          mode: headers.get('Stillpoint-Mode') ?? '0644',
          meta: Object.fromEntries(meta) as Record<string, string>,
        })
        return this.written(path)
      }
      case 'PATCH': {
        const bytes = Buffer.concat([kept!.bytes.subarray(0, Number(query['offset'])), sent])
        this.files.set(path, { ...kept!, bytes, version: ++this.versions })
        return this.written(path, { offset: Number(query['offset']) })
      }
      case 'DELETE':
        this.files.delete(path)
        return new Response(null, { status: 204, headers: { 'Stillpoint-CP': '1' } })
      default:
        return kind === 'stat' ? this.stat(path) : this.range(kept!, headers.get('Range')!)
    }
  }

  private move({ from, to, ifMatch }: Record<string, string>): Response {
    const kept = this.files.get(from!)
    if (!kept) return refusal(404, 'not-found')
    if (ifMatch !== undefined && ifMatch !== etagOf(kept)) return refusal(412, 'precondition-failed')
    this.files.delete(from!)
    this.files.set(to!, kept)
    return this.written(to!)
  }

  private stat(path: string): Response {
    const { bytes, mode, contentType, meta, ...kept } = this.files.get(path)!
    const { length: size } = bytes
    const etag = etagOf({ ...kept, bytes, mode, contentType, meta })
    return Response.json({ ...statOf(path, 1), size, etag, mode, contentType, meta })
  }

  private range(kept: Kept, header: string): Response {
    const [first, last] = /(\d+)-(\d+)$/.exec(header)!.slice(1).map(Number)
    const bytes = Buffer.from(kept.bytes.subarray(first, last! + 1))
    return new Response(bytes, {
      status: 206,
      headers: {
        ETag: etagOf(kept),
        'Stillpoint-CP': '1',
        'Content-Length': String(bytes.length),
        'Content-Range': `bytes ${first}-${first! + bytes.length - 1}/${kept.bytes.length}`,
      },
    })
  }

  private written(path: string, more: object = {}): Response {
    const kept = this.files.get(path)!
    const { length: size } = kept.bytes
    return Response.json({ path, size, etag: etagOf(kept), cp: 1, durability: 'logged', ...more })
  }
}
