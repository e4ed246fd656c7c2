/**
 * An app over the fake file system, with a clock of its own and a history of published images. Every answer is compared
 * with what its endpoint declares.
 */
import { expect } from 'bun:test'
import { TokenDesk } from '../../src/access/token-settings.ts'
import type { ReadView } from '../../src/fs/contract.ts'
import { type ErrorCode, StillpointError, errorCodes } from '../../src/lib/errors.ts'
import { type App, makeApp } from '../../src/routes/app.ts'
import type {
  AuditEntry,
  CpRecord,
  Durability,
  DurabilityWish,
  MirrorRecord,
  PrimaryDependencies,
  ServerStatus,
  ViewSource,
} from '../../src/routes/http/dependencies.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { gauge } from '../../src/lib/metric.ts'
import { EventFeed } from '../../src/server/events/event-feed.ts'
import type { KnownTokens } from '../../src/access/known-tokens.ts'
import { knownTokens } from '../access/issued.ts'
import { expectDeclared } from './declared.ts'
import { VirtualClock } from '../simulated/clock.ts'
import { FakeSql } from './fake-sql.ts'
import { FakeFileSystem, type Image } from './fake-file-system.ts'
import { resourcesFor } from './resources.ts'

const stepMs = 1000

/** Status of a server of which nothing is known. */
export const noStatus: ServerStatus = {
  epoch: 0,
  opening: 1,
  format: 1,
  startedMs: 0,
  space: {
    usedBytes: 4096,
    freeBytes: 8192,
    writableBytes: 4096,
    pendingBytes: 0,
    maxBytes: 2 ** 30,
    fileBytes: 12_288,
  },
  catalog: { state: 'current', cp: 1, behindCps: 0, behindMs: 0.5 },
}

/** A mirror that has not been heard of. */
export const awayMirror = (id: string, url: string): MirrorRecord => ({
  id,
  url,
  state: 'away',
  cp: null,
  lagCps: null,
  lagMs: null,
  needs: null,
  heldBytes: null,
  lastSeenMs: null,
})

export class Harness {
  readonly files = new FakeFileSystem()
  readonly clock = new VirtualClock()
  readonly images = new Map<number, Image>()
  readonly wishes: DurabilityWish[] = []
  readonly bugs: Error[] = []
  readonly audited: AuditEntry[] = []
  readonly mirrors: MirrorRecord[] = []
  /** Consistency points that requests or listings have had kept. */
  readonly kept: number[] = []
  reached: Durability | null = null
  needsToken = false
  private readonly random = seededRandom(2)
  readonly resources = resourcesFor({ clock: this.clock })
  readonly feed = new EventFeed(
    () => this.files.published,
    this.clock,
    () => {},
  )
  readonly sql = new FakeSql(() => this.files.published)
  ready = { ok: true, reason: '' }
  /** Wall clock that the expiry of tokens is compared with. */
  nowMs = 0
  readonly known: KnownTokens
  primary: App
  private restarts = 0
  /** Another door to the same files, that nobody has asked yet. */
  readonly newDoor: () => App
  readonly mirror: App

  constructor({ known }: { readonly known?: KnownTokens } = {}) {
    this.known = known ?? knownTokens({ nowMs: () => this.nowMs })
    this.images.set(1, new Map(this.files.image))
    const common = {
      access: this.known,
      cps: {
        list: async (limit: number, before: number | null) =>
          [...this.images.keys()]
            .filter((cp) => before === null || cp < before)
            .sort((a, b) => b - a)
            .slice(0, limit)
            .map((cp) => this.record(cp)),
        get: async (cp: number) => (this.images.has(cp) ? this.record(cp) : null),
        newestAt: async (ms: number) =>
          [...this.images.keys()].filter((cp) => this.committedAt(cp) <= ms).pop() ?? null,
      },
      sql: this.sql,
      clock: this.clock,
      random: this.random,
      resources: this.resources,
      needsToken: () => this.needsToken,
      limits: { bufferedBytesMax: 128 * 1024, mirrorUrlBytesMax: 240, mirrorsMax: 8 },
      audit: (entry: AuditEntry) => void this.audited.push(entry),
      ready: () => this.ready,
      events: this.feed,
      serverStatus: () => noStatus,
      metrics: async () => [gauge('stillpoint_published_cp', 'The last one', this.files.published)],
      reportBug: (error: Error) => void this.bugs.push(error),
    }
    const dependencies: PrimaryDependencies = {
      ...common,
      role: 'primary',
      views: this.views(true),
      newest: this.files.newestOf(
        () => this.files.image,
        () => this.files.cp,
      ),
      files: this.files,
      tokens: new TokenDesk(this.files, this.known, seededRandom(1)),
      mirrors: {
        list: async () => this.mirrors,
        add: async (url) => {
          const record = awayMirror(`m${this.mirrors.length}`, url)
          this.mirrors.push(record)
          return { reached: false, record }
        },
        remove: async (id) => this.mirrors.splice(0).some((mirror) => mirror.id === id),
      },
      taker: {
        opening: `run-${this.restarts}`,
        take: async () => {
          const taken = this.files.dirty
          return { taken, record: this.record(this.publish()) }
        },
      },
      reach: async (_applied, wish) => {
        this.wishes.push(wish)
        return this.reached ?? wish.level
      },
    }
    const { take } = dependencies.taker
    this.newDoor = () => makeApp({ ...dependencies, taker: { opening: `run-${this.restarts}`, take } })
    this.primary = this.newDoor()
    this.mirror = makeApp({
      ...common,
      role: 'mirror',
      views: this.views(false),
      newest: this.files.newestOf(
        () => this.images.get(this.files.published)!,
        () => this.files.published,
      ),
      status: () => ({
        id: 'm',
        volume: 'v',
        state: 'live',
        cp: this.files.published,
        targetCp: null,
        lagCps: 0,
        lagMs: 0,
        needs: null,
        lastSeenMs: 0,
      }),
    })
  }

  /** The server is killed and comes back: what no consistency point has is lost, and its number is not given again. */
  restart(): void {
    this.files.image = new Map(this.images.get(this.files.published))
    if (this.files.dirty) this.images.set(++this.files.published, new Map(this.files.image))
    this.files.dirty = false
    this.restarts++
    this.primary = this.newDoor()
  }

  content(path: string): string | undefined {
    return this.files.content(path)
  }

  publish(): number {
    const cp = this.files.publish()
    this.images.set(cp, new Map(this.files.image))
    return cp
  }

  committedAt = (cp: number): number => Date.UTC(2026, 0, 1) + cp * stepMs

  record(cp: number): CpRecord {
    return {
      cp,
      epoch: 0,
      rootHash: 'ab'.repeat(32),
      cause: 'timer',
      committedAtMs: this.committedAt(cp),
      blocksWritten: 1,
      bytesWritten: 4096,
      coalesced: 0,
      retained: true,
    }
  }

  private at(cp: number): ReadView {
    const image = this.images.get(cp)
    if (!image) throw new StillpointError('cp-gone', `${cp}`, { readable: [...this.images.keys()] })
    return this.files.viewOf(image, () => cp)
  }

  private views(primary: boolean): ViewSource {
    return {
      open: () => (primary ? this.files.view() : this.at(this.files.published)),
      isEmpty: false,
      publishedCp: () => this.files.published,
      at: (cp) => {
        this.kept.push(cp)
        return this.at(cp)
      },
      atListing: (cp) => {
        this.kept.push(cp)
        return this.at(cp)
      },
      settled: async () => this.at(primary ? this.publish() : this.files.published),
      endListing: () => {},
      waitFor: async (cp, waitMs) => {
        if (waitMs > 0 && this.files.published < cp) this.publish()
        return this.files.published >= cp
      },
    }
  }

  /** On the primary. `path` is the raw address. */
  async request(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const response = await this.primary.fetch(new Request(`http://test${path}`, { ...init, method }))
    return expectDeclared(method, path, ['primary'], response)
  }

  async onMirror(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const response = await this.mirror.fetch(new Request(`http://test${path}`, { ...init, method }))
    return expectDeclared(method, path, ['mirror'], response)
  }

  json(method: string, path: string, body: unknown): Promise<Response> {
    return this.request(method, path, {
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'Content-Type': 'application/json' },
    })
  }
}

/** Exactly this problem, whole and with nothing of the inside in it. */
export async function expectProblem(
  answer: Response | Promise<Response>,
  code: ErrorCode,
): Promise<Record<string, unknown>> {
  const response = await answer
  const text = await response.text()
  expect(text).toContain(`"code":"${code}"`)
  const body = JSON.parse(text) as Record<string, unknown>
  expect(response.headers.get('Content-Type')).toBe('application/problem+json')
  expect(response.headers.get('X-Content-Type-Options')).toBe('nosniff')
  expect(response.headers.get('Cache-Control')).toBe('no-store')
  const [status, title] = errorCodes[code]
  expect(response.status).toBe(status)
  expect(body).toMatchObject({ type: `urn:stillpoint:${code}`, title, status, code })
  expect(typeof body['detail']).toBe('string')
  expect(text).not.toMatch(/\.ts|node_modules/)
  return body
}

export async function readJson(answer: Response | Promise<Response>): Promise<Record<string, unknown>> {
  return (await (await answer).json()) as Record<string, unknown>
}
