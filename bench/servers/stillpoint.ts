/** Stillpoint's own servers, started through the published command line and spoken to by the published contract. */
import { join } from 'node:path'
import { bunPath, projectRoot } from '../harness/machine.ts'
import type { Child } from '../harness/processes.ts'
import type { StoredFile } from '../harness/state.ts'
import type { Bench } from '../harness/contract.ts'
import type { FileServer } from './server.ts'

const sources = join(projectRoot, 'src/cli/main.ts')
const liveMsMax = 60_000
const pollMs = 10

export interface StillpointOptions {
  /** A new volume where nothing else is said. */
  readonly data?: string
  readonly mirrors?: readonly string[]
  readonly flags?: readonly string[]
  readonly cores?: string | null
}

export interface StillpointServer extends FileServer {
  readonly data: string
  readonly url: string
  /** From the start of the process to its line that it serves. */
  readonly readyMs: number
}

export const startPrimary = (bench: Bench, options: StillpointOptions = {}): Promise<StillpointServer> =>
  start(bench, 'serve', options)
export const startMirror = (bench: Bench, options: StillpointOptions = {}): Promise<StillpointServer> =>
  start(bench, 'mirror', options)

/** What a verb follows. */
export const programOf = ({ binary, profileFolder }: Bench): readonly string[] =>
  binary === undefined
    ? [
        bunPath,
        '--no-orphans',
        ...(profileFolder === null ? [] : ['--cpu-prof', '--cpu-prof-md', `--cpu-prof-dir=${profileFolder}`]),
        sources,
      ]
    : [binary]

async function start(
  bench: Bench,
  verb: 'serve' | 'mirror',
  options: StillpointOptions,
): Promise<StillpointServer> {
  const { workspace } = bench
  const data = options.data ?? join(workspace.folder(verb), 'volume')
  const cores = options.cores ?? null
  const command = [
    ...(cores === null ? [] : ['taskset', '-c', cores]),
    ...programOf(bench),
    verb,
    '--data',
    data,
    '--listen',
    '127.0.0.1:0',
    '--log-level',
    'error',
    ...(options.mirrors ?? []).flatMap((url) => ['--mirror', url]),
    ...(options.flags ?? []),
  ]
  const began = performance.now()
  const { child, ready } = await workspace.processes.start({
    command,
    cwd: projectRoot,
    ready: /^ready (\S+)/,
    readyMsMax: 120_000,
  })
  const readyMs = performance.now() - began
  return new Running(child, data, ready, readyMs)
}

class Running implements StillpointServer {
  readonly prefix = '/v1/files/'
  readonly port: number
  readonly children: readonly Child[]

  constructor(
    private readonly child: Child,
    readonly data: string,
    readonly url: string,
    readonly readyMs: number,
  ) {
    this.port = Number(new URL(url).port)
    this.children = [child]
  }

  makeFolders(): void {
    // Parents come with the file.
  }

  async *files(folder: string): AsyncGenerator<StoredFile> {
    let cursor: string | null = null
    do {
      const query = new URLSearchParams({ recursive: 'true', limit: '1000' })
      if (cursor !== null) query.set('cursor', cursor)
      const page = await askJson<Listing>(`${this.url}/v1/dirs/${folder}?${query.toString()}`)
      for (const entry of page.entries) {
        if (entry.kind !== 'file') continue
        const path = entry.path ?? entry.name
        const answer = await ask(`${this.url}/v1/files/${folder}/${encodeURI(path)}`)
        yield { path, content: answer.body ?? new Uint8Array(0) }
      }
      cursor = page.next ?? null
    } while (cursor !== null)
  }

  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    return this.child.stop(signal)
  }
}

interface Listing {
  readonly entries: readonly { readonly kind: string; readonly name: string; readonly path?: string }[]
  readonly next?: string | null
}

/** The answer, or an error that says what the server said. */
export async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, init)
  if (response.ok) return response
  throw new Error(
    `${init.method ?? 'GET'} ${url}: ${response.status} ${(await response.text()).slice(0, 300)}`,
  )
}

export async function askJson<T>(url: string, init: RequestInit = {}): Promise<T> {
  return (await (await ask(url, init)).json()) as T
}

export interface CpItem {
  readonly cp: number
  readonly cause: string
  readonly blocksWritten: number
  readonly bytesWritten: number
  readonly coalesced: number
}
export const takeCp = ({ url }: StillpointServer): Promise<CpItem> =>
  askJson<CpItem>(`${url}/v1/cps`, { method: 'POST' })

/** The mirror has published this CP. */
export async function waitVisible(mirror: StillpointServer, cp: number): Promise<void> {
  const deadline = performance.now() + 10 * liveMsMax
  for (;;) {
    const response = await fetch(`${mirror.url}/v1/stat?minCp=${cp}&wait=30`)
    const text = await response.text()
    if (response.ok) return
    if (response.status !== 503 || performance.now() > deadline) {
      throw new Error(`the mirror has not reached ${cp}: ${response.status} ${text.slice(0, 300)}`)
    }
    await Bun.sleep(pollMs)
  }
}

export interface MirrorItem {
  readonly url: string
  readonly state: string
  readonly cp: number | null
}

/** Every mirror of the primary takes part in its CPs. */
export async function waitLive(primary: StillpointServer, count: number): Promise<void> {
  const deadline = performance.now() + liveMsMax
  let last = ''
  while (performance.now() < deadline) {
    const { items } = await askJson<{ readonly items: readonly MirrorItem[] }>(`${primary.url}/v1/mirrors`)
    if (items.filter(({ state }) => state === 'live').length >= count) return
    last = JSON.stringify(items)
    await Bun.sleep(pollMs)
  }
  throw new Error(`the mirrors are not live: ${last}`)
}

export interface Pair {
  readonly primary: StillpointServer
  readonly mirrors: readonly StillpointServer[]
}

/** A primary with so many mirrors, all of them live. */
export async function startPair(
  bench: Bench,
  mirrorCount: number,
  options: StillpointOptions = {},
): Promise<Pair> {
  const mirrors: StillpointServer[] = []
  for (let i = 0; i < mirrorCount; i++) mirrors.push(await startMirror(bench))
  const primary = await startPrimary(bench, { ...options, mirrors: mirrors.map(({ url }) => url) })
  await waitLive(primary, mirrorCount)
  return { primary, mirrors }
}

/** Bytes that have left for mirrors so far, as the primary's catalog has them. */
export async function bytesSent(bench: Bench, { data }: StillpointServer): Promise<number> {
  const query = 'select coalesce(sum(bytes), 0) as bytes from transfers'
  const output = await bench.workspace.processes.run(
    [...programOf({ ...bench, profileFolder: null }), 'sql', '--json', '--data', data, query],
    {
      cwd: projectRoot,
      msMax: 30_000,
    },
  )
  const { rows } = JSON.parse(output) as { readonly rows: readonly (readonly (number | string)[])[] }
  return Number(rows[0]?.[0] ?? 0)
}
