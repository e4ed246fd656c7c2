/** Memory and disk: a large upload, plain files to compare with; and what it takes to fill a log. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Bench, Contestant, Metric, Sample, Scenario } from '../harness/contract.ts'
import { metrics } from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { contentOf, keyPath } from '../load/content.ts'
import { startBare } from '../servers/bare.ts'
import type { FileServer } from '../servers/server.ts'
import { askJson, type CpItem, startPrimary, type StillpointServer, takeCp } from '../servers/stillpoint.ts'

export const rss: Metric = { name: 'rss', unit: 'bytes', better: 'lower' }
export const cpuMs: Metric = { name: 'cpu', unit: 'ms', better: 'lower' }
/** No consistency point but those that are asked for. */
export const quiet = ['--cp-interval-ms', '60000', '--queue-bytes-max', String(128 * 2 ** 20)]
const logFileBytes = 4096
const plainFilesMax = 100_000

const logPrefix = '/v1/files/log/'
/**
 * Beyond half of the ring a consistency point is asked for, which empties it. This ring is large enough to hold what
 * the usual one of 32 MiB can hold at most, with room for groups that are padded to blocks.
 */
export const roomyLog = ['--log-bytes', String(80 * 2 ** 20)]

/**
 * So much in the log: acknowledged writes since the last consistency point. Then the server is killed and opened again,
 * and has to have all of them.
 */
export async function reopened(
  bench: Bench,
  generator: Generator,
  server: StillpointServer,
  { bytes, version }: { readonly bytes: number; readonly version: number },
): Promise<StillpointServer> {
  const { cp } = await takeCp(server)
  if (bytes > 0)
    await generator.run({
      kind: 'fill',
      port: server.port,
      connections: 32,
      prefix: logPrefix,
      query: '?durability=logged',
      firstKey: 0,
      keys: Math.max(1, Math.floor(bytes / logFileBytes)),
      bytes: logFileBytes,
      version,
    })
  const { items } = await askJson<{ readonly items: readonly CpItem[] }>(`${server.url}/v1/cps?limit=1`)
  if (items[0]?.cp !== cp)
    throw new Error(
      `a consistency point came meanwhile (${items[0]?.cause}): the log is not as full as it should be`,
    )
  await server.stop('SIGKILL')
  await bench.workspace.settle()
  return startPrimary(bench, { data: server.data, flags: quiet })
}

export async function verifyLog(
  generator: Generator,
  before: StillpointServer,
  now: StillpointServer,
): Promise<void> {
  const { wrong, checked } = await generator.run({
    kind: 'verify',
    port: now.port,
    writtenPort: before.port,
    connections: 8,
    prefix: logPrefix,
    bytes: logFileBytes,
  })
  if (wrong > 0) throw new Error(`${wrong} of ${checked} acknowledged files are not what they were`)
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
