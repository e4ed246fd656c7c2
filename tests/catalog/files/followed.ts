/** One side of a pair with its files in a catalog: the follower over a real file of SQLite, in this thread. */
import { cpSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Database } from 'bun:sqlite'
import { DeviceError } from '../../../src/blockdev/block-device.ts'
import { Catalog } from '../../../src/catalog/catalog.ts'
import { type ChangesKept, FileCatalog, type Pass } from '../../../src/catalog/files/file-catalog.ts'
import type { Blocks } from '../../../src/catalog/files/image.ts'
import { type FilePasses, FileFollower } from '../../../src/catalog/files/follower.ts'
import type { PublishedRoot, RootSource } from '../../../src/cp-engine/contract.ts'
import { epochOfCp } from '../../../src/format/position.ts'
import type { ReadView } from '../../../src/fs/contract.ts'
import { rootPath } from '../../../src/fs/paths.ts'
import { readPublished } from '../../../src/fs/read/read-view.ts'
import { toHex } from '../../../src/lib/bytes.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { cpRow, sideUuid } from '../rows.ts'
import { settled } from '../../simulated/clock.ts'

export interface Entry {
  readonly kind: string
  readonly size: number
}
/** Path → what is there. */
export type Tree = ReadonlyMap<string, Entry>

interface Options {
  readonly source: RootSource
  readonly device: () => Blocks
  readonly clock: Clock
  readonly folder: string
  readonly changes?: ChangesKept
  /** In every break of a pass, instead of `onBreak`. */
  readonly pause?: () => Promise<void>
  /** Passes with a witness. */
  readonly observe?: (passes: FilePasses) => FilePasses
}

const companions = ['', '-journal']

export function removeCatalog(path: string): void {
  for (const suffix of companions) rmSync(path + suffix, { force: true })
}

export function copyCatalog(from: string, to: string): void {
  removeCatalog(to)
  for (const suffix of companions) if (existsSync(from + suffix)) cpSync(from + suffix, to + suffix)
}

export class FollowedSide {
  /** Called in every break of a pass. */
  onBreak: () => void | Promise<void> = () => {}
  catalog!: Catalog
  files!: FileCatalog
  follower!: FileFollower
  private stopRecording = () => {}

  constructor(
    readonly options: Options,
    /** Of the file: a kill is followed by a copy with the next number. */
    private number = 0,
  ) {}

  get path(): string {
    return join(this.options.folder, `catalog-${this.number}.db`)
  }

  open(): void {
    const { source, clock, device } = this.options
    this.catalog = new Catalog(this.path, {
      sideUuid,
      publishedCp: () => (source.readable().length === 0 ? 0 : source.current().root.cp),
      clock,
      makePrivate: () => {},
      setAside(file, reason) {
        for (const suffix of companions)
          if (existsSync(file + suffix)) renameSync(file + suffix, `${file}.${reason}${suffix}`)
      },
    })
    const record = (published: PublishedRoot): void => this.record(published)
    for (const published of source.readable()) record(published)
    this.stopRecording = source.onPublished(({ published }) => record(published))
    let ms = 0
    this.files = new FileCatalog(this.catalog.file, {
      clock: {
        // Every node is followed by a break.
        monotonic: () => (ms += 10),
        yield: this.options.pause ?? (() => this.pause()),
        sleep: clock.sleep,
      },
      blocks: {
        get blockCount() {
          return device().blockCount
        },
        readSync: (address, target) => device().readSync(address, target),
      },
      changes: this.options.changes ?? { rowsMax: 100_000, daysMax: 1000 },
    })
    const { observe = (passes) => passes } = this.options
    this.follower = new FileFollower(source, observe(this.passes()), clock)
    this.follower.start()
  }

  /** Ends what runs, as a stop does. */
  async close(): Promise<void> {
    this.stopRecording()
    await this.follower.stop()
    this.catalog.close()
  }

  /** As a kill at this moment leaves the files; then all is opened again, over what was damaged meanwhile. */
  async kill(damage: (path: string) => void = () => {}): Promise<void> {
    this.copy()
    await this.close()
    damage(this.path)
    this.open()
  }

  /** As a kill at this moment leaves the files, for another `FollowedSide` of the next number: nothing is waited for. */
  cut(): void {
    this.copy()
    this.stopRecording()
    this.catalog.close()
  }

  query<T>(text: string): T[] {
    const database = new Database(this.path, { readonly: true })
    try {
      return database.query<T, []>(text).all()
    } finally {
      database.close()
    }
  }

  /** The rows of the view `files`, as text that can be compared with `listed`. */
  rows(): string[] {
    return this.query<Record<string, unknown>>(
      `SELECT path, kind, size, mode, created_ms, created_nanos, modified_ms, modified_nanos, type, meta, target, etag
      FROM files ORDER BY path`,
    ).map((row) => JSON.stringify(Object.values(row)))
  }

  tree(): Tree {
    const rows = this.query<Entry & { path: string }>('SELECT path, kind, size FROM files')
    return new Map(rows.map(({ path, kind, size }) => [path, { kind, size }]))
  }

  /** What a recursive listing of the published root says. */
  async listed(): Promise<string[]> {
    const { source } = this.options
    const view = readPublished(source, source.current())
    try {
      return (await listAll(view)).map(({ path, stat }) =>
        JSON.stringify([
          path.join('/'),
          stat.kind,
          stat.size,
          stat.mode,
          stat.createdMs,
          stat.createdNanos,
          stat.modifiedMs,
          stat.modifiedNanos,
          stat.contentType,
          Object.keys(stat.meta).length === 0 ? null : JSON.stringify(stat.meta),
          stat.target,
          stat.etag,
        ]),
      )
    } finally {
      view.release()
    }
  }

  private copy(): void {
    const before = this.path
    this.number++
    copyCatalog(before, this.path)
  }

  private async pause(): Promise<void> {
    await settled()
    await this.onBreak()
  }

  /** As the thread of a server makes them. */
  private passes(): FilePasses {
    const { files, catalog } = this
    const pass = async (work: () => Promise<Pass>): Promise<Pass> => {
      catalog.flush()
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof DeviceError)) throw error
        return { outcome: 'unreadable', reason: error.message, state: files.state() }
      }
    }
    return {
      state: () => Promise.resolve(files.state()),
      follow: (base, target) => pass(() => files.follow(base, target)),
      fill: (target) => pass(() => files.fill(target)),
      cancel: () => files.cancel(),
    }
  }

  private record({ root, hash }: PublishedRoot): void {
    const { cp, opening, sequence, committedAtMs } = root
    this.catalog.recordCp(
      cpRow(cp, {
        epoch: epochOfCp(cp),
        opening,
        sequence,
        rootHash: toHex(hash),
        committedMs: committedAtMs,
      }),
    )
  }
}

async function listAll(view: ReadView) {
  const entries = []
  let after: readonly string[] | null = null
  for (;;) {
    const page = await view.list(rootPath, { after, limit: 1000, recursive: true })
    entries.push(...page.entries)
    after = page.next
    if (after === null) break
  }
  const named = entries.map((entry) => ({ entry, path: entry.path.join('/') }))
  return named
    .toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
    .map(({ entry }) => entry)
}

/** Damages that a file of SQLite may have: each is met at the open. */
export const damages: readonly (readonly [name: string, damage: (path: string) => void])[] = [
  ['deleted', removeCatalog],
  ['cut in half', (path) => writeFileSync(path, readFileSync(path).subarray(0, statSync(path).size >> 1))],
  [
    'garbage in its middle',
    (path) => {
      const bytes = readFileSync(path)
      bytes.fill(0x5a, (bytes.length >> 1) - 4096, bytes.length >> 1)
      writeFileSync(path, bytes)
    },
  ],
]
