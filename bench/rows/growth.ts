/**
 * What size costs: consistency points, opening after a kill, memory and disk, on volumes of growing numbers of files.
 *
 * One volume and one server a size; the rows run one after the other on the same volumes.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../../src/lib/random.ts'
import type { Absent, Bench, Contestant, Metric, Row, Sample, Scenario } from '../harness/contract.ts'
import { foldersFor } from '../harness/contestants.ts'
import { metrics } from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import type { Scale } from '../harness/scale.ts'
import { cpuSecondsOf } from '../servers/server.ts'
import { startPrimary, type StillpointServer, takeCp } from '../servers/stillpoint.ts'
import { fillVolume } from './fill-volume.ts'
import { cpuMs, plainFiles, quiet, reopened, roomyLog, rss, verifyLog } from './sizes.ts'

const connections = 16

const nameOf = (files: number): string => `${files.toLocaleString('en-US')} files`
const total: Metric = { name: 'total', unit: 'ms', better: 'lower' }
/** With nothing in memory yet: once a volume. */
const coldTotal: Metric = { name: 'cold', unit: 'ms', better: 'lower' }
const cp: Metric = { name: 'cp', unit: 'ms', better: 'lower' }
const written: Metric = { name: 'written', unit: 'bytes', better: 'lower' }
export const disk: Metric = { name: 'disk', unit: 'bytes', better: 'lower' }

export const growth: Scenario = {
  name: 'growth',
  rows(scale) {
    const subject = nameOf(scale.growthFiles.at(-1)!)
    const changes = scale.growthChanges.toLocaleString('en-US')
    const mib = (bytes: number): string => `${bytes / 2 ** 20} MiB`
    return [
      {
        id: 'growth-random',
        title: `${changes} PUTs at random and their CP, nodes in memory`,
        subject,
        metrics: [total, cp, cpuMs, written, coldTotal],
      },
      {
        id: 'growth-adjacent',
        title: `${changes} adjacent PUTs and their CP, nodes in memory`,
        subject,
        metrics: [total, cp, cpuMs, written],
      },
      {
        id: 'open-clean',
        title: 'open after kill -9, nothing in the log',
        subject,
        metrics: [metrics.time, cpuMs, rss],
      },
      {
        id: 'open-log',
        title: `open after kill -9, ${mib(scale.logBytes)} of log`,
        subject,
        metrics: [metrics.time, cpuMs, rss],
      },
      {
        id: 'open-full-log',
        title: `open after kill -9, full log, ${mib(scale.fullLogBytes)} in files of 4 KiB`,
        subject,
        metrics: [metrics.time, cpuMs, rss],
      },
      {
        id: 'memory-files',
        title: `memory with ${subject}; disk, scaled to 1,000,000 files of ${scale.growthFileBytes} bytes`,
        subject: 'stillpoint',
        metrics: [rss, disk],
        roundsMax: 1,
      },
    ]
  },
  async open(bench, rows) {
    const generator = await Generator.start(bench.workspace.processes)
    const onlyMemory = rows.every(({ id }) => id === 'memory-files')
    const sizes = onlyMemory ? bench.scale.growthFiles.slice(-1) : bench.scale.growthFiles
    const volumes: Volume[] = []
    for (const files of sizes) volumes.push(await Volume.make(bench, generator, files))
    return [
      ...volumes,
      memoryOf(bench, volumes.at(-1)!),
      ...(onlyMemory || has(rows, 'memory-files') ? [plainFiles(bench)] : []),
    ]
  },
}

const has = (rows: readonly Row[], id: string): boolean => rows.some((row) => row.id === id)

class Volume implements Contestant {
  readonly role = 'stillpoint'
  readonly name: string
  private warm = false

  private constructor(
    private readonly scale: Scale,
    private readonly bench: Bench,
    private readonly generator: Generator,
    readonly files: number,
    private server: StillpointServer,
  ) {
    this.name = nameOf(files)
  }

  static async make(bench: Bench, generator: Generator, files: number): Promise<Volume> {
    bench.note(`growth: making ${nameOf(files)}`)
    const server = await startPrimary(bench, { flags: roomyLog })
    await fillVolume(server, files, bench.scale.growthFileBytes)
    await takeCp(server)
    await server.stop()
    const again = await startPrimary(bench, { data: server.data, flags: quiet })
    return new Volume(bench.scale, bench, generator, files, again)
  }

  async measure(row: Row, round: number): Promise<Sample | null> {
    switch (row.id) {
      case 'growth-random':
      case 'growth-adjacent':
        return this.changes(row.id === 'growth-random', round)
      case 'open-clean':
        return this.reopen(0, round)
      case 'open-log':
        return this.reopen(this.scale.logBytes, round)
      case 'open-full-log':
        return this.reopen(this.scale.fullLogBytes, round)
      default:
        return null
    }
  }

  private async changes(isRandom: boolean, round: number): Promise<Sample> {
    const cold = this.warm ? null : await this.warmUp()
    const keys = this.keys(isRandom, round)
    const cpuBefore = cpuSecondsOf(this.server)
    const began = performance.now()
    await this.put(keys, 10 + round)
    const sealed = performance.now()
    const item = await takeCp(this.server)
    const ended = performance.now()
    return {
      total: ended - began,
      cp: ended - sealed,
      cpu: (cpuSecondsOf(this.server) - cpuBefore) * 1000,
      written: item.bytesWritten,
      ...(cold === null ? {} : { cold }),
    }
  }

  /**
   * Every node is in memory: what is compared is the work, not the page cache. How long the same changes and their CP
   * took before that.
   */
  private async warmUp(): Promise<number> {
    const began = performance.now()
    await this.put(this.keys(true, 777), 7)
    await takeCp(this.server)
    const cold = performance.now() - began
    await this.generator.run({
      kind: 'list',
      port: this.server.port,
      path: '/v1/dirs/data?recursive=true&limit=1000',
      expectEntries: this.files + foldersFor('data', this.files).length,
    })
    this.warm = true
    return cold
  }

  private keys(isRandom: boolean, seed: number): number[] {
    const random = seededRandom(seed + 1)
    const count = Math.min(this.scale.growthChanges, this.files)
    const first = random.below(this.files - count + 1)
    return Array.from({ length: count }, (_, i) => (isRandom ? random.below(this.files) : first + i))
  }

  private async put(keyList: readonly number[], version: number): Promise<void> {
    await this.generator.run({
      kind: 'fill',
      port: this.server.port,
      connections,
      prefix: '/v1/files/data/',
      query: '?durability=buffered',
      firstKey: 0,
      keys: keyList.length,
      keyList,
      bytes: this.scale.growthFileBytes,
      version,
    })
  }

  private async reopen(logBytes: number, round: number): Promise<Sample> {
    const before = this.server
    // Other content in each row and round: what is read back is not what an earlier one has left.
    const version = logBytes + round
    this.server = await reopened(this.bench, this.generator, before, { bytes: logBytes, version })
    this.warm = false
    const [child] = this.server.children
    const sample = {
      time: this.server.readyMs,
      cpu: cpuSecondsOf(this.server) * 1000,
      rss: child!.memory().now,
    }
    await verifyLog(this.generator, before, this.server)
    return sample
  }

  /** After reading and changing all over the volume. */
  async memory(): Promise<Sample> {
    await this.server.stop()
    this.server = await startPrimary(this.bench, { data: this.server.data })
    const { port } = this.server
    const target = { port, connections, prefix: '/v1/files/data/', bytes: this.scale.growthFileBytes }
    for (const method of ['GET', 'PUT'] as const) {
      const query = method === 'PUT' ? '?durability=buffered' : ''
      const window = { seconds: 2 * this.scale.seconds, warmupSeconds: 0, requestsMax: this.files }
      await this.generator.run({
        kind: 'requests',
        method,
        ...target,
        ...window,
        query,
        keys: this.files,
        isRandom: true,
      })
    }
    await takeCp(this.server)
    const used = statSync(join(this.server.data, 'volume.blk')).blocks * 512
    return { rss: this.server.children[0]!.memory().most, disk: (used / this.files) * 1e6 }
  }

  close(): Promise<void> {
    return this.server.stop()
  }
}

function memoryOf(_bench: Bench, volume: Volume): Contestant | Absent {
  return {
    name: 'stillpoint',
    role: 'stillpoint',
    measure: async (row) => (row.id === 'memory-files' ? volume.memory() : null),
  }
}
