/**
 * The smallest Bun server that does only the HTTP part of the same work: the limit that Bun itself sets.
 *
 * `memory` answers when the body was read; `log` when it is also in a log, written with one writev and one fdatasync
 * for all that wait. Small bodies are kept in memory and can be read; of large ones only the first piece and the length
 * are kept, in `log` mode all of it goes to a file that is synced before the answer.
 */
import { closeSync, constants, fdatasync, openSync, writev } from 'node:fs'
import { join } from 'node:path'
import { contentOf, pieceBytes } from '../load/content.ts'

const [mode = 'memory', folder = ''] = process.argv.slice(2)
const smallBytesMax = 64 * 1024
const logBytesMax = 64 * 2 ** 20
/** So many stay on the disk, as they would on a server. */
const largeFilesMax = 200
const small = new Map<string, Uint8Array<ArrayBuffer>>()
const large = new Map<string, number>()
let largeCount = 0
const pages = new Map<string, string>()

interface Waiting {
  readonly bytes: Uint8Array
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}
let queue: Waiting[] = []
let isWriting = false
let logAt = 0
const log = mode === 'log' ? openSync(join(folder, 'log'), constants.O_RDWR | constants.O_CREAT) : -1
if (log >= 0) {
  // Written once, so that what is measured is rewriting a ring and not growing a file.
  for (let at = 0; at < logBytesMax; at += pieceBytes) await writeAll(log, [new Uint8Array(pieceBytes)], at)
  await sync(log)
}

function writeAll(fd: number, buffers: Uint8Array[], at: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const total = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    writev(fd, buffers, at, (error, written) => {
      if (error) reject(error)
      else if (written === total) resolve()
      else reject(new Error(`a short write: ${written} of ${total}`))
    })
  })
}

function sync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve())))
}

function append(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    queue.push({ bytes, resolve, reject })
    if (!isWriting) {
      isWriting = true
      // Whoever arrives in this turn of the event loop shares the group.
      setImmediate(() => {
        writeGroups().catch(() => process.exit(1))
      })
    }
  })
}

async function writeGroups(): Promise<void> {
  while (queue.length > 0) {
    const group = queue
    queue = []
    const bytes = group.reduce((sum, { bytes: part }) => sum + part.length, 0)
    if (logAt + bytes > logBytesMax) logAt = 0
    try {
      await writeAll(
        log,
        group.map((waiting) => waiting.bytes),
        logAt,
      )
      await sync(log)
      logAt += bytes
      for (const { resolve } of group) resolve()
    } catch (error) {
      for (const { reject } of group) reject(error instanceof Error ? error : new Error(String(error)))
    }
  }
  isWriting = false
}

async function storeLarge(path: string, body: ReadableStream<Uint8Array>): Promise<void> {
  let length = 0
  const fd = log < 0 ? -1 : openSync(join(folder, `large-${largeCount++ % largeFilesMax}`), 'w')
  try {
    for await (const part of body) {
      if (fd >= 0) await writeAll(fd, [part], length)
      length += part.length
    }
    if (fd >= 0) await sync(fd)
  } finally {
    if (fd >= 0) closeSync(fd)
  }
  large.set(path, length)
}

async function put(request: Request, path: string): Promise<Response> {
  const length = Number(request.headers.get('content-length'))
  if (length <= smallBytesMax || request.body === null) {
    const bytes = new Uint8Array(await request.arrayBuffer())
    if (log >= 0) await append(bytes)
    small.set(path, bytes)
  } else await storeLarge(path, request.body)
  return Response.json({ path, size: length }, { status: 201, headers: { ETag: '"1"' } })
}

/** The content that the generator writes, a piece at a time. */
function largeStream(length: number): ReadableStream<Uint8Array> {
  const piece = contentOf(Math.min(length, pieceBytes), 0, 0)
  let left = length
  return new ReadableStream({
    pull(controller) {
      const part = left >= piece.length ? piece : piece.subarray(0, left)
      left -= part.length
      controller.enqueue(part)
      if (left === 0) controller.close()
    },
  })
}

function get(request: Request, path: string): Response {
  const bytes = small.get(path)
  const headers = { ETag: '"1"', 'Accept-Ranges': 'bytes' }
  if (bytes) return new Response(bytes, { headers })
  const length = large.get(path)
  if (length === undefined) return new Response('not found', { status: 404 })
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get('range') ?? '')
  if (!range) return new Response(largeStream(length), { headers })
  const [from, to] = [Number(range[1]), Number(range[2])]
  const piece = contentOf(to - from + 1, 0, 0)
  return new Response(piece, {
    status: 206,
    headers: { ...headers, 'Content-Range': `bytes ${from}-${to}/${length}` },
  })
}

/** A page of the size that a listing has, made beforehand. */
function page(from: number, limit: number, total: number): Response {
  const name = `${from} ${limit} ${total}`
  let text = pages.get(name)
  if (text === undefined) {
    const count = Math.min(limit, total - from)
    const entries = Array.from({ length: count }, (_, i) => ({
      name: `f${String(from + i).padStart(7, '0')}`,
      path: `list/f${String(from + i).padStart(7, '0')}`,
      kind: 'file',
      size: 16,
      etag: '"0-1-1"',
      contentType: 'application/octet-stream',
      created: '2026-01-01T00:00:00.000Z',
      modified: '2026-01-01T00:00:00.000Z',
      mode: '644',
      cp: 1,
      meta: {},
    }))
    const next = from + count < total ? String(from + count) : null
    text = JSON.stringify({ cp: 1, path: 'list', entries, next })
    pages.set(name, text)
  }
  return new Response(text, { headers: { 'Content-Type': 'application/json' } })
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 120,
  maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  development: false,
  fetch(request) {
    const { url } = request
    const path = url.slice(url.indexOf('/', 8))
    if (request.method === 'PUT' || request.method === 'POST') return put(request, path)
    if (path.startsWith('/pages')) {
      const query = new URL(url).searchParams
      return page(Number(query.get('cursor') ?? 0), Number(query.get('limit')), Number(query.get('total')))
    }
    if (path.startsWith('/paths')) return Response.json([...small.keys(), ...large.keys()])
    return get(request, path)
  },
})
console.log(`ready ${server.port}`)
