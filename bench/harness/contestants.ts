/** Contestants that several rows share: servers that take requests from the load generator. */
import { keyFolder } from '../load/content.ts'
import type { RequestsJob } from '../load/jobs.ts'
import { startBare } from '../servers/bare.ts'
import { startNginx } from '../servers/nginx.ts'
import { startRclone } from '../servers/rclone.ts'
import { cpuSecondsOf, type FileServer } from '../servers/server.ts'
import type { Absent, Bench, Contestant, Role, Row, Sample } from './contract.ts'
import type { Generator } from './generator.ts'
import { hasTool } from './machine.ts'
import { stateHash } from './state.ts'

/** What a window of requests gives. */
export async function measureRequests(
  generator: Generator,
  server: FileServer,
  job: RequestsJob,
): Promise<Sample> {
  const cpuBefore = cpuSecondsOf(server)
  const result = await generator.run(job)
  const cpu = cpuSecondsOf(server) - cpuBefore
  if (result.count === 0) throw new Error('no request was answered within the window')
  // The server's CPU time covers the warm-up too: so does this guess of what it was spent on.
  const answered = (result.count * (job.seconds + job.warmupSeconds)) / job.seconds
  return {
    rate: result.count / result.seconds,
    throughput: result.bytes / result.seconds / 1e6,
    p50: result.p50,
    p99: result.p99,
    cpu: (cpu * 1e6) / answered,
    generator: (result.cpuSeconds / result.seconds) * 100,
  }
}

export interface ServerContestant {
  readonly name: string
  readonly role: Role
  readonly server: FileServer
  /** Appended to the URL. */
  readonly query?: string
}

/** Writes the row's keys in a window, then each key once with the same content, which is what gets hashed. */
export function writingContestant(
  bench: Bench,
  generator: Generator,
  { name, role, server, query = '' }: ServerContestant,
  job: (row: Row) => { readonly connections: number; readonly bytes: number },
): Contestant {
  const { scale } = bench
  const folderOf = (row: Row): string =>
    `${row.id}${name === 'stillpoint' ? '' : `-${name.replace(/\W+/g, '-')}`}`
  const made = new Set<string>()
  // As many as are written a few times each within a window, whatever their size.
  const keysOf = (bytes: number): number => (bytes > 4096 ? Math.ceil(scale.keys / 4) : scale.keys)
  return {
    name,
    role,
    async measure(row) {
      const folder = folderOf(row)
      const { connections, bytes } = job(row)
      const keys = keysOf(bytes)
      const target = { port: server.port, prefix: `${server.prefix}${folder}/`, query, bytes }
      if (!made.has(folder)) {
        made.add(folder)
        server.makeFolders(foldersFor(folder, keys))
      }
      const sample = await measureRequests(generator, server, {
        kind: 'requests',
        method: 'PUT',
        ...target,
        connections,
        keys,
        seconds: scale.seconds,
        warmupSeconds: scale.warmupSeconds,
        requestsMax: 10_000_000,
      })
      const { wrong } = await generator.run({ kind: 'verify', ...target, connections: 8 })
      if (wrong > 0) throw new Error(`${wrong} files are not what was acknowledged last`)
      return sample
    },
    async state(row) {
      const folder = folderOf(row)
      const { bytes } = job(row)
      await generator.run({
        kind: 'fill',
        port: server.port,
        connections: 16,
        prefix: `${server.prefix}${folder}/`,
        query: query.includes('durability') ? '?durability=buffered' : '',
        firstKey: 0,
        keys: keysOf(bytes),
        bytes,
        version: 0xffff,
      })
      return stateHash(server.files(folder))
    },
    close: () => server.stop(),
  }
}

export const foldersFor = (folder: string, keys: number): string[] => {
  const names = new Set<string>()
  for (let key = 0; key < keys; key += 100) names.add(`${folder}/${keyFolder(key)}`)
  return [...names]
}

/** Files to read: written once, not measured. */
export async function fillServer(
  generator: Generator,
  server: FileServer,
  folder: string,
  keys: number,
  bytes: number,
  query = '',
): Promise<void> {
  server.makeFolders(foldersFor(folder, keys))
  await generator.run({
    kind: 'fill',
    port: server.port,
    connections: 16,
    prefix: `${server.prefix}${folder}/`,
    query,
    firstKey: 0,
    keys,
    bytes,
    version: 1,
  })
}

export const leftOut = 'rivals are left out of this run'

type Rival = 'bare' | 'bare-log' | 'nginx' | 'rclone'

/** Servers that were asked for, and the reason for those that are not there. */
export async function rivalServers(
  bench: Bench,
  names: readonly Rival[],
  cores: string | null = null,
): Promise<readonly (ServerContestant | Absent)[]> {
  const found: (ServerContestant | Absent)[] = []
  for (const name of names) {
    const role = name === 'nginx' || name === 'rclone' ? 'rival' : 'limit'
    const absent = role === 'rival' ? rivalAbsence(bench, name) : null
    if (absent !== null) found.push({ name, role, absent })
    else
      found.push(
        await orAbsent({ name, role }, async () => ({
          name,
          role,
          server: await startRival(bench, name, cores),
        })),
      )
  }
  return found
}

function startRival({ workspace }: Bench, name: Rival, cores: string | null): Promise<FileServer> {
  switch (name) {
    case 'bare':
      return startBare(workspace, 'memory', cores)
    case 'bare-log':
      return startBare(workspace, 'log', cores)
    case 'nginx':
      return startNginx(workspace, cores)
    case 'rclone':
      return startRclone(workspace)
  }
}

/** Somebody else who does not come to the start does not end the race. */
export async function orAbsent<T>(
  who: { readonly name: string; readonly role: Role },
  start: () => Promise<T>,
): Promise<T | Absent> {
  try {
    return await start()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { name: who.name, role: who.role, absent: `it does not start: ${reason.slice(0, 300)}` }
  }
}

export function rivalAbsence(bench: Bench, ...tools: readonly string[]): string | null {
  if (!bench.rivals) return leftOut
  const missing = tools.filter((tool) => !hasTool(tool))
  return missing.length === 0 ? null : `${missing.join(', ')} not installed (see --install)`
}
