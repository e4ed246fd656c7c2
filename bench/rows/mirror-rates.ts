/** What mirrors cost the primary: the same writes with none, one and two of them. */
import { writingContestant } from '../harness/contestants.ts'
import { metrics, type Contestant, type Row, type Scenario } from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { startPair } from '../servers/stillpoint.ts'

const shapes = new Map<string, { readonly bytes: number; readonly connections: number }>([
  ['mirrors-put-4k', { bytes: 4096, connections: 64 }],
  ['mirrors-put-64k', { bytes: 64 * 1024, connections: 64 }],
])
const counts = [0, 1, 2] as const

export const mirrorRates: Scenario = {
  name: 'mirror rates',
  rows: () =>
    [...shapes].map(([id, { bytes }]): Row => ({
      id,
      title: `PUT ${bytes / 1024} KiB logged, 64 connections, with mirrors`,
      subject: 'no mirror',
      metrics: [metrics.rate, metrics.p50, metrics.p99, metrics.cpu, metrics.generator],
    })),
  async open(bench) {
    const generator = await Generator.start(bench.workspace.processes)
    const contestants: Contestant[] = []
    for (const count of counts) {
      const { primary } = await startPair(bench, count)
      contestants.push(
        writingContestant(
          bench,
          generator,
          {
            name: count === 0 ? 'no mirror' : count === 1 ? '1 mirror' : `${count} mirrors`,
            role: 'stillpoint',
            server: primary,
            query: '?durability=logged',
          },
          (row) => shapes.get(row.id)!,
        ),
      )
    }
    return contestants
  },
}
