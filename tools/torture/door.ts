/** The published contract, as far as the torture needs it: tasks to requests, answers to what was promised. */
import { encodePath } from '../../sdk/src/paths.ts'
import type { Level, Task } from './generator.ts'
import type { Entry, Step, Tree } from './tree.ts'

/** What the server said, and nothing about whether it is right. */
export type Answer =
  | { readonly kind: 'done'; readonly cp: number; readonly level: Level; readonly etag: string | null }
  | { readonly kind: 'refused'; readonly status: number; readonly text: string }
  /** No answer: it may have happened or not. */
  | { readonly kind: 'cut'; readonly reason: string }

const waitSeconds = 10
/** Without an answer for so long a request hangs, and that is a finding. */
const answerMsMax = 45_000
const chunkBytes = 50_000

export async function perform(url: string, folder: string, task: Task): Promise<Answer> {
  try {
    const { address, init } = requestOf(folder, task)
    const query = `durability=${task.level}${task.level === 'mirrored' ? `&wait=${waitSeconds}` : ''}`
    const response = await fetch(`${url}${address}${address.includes('?') ? '&' : '?'}${query}`, {
      ...init,
      signal: AbortSignal.timeout(answerMsMax),
    })
    const text = await response.text()
    if (!response.ok) return { kind: 'refused', status: response.status, text }
    return {
      kind: 'done',
      cp: Number(response.headers.get('Stillpoint-CP')),
      level: response.headers.get('Stillpoint-Durability') as Level,
      etag: response.headers.get('ETag'),
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError')
      return { kind: 'refused', status: 0, text: `no answer within ${answerMsMax} ms` }
    return { kind: 'cut', reason: String(error) }
  }
}

interface RequestPlan {
  readonly address: string
  readonly init: BunFetchRequestInit
}

function requestOf(folder: string, { steps, chunked }: Task): RequestPlan {
  if (steps.length > 1) {
    const operations = steps.map((step) => batchItem(folder, step))
    return { address: '/v1/batch', init: jsonInit({ operations }) }
  }
  const step = steps[0]!
  switch (step.op) {
    case 'put':
      return {
        address: file(folder, step.path),
        init: { method: 'PUT', body: chunked ? pieces(step.bytes) : step.bytes },
      }
    case 'link':
      return {
        address: file(folder, step.path),
        init: { method: 'PUT', headers: { 'Stillpoint-Link': encodeURIComponent(step.target) } },
      }
    case 'patch':
      // A client that repeats a request by itself would append twice: so every one has its own connection.
      return {
        address: `${file(folder, step.path)}?offset=${step.offset}`,
        init: { method: 'PATCH', body: step.bytes, keepalive: false },
      }
    case 'resize':
      return { address: `${file(folder, step.path)}?size=${step.size}`, init: { method: 'PATCH' } }
    case 'delete':
      return { address: file(folder, step.path), init: { method: 'DELETE' } }
    case 'mkdir':
      return { address: directory(folder, step.path), init: { method: 'PUT' } }
    case 'rmdir':
      return { address: `${directory(folder, step.path)}?recursive=true`, init: { method: 'DELETE' } }
    case 'move':
      return {
        address: '/v1/move',
        init: jsonInit({ from: `${folder}/${step.from}`, to: `${folder}/${step.to}` }),
      }
  }
}

function batchItem(folder: string, step: Step): Record<string, unknown> {
  switch (step.op) {
    case 'put':
      return {
        op: 'put',
        path: `${folder}/${step.path}`,
        content: Buffer.from(step.bytes).toString('base64'),
      }
    case 'delete':
      return { op: 'delete', path: `${folder}/${step.path}` }
    case 'mkdir':
      return { op: 'mkdir', path: `${folder}/${step.path}` }
    case 'rmdir':
      return { op: 'delete', path: `${folder}/${step.path}`, recursive: true }
    case 'move':
      return { op: 'move', from: `${folder}/${step.from}`, to: `${folder}/${step.to}` }
    default:
      throw new Error(`${step.op} is not for a batch`)
  }
}

const file = (folder: string, path: string): string => `/v1/files/${encodePath(`${folder}/${path}`)}`
const directory = (folder: string, path: string): string => `/v1/dirs/${encodePath(`${folder}/${path}`)}`

const jsonInit = (value: unknown): BunFetchRequestInit => ({
  method: 'POST',
  body: JSON.stringify(value),
  headers: { 'Content-Type': 'application/json' },
})

function pieces(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(at, (at += chunkBytes)))
    },
  })
}

export interface Listed {
  readonly path: string
  readonly kind: Entry['kind']
  readonly size: number
  readonly etag: string
  readonly target?: string
}

export interface Listing {
  readonly cp: number
  readonly entries: readonly Listed[]
}

/** Null when the directory is absent. */
export async function list(url: string, folder: string, query = ''): Promise<Listing | null> {
  const response = await fetch(`${url}/v1/dirs/${folder}?recursive=true&limit=1000${query}`)
  const text = await response.text()
  if (response.status === 404) return null
  if (!response.ok) throw new RefusedError(response.status, text)
  return JSON.parse(text) as Listing
}

export class RefusedError extends Error {
  constructor(
    readonly status: number,
    text: string,
  ) {
    super(`${status}: ${text.slice(0, 500)}`)
  }
}

export interface Content {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly cp: number
  readonly etag: string
}

/** Null when it is absent. */
export async function read(url: string, folder: string, path: string, query = ''): Promise<Content | null> {
  const response = await fetch(`${url}${file(folder, path)}${query}`)
  if (response.status === 404) {
    await response.text()
    return null
  }
  if (!response.ok) throw new RefusedError(response.status, await response.text())
  const bytes = new Uint8Array(await response.arrayBuffer())
  return {
    bytes,
    cp: Number(response.headers.get('Stillpoint-CP')),
    etag: response.headers.get('ETag') ?? '',
  }
}

/** Everything below a client's directory, content included. */
export async function readTree(url: string, folder: string): Promise<{ tree: Tree; cp: number | null }> {
  const listing = await list(url, folder)
  if (!listing) return { tree: new Map(), cp: null }
  const tree = new Map<string, Entry>()
  const reads = listing.entries.map(async (entry): Promise<void> => {
    if (entry.kind === 'directory') tree.set(entry.path, { kind: 'directory' })
    else if (entry.kind === 'link') tree.set(entry.path, { kind: 'link', target: entry.target ?? '' })
    else {
      const content = await read(url, folder, entry.path)
      if (!content) throw new Error(`${folder}/${entry.path} is listed and cannot be read`)
      if (content.bytes.length !== entry.size)
        throw new Error(
          `${folder}/${entry.path} has ${content.bytes.length} bytes and is listed with ${entry.size}`,
        )
      tree.set(entry.path, { kind: 'file', bytes: content.bytes })
    }
  })
  await Promise.all(reads)
  return { tree, cp: listing.cp }
}
