/**
 * What the end-to-end tests share: sizes, and pairs that are gone after their test, whatever became of it.
 *
 * `npm test` runs a small share; `npm run showcase` the whole (E2E=full).
 */
import { afterAll, afterEach, beforeAll } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pair, type PairOptions } from '../../tools/live/pair.ts'
import { expectDeclared } from '../routes/declared.ts'
import { type ServerOptions, ServerProcess } from '../../tools/live/server-process.ts'

export const isFull = process.env['E2E'] === 'full'

/** Every answer of a server is compared with what its endpoint declares, while the tests of this file run. */
function checkAnswers(): void {
  const plain = globalThis.fetch
  const checked = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url
    const method = init?.method ?? (input instanceof Request ? input.method : 'GET')
    const response = await plain(input, init)
    return expectDeclared(method, url, ['primary', 'mirror'], response)
  }
  beforeAll(() => void (globalThis.fetch = Object.assign(checked, plain)))
  afterAll(() => void (globalThis.fetch = plain))
}

/** Of a test that starts processes: generous, because several run at once. */
export const testMsMax = isFull ? 3_600_000 : 120_000
/** Many small files take their time to go. */
const cleanMsMax = 60_000
export const rssBytesMax = 512 * 2 ** 20

export interface Live {
  pair(options?: PairOptions): Promise<Pair>
  server(options: ServerOptions): ServerProcess
  folder(parent?: string): string
}

export function live(): Live {
  checkAnswers()
  const pairs: Pair[] = []
  const servers: ServerProcess[] = []
  const folders: string[] = []
  afterEach(async () => {
    for (const pair of pairs.splice(0)) await pair.remove()
    for (const server of servers.splice(0)) await server.kill()
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  }, cleanMsMax)
  return {
    async pair(options = {}) {
      const pair = await Pair.start(options)
      pairs.push(pair)
      return pair
    },
    server(options) {
      const server = new ServerProcess(options)
      servers.push(server)
      return server
    },
    folder(parent = tmpdir()) {
      const folder = mkdtempSync(join(parent, 'stillpoint-e2e-'))
      folders.push(folder)
      return folder
    },
  }
}

export interface WrittenAnswer {
  readonly cp: number
  readonly durability: string
  readonly etag: string
  readonly size: number
}

export async function put(
  url: string,
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  query = '',
): Promise<WrittenAnswer> {
  const response = await fetch(`${url}/v1/files/${path}${query}`, { method: 'PUT', body })
  const text = await response.text()
  if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${text}`)
  return JSON.parse(text) as WrittenAnswer
}

/** Puts texts in one change, `buffered`. */
export async function putTogether(
  url: string,
  files: readonly { readonly path: string; readonly text: string }[],
): Promise<void> {
  const operations = files.map((file) => ({ op: 'put', ...file }))
  const response = await fetch(`${url}/v1/batch?durability=buffered`, {
    method: 'POST',
    body: JSON.stringify({ operations }),
    headers: { 'Content-Type': 'application/json' },
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`batch: ${response.status} ${text}`)
}

/** Takes a CP on the primary and waits until the mirror has it. */
export async function settle(pair: Pair, seconds = 60): Promise<number> {
  const taken = await fetch(`${pair.primary.url}/v1/cps`, { method: 'POST' })
  const { cp } = (await taken.json()) as { cp: number }
  const response = await fetch(`${pair.mirror.url}/v1/stat?minCp=${cp}&wait=${Math.min(60, seconds)}`)
  if (!response.ok) throw new Error(`the mirror has not CP ${cp}: ${await response.text()}`)
  await response.text()
  return cp
}

/** A gauge of /metrics. */
export async function gauge(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const found = new RegExp(`^stillpoint_${name} (\\S+)$`, 'm').exec(text)
  if (!found) throw new Error(`there is no gauge ${name}`)
  return Number(found[1])
}

/** Polls until it holds; false when it does not in time. */
export async function becomes(holds: () => Promise<boolean>, msMax: number, everyMs = 50): Promise<boolean> {
  const deadline = performance.now() + msMax
  while (!(await holds())) {
    if (performance.now() > deadline) return false
    await Bun.sleep(everyMs)
  }
  return true
}

export const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20)
