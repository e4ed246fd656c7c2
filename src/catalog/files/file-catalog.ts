/**
 * Keeps the rows of files, directories and changes: `follow` carries them from one published root to a later one,
 * `fill` makes them anew from one root.
 *
 * - The rows name their root in `catalog_state`, in the same transaction: whatever ends the process, the rows are those
 *   of the root that they name.
 * - A fill takes many transactions, and the rows name no root until its last one. A fill that is cut begins again.
 * - `follow` applies a difference only to the rows of its base.
 * - No call throws for what the image or the file is like: the answer says what has become of it.
 */
import { Breaks } from '../../lib/breaks.ts'
import type { Clock } from '../../lib/clock.ts'
import { hasCode } from '../../lib/errors.ts'
import { decodeDirectoryItem } from '../../format/items/directory-item.ts'
import { decodeKey, kindRange, rootDirectoryId } from '../../format/items/item-keys.ts'
import { decodeEntryItem } from '../../format/items/items.ts'
import type { CatalogFile, OpenedFile } from '../catalog-file.ts'
import { commitMsMax, commitPauseMs } from '../database.ts'
import { DirectoryChanges, type MovedDirectory } from './directory-changes.ts'
import { EntryChanges } from './entry-changes.ts'
import { type CatalogState, type ChangeFact, type FileRow, FileTables } from './file-tables.ts'
import { type Blocks, ImageReader, type ImageRoot } from './image.ts'
import { KnownCps, namedEntries, placeOf, rowOf } from './rows.ts'

export interface ChangesKept {
  /** 0 keeps no changes. */
  readonly rowsMax: number
  readonly daysMax: number
}

/**
 * `unreadable`: the image could not be read, as it is no longer kept, or damaged. `elsewhere`: the rows are not those
 * of the base. `too-far`: more has changed than one pass takes. `no-file`: SQLite cannot take rows now.
 */
type PassOutcome = 'done' | 'unreadable' | 'elsewhere' | 'too-far' | 'no-file' | 'cancelled'

export interface Pass {
  readonly outcome: PassOutcome
  readonly reason: string
  readonly state: CatalogState
}

interface FileCatalogOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'yield' | 'sleep'>
  readonly blocks: Blocks
  readonly changes: ChangesKept
}

/** Rows that a fill inserts in one transaction. */
const fillRowsMax = 20_000
const dayMs = 86_400_000

class Stop extends Error {
  constructor(readonly outcome: PassOutcome) {
    super(outcome)
  }
}

const nowhere: CatalogState = { cp: null, rootHash: null, changesAfter: null }

export class FileCatalog {
  private tables: { readonly file: OpenedFile; readonly of: FileTables } | null = null
  private isCancelled = false

  constructor(
    private readonly file: CatalogFile,
    private readonly options: FileCatalogOptions,
  ) {}

  state(): CatalogState {
    return this.file.use((file) => this.tablesOf(file).state()) ?? nowhere
  }

  follow(base: ImageRoot, target: ImageRoot): Promise<Pass> {
    return this.pass((tables) => this.followIn(tables, base, target))
  }

  fill(target: ImageRoot): Promise<Pass> {
    return this.pass((tables) => this.fillIn(tables, target))
  }

  /** Ends the pass that runs, at its next break, and all later ones. */
  cancel(): void {
    this.isCancelled = true
  }

  private async pass(work: (tables: FileTables) => Promise<void>): Promise<Pass> {
    let outcome: PassOutcome = 'done'
    let reason = ''
    const done = await this.file.useLong(async (file) => {
      const tables = this.tablesOf(file)
      try {
        await work(tables)
      } catch (error) {
        if (tables.isInTransaction) tables.run('ROLLBACK')
        const isUnreadable = hasCode(error, 'corrupt') || hasCode(error, 'newer-format')
        if (!(error instanceof Stop) && !isUnreadable) throw error
        outcome = error instanceof Stop ? error.outcome : 'unreadable'
        reason = error instanceof Error ? error.message : ''
      }
      return true
    })
    return { outcome: done === null ? 'no-file' : outcome, reason, state: this.state() }
  }

  private async followIn(tables: FileTables, base: ImageRoot, target: ImageRoot): Promise<void> {
    tables.run('BEGIN IMMEDIATE')
    const before = tables.state()
    if (before.rootHash !== base.hash) throw new Stop('elsewhere')
    const reader = this.readerOf(target, () => Promise.resolve())
    const directories = new DirectoryChanges(tables)
    if (!(await directories.gather(reader, base, target))) throw new Stop('too-far')
    const cps = new KnownCps([KnownCps.of(base), ...tables.cps(base.cp, target.cp - 1), KnownCps.of(target)])
    const keepsChanges = this.options.changes.rowsMax > 0
    const tell = (change: ChangeFact): number =>
      keepsChanges ? tables.putChange(target.cp, base.cp, target.committedMs, change) : 0
    const entries = new EntryChanges(tables, reader, base, target, cps, tell)
    await entries.leave()
    for (const moved of directories.apply()) tell(changeOf(moved))
    entries.directoriesSwitched()
    await entries.arrive()
    const changesAfter = this.dropChanges(tables, target, before.changesAfter)
    tables.setState({ cp: target.cp, rootHash: target.hash, changesAfter })
    await this.commit(tables)
  }

  private dropChanges(
    tables: FileTables,
    { cp, committedMs }: ImageRoot,
    after: number | null,
  ): number | null {
    const { rowsMax, daysMax } = this.options.changes
    const dropped = tables.dropChanges(rowsMax, committedMs - daysMax * dayMs)
    if (rowsMax === 0) return cp
    return dropped === null ? after : Math.max(dropped, after ?? 0)
  }

  private async fillIn(tables: FileTables, target: ImageRoot): Promise<void> {
    let rows: FileRow[] = []
    const flush = async (): Promise<void> => {
      tables.run('BEGIN IMMEDIATE')
      for (const row of rows) tables.putFile(row)
      rows = []
      await this.commit(tables)
    }
    tables.run('BEGIN IMMEDIATE')
    tables.clear()
    tables.setState(nowhere)
    await this.commit(tables)
    const reader = this.readerOf(target, async () => {
      if (rows.length >= fillRowsMax) await flush()
    })
    const { sums } = target
    const cps = new KnownCps([...tables.cps(-1, target.cp - 1), KnownCps.of(target)])
    await reader.walk(target, null, namedEntries, (key, value) => {
      const item = decodeEntryItem(value, sums.kind)
      rows.push(rowOf(placeOf(key), item, reader, cps.cpOf(item)))
    })
    await flush()
    await this.fillDirectories(tables, target)
  }

  private async fillDirectories(tables: FileTables, target: ImageRoot): Promise<void> {
    const reader = this.readerOf(target, () => Promise.resolve())
    tables.run('BEGIN IMMEDIATE')
    await reader.walk(target, null, kindRange('directory'), (key, value) => {
      const decoded = decodeKey(key)
      if (decoded.kind === 'directory')
        tables.putDirectory(decoded.directory, { ...decodeDirectoryItem(value), path: '' })
    })
    tables.rewritePathsBelow(rootDirectoryId, '')
    tables.deleteUnreachable()
    tables.setState({ cp: target.cp, rootHash: target.hash, changesAfter: target.cp })
    await this.commit(tables)
  }

  private async commit(tables: FileTables): Promise<void> {
    const { clock } = this.options
    const untilMs = clock.monotonic() + commitMsMax
    while (!tables.tryCommit()) {
      this.assertGoesOn()
      if (clock.monotonic() > untilMs) throw new Stop('no-file')
      await clock.sleep(commitPauseMs)
    }
  }

  private readerOf({ sums }: ImageRoot, pause: () => Promise<void>): ImageReader {
    const breaks = new Breaks(this.options.clock)
    return new ImageReader(this.options.blocks, sums, async () => {
      await breaks.maybe()
      this.assertGoesOn()
      await pause()
    })
  }

  private assertGoesOn(): void {
    if (this.isCancelled) throw new Stop('cancelled')
  }

  private tablesOf(file: OpenedFile): FileTables {
    if (this.tables?.file !== file) this.tables = { file, of: new FileTables(file.database) }
    return this.tables.of
  }
}

function changeOf({ before, after }: MovedDirectory): ChangeFact {
  const common = { kind: 'directory', sizeBefore: before && 0, sizeAfter: after && 0 } as const
  if (after === null) return { ...common, change: 'deleted', path: before!.path, fromPath: null }
  if (before === null) return { ...common, change: 'created', path: after.path, fromPath: null }
  const change = before.parent === after.parent ? 'renamed' : 'moved'
  return { ...common, change, path: after.path, fromPath: before.path }
}
