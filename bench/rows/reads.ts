/** GET of small and large files, ranges, HEAD, and listings: from a primary, and from a mirror that is kept busy. */
import { fillServer, measureRequests, orAbsent, rivalServers } from '../harness/contestants.ts'
import {
  type Absent,
  type Bench,
  type Contestant,
  metrics,
  type Role,
  type Row,
  type Scenario,
} from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import type { Scale } from '../harness/scale.ts'
import { stateHash } from '../harness/state.ts'
import { cpuSecondsOf, type FileServer } from '../servers/server.ts'
import { startPair, startPrimary, takeCp, waitVisible } from '../servers/stillpoint.ts'
import { Background } from './background.ts'

export type ReadKind = 'get-4k-64' | 'get-4k-1' | 'get-64k-64' | 'get-1g' | 'get-ranges' | 'head-64' | 'list'

const rangeBytes = 64 * 1024
const small = 4096
const medium = 64 * 1024
const listedBytes = 16
const pageEntries = 1000

export function readRows(scale: Scale, prefix = '', suffix = ''): Row[] {
  const mib = Math.round(scale.largeBytes / 2 ** 20).toLocaleString('en-US')
  const requests = [metrics.rate, metrics.p50, metrics.p99, metrics.cpu, metrics.generator] as const
  const row = (kind: ReadKind, title: string, list: Row['metrics'] = requests): Row => ({
    id: `${prefix}${kind}`,
    title: `${title}${suffix}`,
    metrics: list,
  })
  return [
    row('get-4k-64', 'GET 4 KiB, 64 connections'),
    row('get-4k-1', 'GET 4 KiB, 1 connection'),
    row('get-64k-64', 'GET 64 KiB, 64 connections'),
    row('get-1g', `GET of one file of ${mib} MiB`, [metrics.throughput, metrics.cpu, metrics.generator]),
    row('get-ranges', `random ranges of 64 KiB of ${mib} MiB, 16 connections`),
    row('head-64', 'HEAD, 64 connections'),
    row('list', `listing of ${scale.listEntries.toLocaleString('en-US')} entries by pages of 1,000`, [
      { name: 'entries', unit: '/s', better: 'higher' },
      metrics.cpu,
      metrics.generator,
    ]),
  ]
}

const kindOf = (row: Row): ReadKind => row.id.replace(/^mirror-/, '') as ReadKind

/** Everything that any of the rows reads. */
export async function fillForReads(
  bench: Bench,
  generator: Generator,
  server: FileServer,
  rows: readonly Row[],
  { query = '', isListed = true }: { readonly query?: string; readonly isListed?: boolean } = {},
): Promise<void> {
  const { keys, largeBytes, listEntries } = bench.scale
  const kinds = new Set(rows.map(kindOf))
  const has = (...wanted: readonly ReadKind[]): boolean => wanted.some((kind) => kinds.has(kind))
  if (has('get-4k-64', 'get-4k-1', 'head-64'))
    await fillServer(generator, server, 'small', keys, small, query)
  if (has('get-64k-64')) await fillServer(generator, server, 'medium', keys, medium, query)
  if (has('get-1g', 'get-ranges')) {
    server.makeFolders(['large'])
    const paths = [`${server.prefix}large/f0`]
    await generator.run({
      kind: 'upload',
      method: 'PUT',
      port: server.port,
      connections: 1,
      paths,
      query,
      bytes: largeBytes,
    })
  }
  if (has('list') && isListed) {
    server.makeFolders(['list'])
    const target = { port: server.port, prefix: `${server.prefix}list/`, query, bytes: listedBytes }
    await generator.run({
      kind: 'fill',
      connections: 32,
      ...target,
      firstKey: 0,
      keys: listEntries,
      version: 1,
      isFlat: true,
    })
  }
}

type ListPath = (scale: Scale) => string
const listPaths: Readonly<Record<string, ListPath>> = {
  stillpoint: () => `/v1/dirs/list?limit=${pageEntries}`,
  bare: ({ listEntries }) => `/pages?limit=${pageEntries}&total=${listEntries}`,
  nginx: () => '/list/',
}

export interface Reader {
  readonly name: string
  readonly role: Role
  readonly server: FileServer
}

export function readingContestant(
  bench: Bench,
  generator: Generator,
  { name, role, server }: Reader,
): Contestant {
  const { scale } = bench
  return {
    name,
    role,
    async measure(row) {
      const kind = kindOf(row)
      const { port, prefix } = server
      const window = { seconds: scale.seconds, warmupSeconds: scale.warmupSeconds, requestsMax: 100_000_000 }
      const requests = { kind: 'requests', port, query: '', keys: scale.keys, ...window } as const
      switch (kind) {
        case 'get-4k-64':
        case 'get-4k-1': {
          const connections = kind === 'get-4k-1' ? 1 : 64
          const job = {
            ...requests,
            method: 'GET',
            prefix: `${prefix}small/`,
            connections,
            bytes: small,
          } as const
          return measureRequests(generator, server, job)
        }
        case 'head-64': {
          const job = {
            ...requests,
            method: 'HEAD',
            prefix: `${prefix}small/`,
            connections: 64,
            bytes: small,
          } as const
          return measureRequests(generator, server, job)
        }
        case 'get-64k-64': {
          const job = {
            ...requests,
            method: 'GET',
            prefix: `${prefix}medium/`,
            connections: 64,
            bytes: medium,
          } as const
          return measureRequests(generator, server, job)
        }
        case 'get-ranges': {
          const range = { rangeBytes: Math.min(rangeBytes, scale.largeBytes >> 1), path: 'f0' }
          const job = {
            ...requests,
            ...range,
            method: 'GET',
            prefix: `${prefix}large/`,
            connections: 16,
          } as const
          return measureRequests(generator, server, { ...job, bytes: scale.largeBytes })
        }
        case 'get-1g': {
          const cpuBefore = cpuSecondsOf(server)
          const result = await generator.run({
            kind: 'download',
            port,
            path: `${prefix}large/f0`,
            expectBytes: scale.largeBytes,
          })
          return {
            throughput: result.bytes / result.seconds / 1e6,
            cpu: ((cpuSecondsOf(server) - cpuBefore) * 1e6) / (result.bytes / 1e6),
            generator: (result.cpuSeconds / result.seconds) * 100,
          }
        }
        case 'list': {
          const path = listPaths[name] ?? (role === 'stillpoint' ? listPaths['stillpoint'] : undefined)
          if (!path) return null
          const cpuBefore = cpuSecondsOf(server)
          const job = { kind: 'list', port, path: path(scale), expectEntries: scale.listEntries } as const
          const result = await generator.run(job)
          return {
            entries: scale.listEntries / result.seconds,
            cpu: ((cpuSecondsOf(server) - cpuBefore) * 1e6) / scale.listEntries,
            generator: (result.cpuSeconds / result.seconds) * 100,
          }
        }
      }
    },
    async state(row) {
      const folder = { 'get-64k-64': 'medium', 'get-1g': 'large', 'get-ranges': 'large', list: null }[
        kindOf(row) as string
      ]
      if (folder === null || (folder === 'large' && role === 'limit')) return null
      return stateHash(server.files(folder ?? 'small'))
    },
    close: () => server.stop(),
  }
}

/** Without Stillpoint there is no row; without a rival there is one. */
const startOf = (reader: Reader, start: () => Promise<Contestant>): Promise<Contestant | Absent> =>
  reader.role === 'stillpoint' ? start() : orAbsent(reader, start)

export const reads: Scenario = {
  name: 'reads',
  rows: (scale) => readRows(scale),
  async open(bench, rows) {
    const generator = await Generator.start(bench.workspace.processes)
    const readers = [
      { name: 'stillpoint', role: 'stillpoint', server: await startPrimary(bench) } as const,
      ...(await rivalServers(bench, ['bare', 'nginx', 'rclone'])),
    ]
    const contestants: (Contestant | Absent)[] = []
    for (const reader of readers) {
      if ('absent' in reader) contestants.push(reader)
      else
        contestants.push(
          await startOf(reader, async () => {
            const query = reader.role === 'stillpoint' ? '?durability=buffered' : ''
            // The bare server makes its pages up, and rclone lists a folder anew for every file that is put into it.
            const isListed = reader.name === 'stillpoint' || reader.name === 'nginx'
            await fillForReads(bench, generator, reader.server, rows, { query, isListed })
            return readingContestant(bench, generator, reader)
          }),
        )
    }
    return contestants
  },
}

/** One core for the server, the others for the generator: what a request costs, with nothing running beside it. */
export const oneCoreReads: Scenario = {
  name: 'reads on one core',
  rows: () => [
    {
      id: 'get-4k-64-one-core',
      title: 'GET 4 KiB, 64 connections, each server on one core of its own',
      metrics: [metrics.rate, metrics.p50, metrics.p99, metrics.cpu, metrics.generator],
    },
  ],
  async open(bench, rows) {
    const last = navigator.hardwareConcurrency - 1
    if (last < 1) throw new Error('the machine has one core only')
    const generator = await Generator.start(bench.workspace.processes, last === 1 ? '1' : `1-${last}`)
    const readers = [
      { name: 'stillpoint', role: 'stillpoint', server: await startPrimary(bench, { cores: '0' }) } as const,
      ...(await rivalServers(bench, ['bare', 'nginx'], '0')),
    ]
    const asUsual = rows.map((row) => ({ ...row, id: row.id.replace('-one-core', '') }))
    const plain = (row: Row): Row => ({ ...row, id: row.id.replace('-one-core', '') })
    const contestants: (Contestant | Absent)[] = []
    for (const reader of readers) {
      if ('absent' in reader) contestants.push(reader)
      else
        contestants.push(
          await startOf(reader, async () => {
            const query = reader.role === 'stillpoint' ? '?durability=buffered' : ''
            await fillForReads(bench, generator, reader.server, asUsual, { query })
            const contestant = readingContestant(bench, generator, reader)
            return {
              ...contestant,
              measure: (row: Row, round: number) => contestant.measure(plain(row), round),
              state: async (row: Row) => (await contestant.state?.(plain(row))) ?? null,
            }
          }),
        )
    }
    return contestants
  },
}

/** The same reads from a mirror: at rest, and while its primary is written to as fast as it can. */
export const mirrorReads: Scenario = {
  name: 'mirror reads',
  rows: (scale) =>
    readRows(scale, 'mirror-', ', from a mirror').map((row) => ({
      ...row,
      subject: 'stillpoint busy mirror',
    })),
  async open(bench, rows) {
    const { processes } = bench.workspace
    const generator = await Generator.start(processes)
    const writer = await Generator.start(processes)
    const { primary, mirrors } = await startPair(bench, 1)
    const mirror = mirrors[0]!
    const bare = await rivalServers(bench, ['bare'])
    await fillForReads(bench, generator, primary, rows, { query: '?durability=buffered' })
    for (const one of bare)
      if (!('absent' in one)) await fillForReads(bench, generator, one.server, rows, { isListed: false })
    await waitVisible(mirror, (await takeCp(primary)).cp)
    const background = new Background(bench, writer, primary)
    const idle = readingContestant(bench, generator, {
      name: 'stillpoint idle mirror',
      role: 'stillpoint',
      server: mirror,
    })
    const own = readingContestant(bench, generator, {
      name: 'stillpoint primary',
      role: 'stillpoint',
      server: primary,
    })
    return [
      {
        ...idle,
        name: 'stillpoint busy mirror',
        measure: (row, round) => background.during(() => idle.measure(row, round)),
      },
      idle,
      own,
      ...bare.map((one) => ('absent' in one ? one : readingContestant(bench, generator, one))),
    ]
  },
}
