/**
 * Views of the files. A view shows a root, which never changes, on a mirror or a primary; or the open tree, which may
 * change between two calls. Every answer from the open tree comes from one look.
 */
import type { Engine, ItemReader, PublishedRoot, RootSource, TreeView } from '../../cp-engine/contract.ts'
import type { EntryItem } from '../../format/items/items.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import { StillpointError, hasCode } from '../../lib/errors.ts'
import { etagOf } from '../tree/attributes.ts'
import {
  type ListedEntry,
  type ListOptions,
  type Listing,
  type OpenFile,
  type ReadView,
  type ReadyFile,
  type Setting,
  type SettingPage,
  type Stat,
  bufferedBytesMax,
} from '../contract.ts'
import { findEntry, mustBeFile } from '../tree/entries.ts'
import { contentsOf, entriesOfPage } from './listed-contents.ts'
import { type Found, listEntries } from './listing.ts'
import {
  StoredFile,
  type HeldViews,
  enterHeld,
  heldView,
  pinnedViews,
  windowRecordsMax,
  windowsOf,
} from './open-file.ts'
import type { Path } from '../paths.ts'
import { type RecordRef, contentRef, recordsBetween } from '../tree/records.ts'
import { FoundFile, fileOf, valueNow } from './ready-file.ts'
import { getSetting, listSettings } from '../tree/settings.ts'
import { readStat } from '../tree/stored-extra.ts'

/** A root does not change, so a listing of a root takes many looks with a few nodes each. */
const entriesPerLook = 128

/** Returns a view of a published root; releasing the result releases `tree`. */
export function readTree(source: RootSource, tree: TreeView): ReadView {
  const find = () => source.readable().find(({ root }) => root.cp === tree.cp) ?? null
  return new TreeReadView(source, tree, find)
}

export function readPublished(source: RootSource, published: PublishedRoot): ReadView {
  return new TreeReadView(source, source.view(published), () => published)
}

export const readOpenTree = (engine: Engine): ReadView => new OpenReadView(engine)

/** The stored form of a file, as one look found it. */
interface Opened {
  readonly item: EntryItem
  /** All records; null for a file that is too large to gather its records. */
  readonly refs: readonly RecordRef[] | null
}

class TreeReadView implements ReadView {
  private users = 1
  private isReleased = false
  protected readonly sums: ChecksumKind

  constructor(
    protected readonly source: RootSource,
    protected readonly tree: TreeView,
    /** Returns the root that can be pinned; null when there is none. */
    private readonly published: () => PublishedRoot | null,
  ) {
    this.sums = source.current().root.sums.kind
  }

  get cp(): number {
    return this.tree.cp
  }

  protected get entriesPerLook(): number {
    return entriesPerLook
  }

  async stat(path: Path): Promise<Stat> {
    return readStat(this.tree, await this.tree.read((items) => findEntry(items, this.sums, path)))
  }

  async list(path: Path, options: ListOptions): Promise<Listing> {
    const { contentBytesMax = 0 } = options
    const wanted = options.limit + 1
    const found: Found[] = []
    for (;;) {
      const after = found.at(-1)?.path ?? options.after
      const entriesMax = Math.min(wanted - found.length, this.entriesPerLook)
      const page = await this.tree.read((items) =>
        listEntries(items, this.sums, path, { after, entriesMax, recursive: options.recursive }),
      )
      found.push(...page)
      if (page.length < entriesMax || found.length === wanted) break
      if (entriesOfPage(found, contentBytesMax) < found.length) break
      await options.pause?.()
    }
    const count = Math.min(options.limit, entriesOfPage(found, contentBytesMax))
    const shown = found.slice(0, count)
    const contents = await contentsOf(this.tree, shown, contentBytesMax, options.pause)
    const entries: ListedEntry[] = []
    for (const [i, { path: relative, item }] of shown.entries()) {
      entries.push({ path: relative, stat: await readStat(this.tree, item), content: contents?.[i] ?? null })
      await options.pause?.()
    }
    return { entries, next: count < found.length ? entries.at(-1)!.path : null }
  }

  openNow(path: Path): ReadyFile | null {
    const value = valueNow(this.tree, this.sums, path)
    const found = value && fileOf(value, this.sums, path)
    return found && new FoundFile(this.tree, this.sums, found)
  }

  async open(path: Path): Promise<OpenFile> {
    // The root is pinned before the first wait, because the root may go during a wait.
    const pinned = this.pinned()
    let file: OpenFile | null = null
    try {
      const opened = await this.look(path)
      if (opened.refs) return await this.held(opened)
      if (!pinned) return await this.heldForLong(opened)
      const stat = await readStat(this.tree, opened.item)
      file = new StoredFile(stat, this.cp, opened.item, null, pinned, this.sums, windowsOf(this.source))
      return file
    } finally {
      if (!file) pinned?.close()
    }
  }

  async setting(name: string): Promise<Uint8Array | null> {
    return this.tree.read((items) => getSetting(items, name))
  }

  async settings(page: SettingPage): Promise<readonly Setting[]> {
    return this.tree.read((items) => listSettings(items, page))
  }

  private pinned(): HeldViews | null {
    const published = this.published()
    try {
      return published && pinnedViews(this.source, published)
    } catch (error) {
      if (hasCode(error, 'cp-gone')) return null
      throw error
    }
  }

  /** While a client reads slowly, a held view stops the release of all blocks: so only a few files are held. */
  private async heldForLong(opened: Opened): Promise<OpenFile> {
    const leave = enterHeld(this.source)
    try {
      return await this.held(opened, leave)
    } catch (error) {
      leave()
      throw error
    }
  }

  release(): void {
    if (!this.isReleased) this.leave()
    this.isReleased = true
  }

  protected look(path: Path): Promise<Opened> {
    return this.tree.read((items) => {
      const item = findFile(items, this.sums, path)
      return { item, refs: gather(items, this.sums, item) }
    })
  }

  /** The tree's view stays until the file is closed, also when this view is released before. */
  protected async held({ item, refs }: Opened, closed: () => void = () => {}): Promise<OpenFile> {
    this.users++
    let isOpen = true
    const views = heldView(this.tree, () => {
      if (!isOpen) return
      isOpen = false
      this.leave()
      closed()
    })
    try {
      const stat = await readStat(this.tree, item)
      return new StoredFile(stat, this.cp, item, refs, views, this.sums, windowsOf(this.source))
    } catch (error) {
      views.close()
      throw error
    }
  }

  private leave(): void {
    this.users--
    if (this.users === 0) this.tree.release()
  }
}

class OpenReadView extends TreeReadView {
  constructor(private readonly engine: Engine) {
    super(engine, engine.openView(), noRoot)
  }

  /** The open tree changes between looks, so one page is one look. */
  protected override get entriesPerLook(): number {
    return Number.POSITIVE_INFINITY
  }

  /** A large file of the open tree is read from a root with the same content; such a root is published if need be. */
  override async open(path: Path): Promise<OpenFile> {
    const opened = await this.look(path)
    if (opened.refs) return this.held(opened)
    const current = await this.openAt(this.engine.current(), path, opened.item)
    return current ?? (await this.openAt(await this.engine.requestCp('requested'), path, null))!
  }

  /** Returns null when the root has another content than the wanted one. */
  private async openAt(
    published: PublishedRoot,
    path: Path,
    wanted: EntryItem | null,
  ): Promise<OpenFile | null> {
    const view = readPublished(this.engine, published)
    try {
      const file = await view.open(path)
      if (!wanted || file.stat.etag === etagOf(wanted.version)) return file
      file.close()
      return null
    } catch (error) {
      if (wanted && error instanceof StillpointError && mayBeAnother.has(error.code)) return null
      throw error
    } finally {
      view.release()
    }
  }
}

/** Errors of a root for a path that has led to a file only since that root. */
const mayBeAnother: ReadonlySet<string> = new Set([
  'not-found',
  'not-a-directory',
  'is-a-directory',
  'is-a-link',
])

const noRoot = (): null => null

function findFile(items: ItemReader, sums: ChecksumKind, path: Path): EntryItem {
  const item = findEntry(items, sums, path)
  mustBeFile(item, path)
  return item
}

/** Returns all records of a file; null for a file that is too large to gather its records. */
function gather(items: ItemReader, sums: ChecksumKind, item: EntryItem): RecordRef[] | null {
  if (item.content) return [contentRef(item.content)]
  if (item.id === 0) return []
  if (item.size > bufferedBytesMax) return null
  return recordsBetween(items, sums, item.id, 0, item.size, windowRecordsMax)
}
