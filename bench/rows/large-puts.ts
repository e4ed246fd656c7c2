/** PUT of one large file, and of a hundred medium ones at once; durable when acknowledged where the server can. */
import { join } from 'node:path'
import { rivalAbsence, rivalServers, type ServerContestant } from '../harness/contestants.ts'
import {
  type Absent,
  type Bench,
  type Contestant,
  metrics,
  type Row,
  type Scenario,
} from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { pieceBytes } from '../load/content.ts'
import type { Scale } from '../harness/scale.ts'
import { stateHash } from '../harness/state.ts'
import { cpuSecondsOf } from '../servers/server.ts'
import { startPrimary } from '../servers/stillpoint.ts'
import { runFio } from './puts.ts'

interface Shape {
  readonly count: number
  readonly bytes: number
}

const shapeOf = (scale: Scale, row: Row): Shape =>
  row.id === 'put-1g'
    ? { count: 1, bytes: scale.largeBytes }
    : { count: scale.manyUploads, bytes: scale.manyUploadBytes }

const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20).toLocaleString('en-US')} MiB`

export const largePuts: Scenario = {
  name: 'large puts',
  rows: (scale) => [
    {
      id: 'put-1g',
      title: `PUT of one file of ${mib(scale.largeBytes)}`,
      subject: 'stillpoint logged',
      metrics: [metrics.throughput, metrics.cpu, metrics.generator],
    },
    {
      id: 'put-100x10m',
      title: `${scale.manyUploads} PUTs of ${mib(scale.manyUploadBytes)} at once`,
      subject: 'stillpoint logged',
      metrics: [metrics.throughput, metrics.cpu, metrics.generator],
    },
  ],
  async open(bench) {
    const generator = await Generator.start(bench.workspace.processes)
    const server = await startPrimary(bench)
    const own = ['logged', 'committed'].map((durability): ServerContestant => ({
      name: `stillpoint ${durability}`,
      role: 'stillpoint',
      server,
      query: `?durability=${durability}`,
    }))
    const others = await rivalServers(bench, ['bare', 'bare-log', 'nginx', 'rclone'])
    return [
      ...own.map((one) => uploading(bench, generator, one)),
      ...others.map((one) => ('absent' in one ? one : uploading(bench, generator, one))),
      fioWrite(bench, 'fio', 'direct'),
      fioWrite(bench, 'fio cached', 'cached'),
    ]
  },
}

function uploading(bench: Bench, generator: Generator, contestant: ServerContestant): Contestant {
  const { name, role, server, query = '' } = contestant
  const folderOf = (row: Row): string => `${row.id}-${name.replace(/\W+/g, '-')}`
  return {
    name,
    role,
    async measure(row) {
      const { count, bytes } = shapeOf(bench.scale, row)
      server.makeFolders([folderOf(row)])
      const paths = Array.from({ length: count }, (_, i) => `${server.prefix}${folderOf(row)}/f${i}`)
      const cpuBefore = cpuSecondsOf(server)
      const result = await generator.run({
        kind: 'upload',
        method: 'PUT',
        port: server.port,
        connections: count,
        paths,
        query,
        bytes,
      })
      return {
        throughput: result.bytes / result.seconds / 1e6,
        cpu: ((cpuSecondsOf(server) - cpuBefore) * 1e6) / (result.bytes / 1e6),
        generator: (result.cpuSeconds / result.seconds) * 100,
      }
    },
    // The bare servers throw large bodies away: what they would read back is not what they were sent.
    ...(role === 'limit' ? {} : { state: (row: Row) => stateHash(server.files(folderOf(row))) }),
    close: () => server.stop(),
  }
}

/**
 * As many bytes in large writes and one sync at the end, into space that was reserved.
 *
 * - `direct`: past the page cache with four writes on their way, as large records are written. What the disk can.
 * - `cached`: through the page cache. Its files stay: pages that were in use a moment ago cost a fraction of others,
 *   and a volume does not give any back either.
 */
function fioWrite(bench: Bench, name: string, how: 'direct' | 'cached'): Contestant | Absent {
  const absent = rivalAbsence(bench, 'fio')
  if (absent !== null) return { name, role: 'limit', absent }
  const folder = bench.workspace.folder('fio')
  let files = 0
  const engine = how === 'direct' ? ['--ioengine=libaio', '--iodepth=4', '--direct=1'] : ['--ioengine=psync']
  return {
    name,
    role: 'limit',
    async measure(row) {
      const { count, bytes } = shapeOf(bench.scale, row)
      // A part of a piece would not be written.
      const size = Math.ceil((count * bytes) / pieceBytes) * pieceBytes
      const file = join(folder, `large-${++files}`)
      const began = performance.now()
      const { write, job_runtime: runMs } = await runFio(bench, [
        ...engine,
        `--filename=${file}`,
        `--size=${size}`,
        '--rw=write',
        `--bs=${pieceBytes}`,
        '--end_fsync=1',
        '--fallocate=posix',
      ])
      // Its own figure leaves out the sync when that is slow; what it was busy for does not.
      const ms = Math.max(runMs, write.runtime, 1)
      const elapsed = performance.now() - began
      if (how === 'direct') bench.workspace.remove(file)
      return { throughput: size / Math.min(ms, elapsed) / 1e3 }
    },
  }
}
