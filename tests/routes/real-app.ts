/**
 * The app of a primary over the real engine and the real file system, on a device in memory that can be told to lie, to
 * fail, and to be full: what the door answers then is what a client gets.
 */
import { TokenDesk } from '../../src/access/token-settings.ts'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { DeviceError, type WriteRun } from '../../src/blockdev/block-device.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { createPrimary } from '../../src/cp-engine/create-volume.ts'
import { openPrimary } from '../../src/cp-engine/open-primary.ts'
import type { Packing } from '../../src/cp-engine/records/payloads.ts'
import { Volume } from '../../src/cp-engine/volume/volume.ts'
import { blockBytes, makeGeometry } from '../../src/format/geometry.ts'
import type { ChecksumKind } from '../../src/format/pointer.ts'
import { VolumeFiles } from '../../src/fs/file-system.ts'
import { NewestFiles } from '../../src/fs/read/instant-files.ts'
import { Views } from '../../src/fs/read/image-leases.ts'
import { readTree } from '../../src/fs/read/read-view.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { type App, makeApp } from '../../src/routes/app.ts'
import type { CpHistory, CpRecord } from '../../src/routes/http/dependencies.ts'
import { type HttpServerOptions, startHttpServer } from '../../src/routes/http/server.ts'
import { type PotsLimits, potNames } from '../../src/routes/limits/pots.ts'
import { limits } from '../../src/server/door.ts'
import { reachLevel, reachingOf } from '../../src/server/durability-levels.ts'
import { countsOf, expectQuiet } from '../noticing/quiet.ts'
import { scribbleFreed } from '../noticing/scribbled.ts'
import { knownTokens } from '../access/issued.ts'
import { engineMirrors } from '../replica/engine-mirrors.ts'
import { cacheLimit, engineLimits } from '../engine-limits.ts'
import { EventFeed } from '../../src/server/events/event-feed.ts'
import { noStatus } from './harness.ts'
import { FakeSql } from './fake-sql.ts'
import { resourcesFor } from './resources.ts'

const mebibyte = 2 ** 20

/** Wrong bytes from every read, or an error from every write. */
class LyingDevice extends MemoryDevice {
  isDamaged = false
  isBroken = false

  override async read(address: number, target: Uint8Array): Promise<void> {
    this.readSync(address, target)
  }
  override readSync(address: number, target: Uint8Array): void {
    super.readSync(address, target)
    if (this.isDamaged) for (let at = 0; at < target.length; at += blockBytes) target[at + 100]! ^= 1
  }
  override async write(runs: readonly WriteRun[]): Promise<void> {
    if (this.isBroken) throw new DeviceError('the device is broken')
    await super.write(runs)
  }
  override async writeDurable(address: number, buffers: readonly Uint8Array[]): Promise<void> {
    if (this.isBroken) throw new DeviceError('the device is broken')
    await super.writeDurable(address, buffers)
  }
}

/** A clock that nobody foresaw. */
class BrokenClock implements Clock {
  isBroken = false
  now = () => systemClock.now()
  monotonic = () => {
    if (this.isBroken) throw new TypeError('nobody foresaw this')
    return systemClock.monotonic()
  }
  after = (ms: number, callback: () => void) => systemClock.after(ms, callback)
  sleep = (ms: number) => systemClock.sleep(ms)
  yield = () => systemClock.yield()
}

export interface Ask {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
}

interface RealAppOptions {
  readonly mebibytes?: number
  readonly recordChecksum?: ChecksumKind
  readonly packing?: Packing
}

export class RealApp {
  readonly device = new LyingDevice()
  readonly appClock = new BrokenClock()
  readonly known = knownTokens()
  readonly sql = new FakeSql(() => this.engine.current().root.cp)
  engine!: CpEngine
  private files!: VolumeFiles
  private app!: App
  private views!: Views
  mirrors!: ReturnType<typeof engineMirrors>
  private cps!: CpHistory
  private hasPins = false
  private readonly random = seededRandom(1)
  readonly resources = resourcesFor({ clock: systemClock })

  private constructor(private readonly options: RealAppOptions) {}

  static async create(options: RealAppOptions = {}): Promise<RealApp> {
    const real = new RealApp(options)
    const { device, random } = real
    const { mebibytes = 24, recordChecksum = 'xxh3' } = options
    const geometry = makeGeometry(mebibytes * mebibyte, mebibyte, mebibyte)
    await createPrimary(device, { clock: systemClock, random, geometry, recordChecksum })
    await real.open()
    return real
  }

  private async open(): Promise<void> {
    const clock = systemClock
    const engine = await openPrimary(this.device, {
      ...engineLimits,
      clock,
      random: this.random,
      cpIntervalMs: 10_000,
      packing: this.options.packing ?? null,
    })
    scribbleFreed(engine, this.device)
    const files = new VolumeFiles(engine, clock)
    engine.onSpaceShort(() => files.hurry())
    const views = new Views({
      source: engine,
      clock,
      view: (tree) => readTree(engine, tree),
      openView: () => files.view(),
      settle: () => engine.requestCp('requested'),
    })
    this.mirrors = engineMirrors(engine, {
      transport: { connect: () => ({ wake: () => {}, close: () => {} }) },
      clock,
      random: this.random,
    })
    const record = (cp: number): CpRecord => {
      const { root, hash } = engine.readable().find((each) => each.root.cp === cp)!
      const counts = { blocksWritten: 0, bytesWritten: 0, coalesced: 0 }
      const committedAtMs = root.committedAtMs
      return { cp, epoch: 0, rootHash: toHex(hash), cause: 'timer', committedAtMs, retained: true, ...counts }
    }
    const readable = () => engine.readable().map(({ root }) => root)
    this.cps = {
      list: async (limit, before) =>
        readable()
          .filter(({ cp }) => before === null || cp < before)
          .slice(0, limit)
          .map(({ cp }) => record(cp)),
      get: async (cp) => (readable().some((root) => root.cp === cp) ? record(cp) : null),
      newestAt: async (ms) => readable().find((root) => root.committedAtMs <= ms)?.cp ?? null,
    }
    const reaching = reachingOf(systemClock, engine, this.mirrors)
    this.app = makeApp({
      role: 'primary',
      audit: () => {},
      random: this.random,
      views,
      newest: files.newest,
      cps: this.cps,
      sql: this.sql,
      clock: this.appClock,
      limits,
      resources: this.resources,
      needsToken: () => false,
      files,
      mirrors: this.mirrors,
      access: this.known,
      tokens: new TokenDesk(files, this.known, this.random),
      taker: {
        opening: 'the-first',
        async take() {
          engine.assertWritable()
          const before = engine.current().root.cp
          const { root } = await engine.requestCp('requested')
          return { taken: root.cp !== before, record: record(root.cp) }
        },
      },
      reach: (applied, wish) => reachLevel(reaching, applied, wish),
      ready: () => ({ ok: !engine.isPoisoned, reason: engine.isPoisoned ? 'poisoned' : '' }),
      events: new EventFeed(
        () => engine.current().root.cp,
        clock,
        () => {},
      ),
      serverStatus: () => noStatus,
      metrics: async () => [],
      reportBug: () => {},
    })
    files.start()
    this.engine = engine
    this.files = files
    this.views = views
  }

  /** Nothing of the tree is in memory any more. `edit` finds both slots with one root. */
  async reopen(edit: (device: MemoryDevice) => Promise<void> = () => Promise.resolve()): Promise<void> {
    this.views.close()
    await this.files.close()
    await this.engine.requestCp('requested')
    await this.engine.writeSuperblock()
    await this.engine.close()
    await edit(this.device)
    await this.open()
  }

  /** The door of a mirror that has published what the primary has published now. */
  async mirror(): Promise<App> {
    await this.engine.requestCp('requested')
    const clock = systemClock
    const volume = await Volume.open(this.device.reopened(), { clock, readOnly: true, ...cacheLimit })
    return makeApp({
      role: 'mirror',
      audit: () => {},
      random: this.random,
      views: new Views({ source: volume, clock, view: (tree) => readTree(volume, tree) }),
      newest: new NewestFiles(volume.newest),
      cps: this.cps,
      sql: this.sql,
      clock,
      limits,
      access: this.known,
      resources: this.resources,
      needsToken: () => false,
      status: () => {
        throw new Error('nobody asks for the status')
      },
      ready: () => ({ ok: true, reason: '' }),
      events: new EventFeed(
        () => volume.current().root.cp,
        clock,
        () => {},
      ),
      serverStatus: () => noStatus,
      metrics: async () => [],
      reportBug: () => {},
    })
  }

  /** Somebody keeps the newest image for good. */
  pin(): void {
    this.engine.pin(this.engine.current())
    this.hasPins = true
  }

  /** Nothing is held for anybody; a refusal leaves nothing behind. */
  quiet(): Promise<void> {
    return expectQuiet(
      () =>
        countsOf({ engine: this.engine, files: this.files, views: this.views, resources: this.resources }),
      this.hasPins,
    )
  }

  /** After a refusal everything that was held for the request is let go of, unless the process has to end. */
  async ask(ask: Ask): Promise<Response> {
    const answer = await this.askOnly(ask)
    if (answer.status >= 400 && !this.engine.isPoisoned) await this.quiet()
    return answer
  }

  /** With tokens that are known meanwhile; nobody's are, afterwards. */
  async askClosed(ask: Ask): Promise<Response> {
    const answer = await this.askOnly(ask)
    this.known.replace([], false)
    if (answer.status >= 400) await this.quiet()
    return answer
  }

  private askOnly({ method, path, headers, body }: Ask): Promise<Response> {
    const init = { method, ...(headers ? { headers } : {}), ...(body === undefined ? {} : { body }) }
    return Promise.resolve(this.app.fetch(new Request(`http://test${path}`, init)))
  }

  async fetch(request: Request): Promise<Response> {
    return this.app.fetch(request)
  }

  json(method: string, path: string, value: unknown): Promise<Response> {
    return this.ask({
      method,
      path,
      body: JSON.stringify(value),
      headers: { 'Content-Type': 'application/json' },
    })
  }

  /** Through a listener that takes no request at all, or none of this client. */
  async askWhenBusy(ask: Ask, most: number): Promise<Response> {
    const pots = Object.fromEntries(potNames.map((name) => [name, { most, mostOfClient: 0 }])) as unknown
    return this.askThrough({ pots: pots as PotsLimits }, ask)
  }

  /** Through a listener with these rules. */
  async askThrough(
    options: Partial<HttpServerOptions>,
    { method, path, headers, body }: Ask,
  ): Promise<Response> {
    const server = startHttpServer({
      hostname: '127.0.0.1',
      port: 0,
      clock: systemClock,
      ...options,
      mounts: [{ prefix: '/', fetch: (request, url) => this.app.fetch(request, url) }],
    })
    try {
      const answer = await fetch(`${server.url}${path}`, {
        method,
        headers: { ...headers },
        body: body ?? null,
      })
      const text = await answer.text()
      const kept = { status: answer.status, headers: answer.headers }
      return new Response(text === '' ? null : text, kept)
    } finally {
      await server.stop(0)
    }
  }
}
