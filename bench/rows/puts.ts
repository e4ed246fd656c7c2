/** PUT of small files at each durability level, 1, 8 and 64 connections. */
import { join } from 'node:path'
import { writingContestant, rivalAbsence, rivalServers } from '../harness/contestants.ts'
import {
  type Absent,
  type Bench,
  type Contestant,
  metrics,
  type Row,
  type Scenario,
} from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { startPair, startPrimary } from '../servers/stillpoint.ts'

const sizes = [
  ['4k', 4096, '4 KiB'],
  ['64k', 64 * 1024, '64 KiB'],
] as const
const connectionCounts = [1, 8, 64] as const
const durabilities = ['logged', 'committed', 'buffered', 'mirrored'] as const

const shapes = new Map<
  string,
  { readonly bytes: number; readonly connections: number; readonly shown: string }
>(
  sizes.flatMap(([name, bytes, shown]) =>
    connectionCounts.map(
      (connections) => [`put-${name}-${connections}`, { bytes, connections, shown }] as const,
    ),
  ),
)
const shapeOf = (row: Row): { readonly bytes: number; readonly connections: number } => shapes.get(row.id)!

export const puts: Scenario = {
  name: 'puts',
  rows: () =>
    [...shapes].map(([id, { shown, connections }]) => ({
      id,
      title: `PUT ${shown}, ${connections} connection${connections === 1 ? '' : 's'}`,
      subject: 'stillpoint logged',
      metrics: [metrics.rate, metrics.p50, metrics.p99, metrics.cpu, metrics.generator],
    })),
  async open(bench) {
    const generator = await Generator.start(bench.workspace.processes)
    const alone = await startPrimary(bench)
    const { primary: mirrored } = await startPair(bench, 1)
    const rivals = await rivalServers(bench, ['bare', 'bare-log', 'nginx', 'rclone'])
    return [
      ...durabilities.map((durability) =>
        writingContestant(
          bench,
          generator,
          {
            name: `stillpoint ${durability}`,
            role: 'stillpoint',
            server: durability === 'mirrored' ? mirrored : alone,
            query: `?durability=${durability}`,
          },
          shapeOf,
        ),
      ),
      ...rivals.map((rival) =>
        'absent' in rival ? rival : writingContestant(bench, generator, rival, shapeOf),
      ),
      fioLog(bench),
    ]
  },
}

/** As many bytes in one synchronous write as a group of all connections has: the pattern of the log. */
function fioLog(bench: Bench): Contestant | Absent {
  const absent = rivalAbsence(bench, 'fio')
  if (absent !== null) return { name: 'fio', role: 'limit', absent }
  const folder = bench.workspace.folder('fio')
  return {
    name: 'fio',
    role: 'limit',
    async measure(row) {
      const { bytes, connections } = shapeOf(row)
      const { write } = await runFio(bench, [
        `--filename=${join(folder, 'ring')}`,
        '--size=32M',
        '--rw=write',
        `--bs=${bytes * connections}`,
        '--sync=dsync',
        '--time_based',
        `--runtime=${Math.max(0.2, bench.scale.seconds)}`,
      ])
      return {
        rate: write.iops * connections,
        p50: (write.clat_ns.percentile?.['50.000000'] ?? 0) / 1e6,
        p99: (write.clat_ns.percentile?.['99.000000'] ?? 0) / 1e6,
      }
    },
  }
}

export interface FioJob {
  readonly write: {
    readonly iops: number
    readonly bw_bytes: number
    readonly runtime: number
    readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> }
  }
  readonly job_runtime: number
}

export async function runFio(bench: Bench, args: readonly string[]): Promise<FioJob> {
  const output = await bench.workspace.processes.run(
    ['fio', '--name=bench', '--ioengine=psync', '--output-format=json', '--thread', ...args],
    { msMax: 300_000 },
  )
  const { jobs } = JSON.parse(output.slice(output.indexOf('{'))) as { readonly jobs: readonly FioJob[] }
  return jobs[0]!
}
