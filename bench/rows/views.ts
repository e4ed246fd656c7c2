/**
 * What the views of files and changes cost: the same volume of many files twice, once with `--catalog-files off`, and the
 * same requests to both in turn; the first fill, and what follows a consistency point of many random changes.
 */
import { cpSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { publicViews } from '../../src/catalog/schema.ts'
import { askFile } from '../../src/catalog/sql/ask-file.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { sqlBoundsOffline } from '../../src/server/configuration/server-options.ts'
import { measureRequests } from '../harness/contestants.ts'
import {
  type Bench,
  type Contestant,
  type Metric,
  metrics,
  type Row,
  type Sample,
  type Scenario,
} from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { keyPath } from '../load/content.ts'
import { cpuSecondsOf } from '../servers/server.ts'
import { ask, startPrimary, type StillpointServer, takeCp } from '../servers/stillpoint.ts'
import { fillVolume } from './fill-volume.ts'
import { cpuMs, quiet, roomyLog, rss } from './sizes.ts'

const small = 4096
const connections = 64
/** The first pass after a rest comes at once: only a long window has the share that passes take of a server under load. */
const windows = 8
const changedBytes = 100
const pollMs = 50
const followMsMax = 120_000
const ms = (name: string): Metric => ({ name, unit: 'ms', better: 'lower' })
const bytesPerFile: Metric = { name: 'bytes', unit: 'bytes', better: 'lower' }
const requests = [metrics.rate, metrics.p50, metrics.p99, metrics.cpu, metrics.generator] as const

const subject = 'stillpoint'

export const views: Scenario = {
  name: 'views',
  rows(scale) {
    const files = scale.growthFiles.at(-1)!.toLocaleString('en-US')
    const changes = scale.growthChanges.toLocaleString('en-US')
    const row = (id: string, title: string, list: Row['metrics']): Row => ({
      id,
      title,
      metrics: list,
      subject,
    })
    return [
      row(
        'views-put-4k-64',
        `PUT 4 KiB, 64 connections, beside ${files} files, with and without views`,
        requests,
      ),
      row(
        'views-get-4k-64',
        `GET 4 KiB, 64 connections, beside ${files} files, with and without views`,
        requests,
      ),
      row('views-changes', `views after ${changes} random changes of ${files} files`, [metrics.time, cpuMs]),
      row('views-questions', `questions about ${files} files, the open of the catalog among them`, [
        ms('one file'),
        ms('a directory'),
        ms('the ten largest'),
      ]),
      row('views-move', `views after a directory was moved, one of ${files} files`, [metrics.time, cpuMs]),
      row('views-fill', `first fill of the views of ${files} files; catalog.db, a file`, [
        metrics.time,
        cpuMs,
        bytesPerFile,
      ]),
      row('views-memory', `memory with ${files} files, after all of that`, [rss]),
    ]
  },
  async open(bench) {
    const generator = await Generator.start(bench.workspace.processes)
    const first = await startPrimary(bench, { flags: roomyLog })
    // Empty files: the views do not see what is in them, and the volume is made sooner.
    await fillVolume(first, bench.scale.growthFiles.at(-1)!, 0)
    await generator.run(fillOfKeys(bench, first))
    await takeCp(first)
    await first.stop()
    const copy = join(bench.workspace.folder('copy'), 'volume')
    cpSync(first.data, copy, { recursive: true })
    const off = await startPrimary(bench, { data: copy, flags: ['--catalog-files', 'off'] })
    const on = await startPrimary(bench, { data: first.data })
    await caughtUp(on)
    return [
      new Viewed(bench, generator, subject, on, true),
      new Viewed(bench, generator, 'stillpoint without views', off, false),
    ]
  },
}

const folderOf = (key: number): string => `data/${keyPath(key).split('/').slice(0, -1).join('/')}`

const target = ({ port, prefix }: StillpointServer) => ({ port, prefix: `${prefix}small/`, bytes: small })

const fillOfKeys = ({ scale }: Bench, server: StillpointServer) =>
  ({
    kind: 'fill',
    ...target(server),
    connections: 16,
    query: '?durability=buffered',
    firstKey: 0,
    keys: scale.keys,
    version: 1,
  }) as const

class Viewed implements Contestant {
  readonly role = 'stillpoint'

  constructor(
    private readonly bench: Bench,
    private readonly generator: Generator,
    readonly name: string,
    private server: StillpointServer,
    private readonly hasViews: boolean,
  ) {}

  async measure(row: Row, round: number): Promise<Sample | null> {
    switch (row.id) {
      case 'views-put-4k-64':
        return this.requests('PUT')
      case 'views-get-4k-64':
        return this.requests('GET')
      case 'views-memory':
        return { rss: this.server.children[0]!.memory().most }
      case 'views-changes':
        return this.hasViews ? this.changes(round) : null
      case 'views-move':
        return this.hasViews ? this.move(round) : null
      case 'views-questions':
        return this.hasViews ? this.questions(round) : null
      default:
        return this.hasViews ? this.fill() : null
    }
  }

  private requests(method: 'PUT' | 'GET'): Promise<Sample> {
    const { keys, seconds, warmupSeconds } = this.bench.scale
    return measureRequests(this.generator, this.server, {
      kind: 'requests',
      method,
      ...target(this.server),
      query: '',
      keys,
      connections,
      seconds: windows * seconds,
      warmupSeconds,
      requestsMax: 100_000_000,
    })
  }

  private async changes(round: number): Promise<Sample> {
    const { scale } = this.bench
    const files = scale.growthFiles.at(-1)!
    const random = seededRandom(round + 1)
    // A follower that has just begun rests from nothing, and no consistency point comes but the one that is asked for.
    await this.again(quiet)
    await this.generator.run({
      kind: 'fill',
      port: this.server.port,
      connections: 16,
      prefix: '/v1/files/data/',
      query: '?durability=buffered',
      firstKey: 0,
      keys: scale.growthChanges,
      keyList: Array.from({ length: scale.growthChanges }, () => random.below(files)),
      bytes: changedBytes,
      version: 10 + round,
    })
    return this.spent(() => this.follow())
  }

  /** All that lies in it moves with it; the last directory, which no other row reads. */
  private async move(round: number): Promise<Sample> {
    await this.again(quiet)
    const last = folderOf(this.bench.scale.growthFiles.at(-1)! - 1)
    const [from, to] = round % 2 === 0 ? [last, `${last}-moved`] : [`${last}-moved`, last]
    await ask(`${this.server.url}/v1/move`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ from, to }),
    })
    return this.spent(() => this.follow())
  }

  private async follow(): Promise<void> {
    await takeCp(this.server)
    await caughtUp(this.server)
  }

  private questions(round: number): Promise<Sample> {
    const key = seededRandom(round + 1).below(this.bench.scale.growthFiles.at(-1)! >> 1)
    const directory = `(SELECT id FROM directories WHERE path = '${folderOf(key)}')`
    const name = keyPath(key).split('/').at(-1)!
    return Promise.resolve({
      'one file': this.ask(`SELECT size FROM files WHERE directory = ${directory} AND name = '${name}'`, 1),
      'a directory': this.ask(`SELECT count(*) FROM files WHERE directory = ${directory}`, 1),
      'the ten largest': this.ask('SELECT path, size FROM files ORDER BY size DESC LIMIT 10', 10),
    })
  }

  private ask(query: string, expected: number): number {
    const began = performance.now()
    const path = join(this.server.data, 'catalog.db')
    const question = { query, params: [], rowsMax: 1000, format: 'json', views: publicViews } as const
    const { head, rows } = askFile({ path, bounds: sqlBoundsOffline }, question)
    const took = performance.now() - began
    const count = (JSON.parse(Buffer.from(rows).toString()) as unknown[]).length
    if (head.kind !== 'answer' || count !== expected) throw new Error(`${query}: ${count} rows`)
    return took
  }

  private async fill(): Promise<Sample> {
    await this.server.stop()
    for (const suffix of ['', '-journal'])
      rmSync(join(this.server.data, `catalog.db${suffix}`), { force: true })
    this.server = await startPrimary(this.bench, { data: this.server.data })
    const spent = await this.spent(() => caughtUp(this.server))
    const { size } = statSync(join(this.server.data, 'catalog.db'))
    return { ...spent, bytes: size / this.bench.scale.growthFiles.at(-1)! }
  }

  private async again(flags: readonly string[]): Promise<void> {
    await this.server.stop()
    this.server = await startPrimary(this.bench, { data: this.server.data, flags })
    await caughtUp(this.server)
  }

  private async spent(work: () => Promise<void>): Promise<{ readonly time: number; readonly cpu: number }> {
    const cpuBefore = cpuSecondsOf(this.server)
    const began = performance.now()
    await work()
    const time = performance.now() - began
    return { time, cpu: (cpuSecondsOf(this.server) - cpuBefore) * 1000 }
  }

  close(): Promise<void> {
    return this.server.stop()
  }
}

/** The rows are those of the newest consistency point. */
async function caughtUp({ url }: StillpointServer): Promise<void> {
  const deadline = performance.now() + followMsMax
  for (;;) {
    const text = await (await ask(`${url}/metrics`)).text()
    const value = (name: string): number =>
      Number(new RegExp(`^stillpoint_catalog_${name} (\\d+)$`, 'm').exec(text)?.[1])
    if (value('behind_cps') === 0 && value('filling') === 0) return
    if (performance.now() > deadline) throw new Error('the views do not follow')
    await Bun.sleep(pollMs)
  }
}
