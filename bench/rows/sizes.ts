/** Memory and disk: a large upload, plain files to compare with; and what it takes to fill a log. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Bench, Contestant, Metric, Sample, Scenario } from '../harness/contract.ts'
import { metrics } from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { contentOf, keyPath } from '../load/content.ts'
import { startBare } from '../servers/bare.ts'
import type { FileServer } from '../servers/server.ts'
import { startPrimary, type StillpointServer } from '../servers/stillpoint.ts'

export const rss: Metric = { name: 'rss', unit: 'bytes', better: 'lower' }
/** No consistency point but those that are asked for. */
export const quiet = ['--cp-interval-ms', '60000']
const logFileBytes = 4096
const plainFilesMax = 100_000

/** So much in the log: acknowledged writes since the last consistency point. */
export async function logFill(generator: Generator, server: StillpointServer, bytes: number): Promise<void> {
  await generator.run({
    kind: 'fill',
    port: server.port,
    connections: 32,
    prefix: '/v1/files/log/',
    query: '?durability=logged',
    firstKey: 0,
    keys: Math.max(1, Math.floor(bytes / logFileBytes)),
    bytes: logFileBytes,
    version: 1,
  })
}

/** What the same files take as files of the file system that holds the volumes. */
export function plainFiles(bench: Bench): Contestant {
  const { workspace, scale } = bench
  return {
    name: 'plain files',
    role: 'rival',
    async measure(row) {
      if (row.id !== 'memory-files') return null
      const count = Math.min(plainFilesMax, scale.growthFiles.at(-1)!)
      const folder = workspace.folder('plain')
      for (let key = 0; key < count; key++) {
        const path = join(folder, keyPath(key))
        if (key % 100 === 0) mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, contentOf(scale.growthFileBytes, key, 1))
      }
      const output = await workspace.processes.run(['du', '-s', '--block-size=1', folder])
      workspace.remove(folder)
      return { disk: (Number.parseInt(output, 10) / count) * 1e6 }
    },
  }
}

export const memoryUpload: Scenario = {
  name: 'memory of an upload',
  rows: ({ uploadBytes }) => [
    {
      id: 'memory-upload',
      title: `memory for a PUT of ${(uploadBytes / 2 ** 30).toFixed(2)} GiB`,
      metrics: [rss, metrics.throughput],
      roundsMax: 1,
    },
  ],
  async open(bench) {
    const generator = await Generator.start(bench.workspace.processes)
    const bytes = bench.scale.uploadBytes
    const uploading = async (server: FileServer): Promise<Sample> => {
      const paths = [`${server.prefix}large`]
      const job = { kind: 'upload', method: 'PUT', connections: 1, query: '', paths, bytes } as const
      const { seconds } = await generator.run({ ...job, port: server.port })
      return { rss: server.children[0]!.memory().most, throughput: bytes / seconds / 1e6 }
    }
    const own = await startPrimary(bench)
    const bare = await startBare(bench.workspace, 'memory')
    return [
      { name: 'stillpoint', role: 'stillpoint', measure: () => uploading(own), close: () => own.stop() },
      { name: 'bare', role: 'limit', measure: () => uploading(bare), close: () => bare.stop() },
    ]
  },
}
