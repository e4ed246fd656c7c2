/** Memory and disk: a large upload, volumes with much free space, plain files to compare with. */
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Bench, Contestant, Metric, Sample, Scenario } from '../harness/contract.ts'
import { metrics } from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { contentOf, keyPath } from '../load/content.ts'
import { startBare } from '../servers/bare.ts'
import type { FileServer } from '../servers/server.ts'
import { startPrimary, type StillpointServer, takeCp } from '../servers/stillpoint.ts'
import { fillVolume } from './fill-volume.ts'

export const rss: Metric = { name: 'rss', unit: 'bytes', better: 'lower' }
const quiet = ['--cp-interval-ms', '60000']
const logFileBytes = 4096
const plainFilesMax = 100_000
const sparseFiles = 1000

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

const gib = (bytes: number): string => `${bytes / 2 ** 30} GiB`

export const sparse: Scenario = {
  name: 'sparse volumes',
  rows: (scale) => [
    {
      id: 'open-sparse',
      title: `open after kill -9, sparse volumes, ${scale.logBytes / 2 ** 20} MiB of log`,
      subject: gib(scale.sparseBytes.at(-1)!),
      metrics: [metrics.time, rss],
    },
  ],
  async open(bench) {
    const generator = await Generator.start(bench.workspace.processes)
    const contestants: Contestant[] = []
    for (const bytes of bench.scale.sparseBytes) {
      let server = await startPrimary(bench)
      await fillVolume(server, Math.min(sparseFiles, bench.scale.keys), logFileBytes)
      await takeCp(server)
      await server.stop()
      truncateSync(join(server.data, 'volume.blk'), bytes)
      server = await startPrimary(bench, { data: server.data, flags: quiet })
      contestants.push({
        name: gib(bytes),
        role: 'stillpoint',
        async measure() {
          await logFill(generator, server, bench.scale.logBytes)
          await server.stop('SIGKILL')
          server = await startPrimary(bench, { data: server.data, flags: quiet })
          return { time: server.readyMs, rss: server.children[0]!.memory().now }
        },
        close: () => server.stop(),
      })
    }
    return contestants
  },
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
