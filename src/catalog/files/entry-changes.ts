/**
 * The changes of entries between two images, in two walks: what leaves its place, then what arrives. An entry that
 * leaves one place and arrives at another was renamed or moved. The switch of directories lies between the walks, so
 * a path that something left is a path of the base, and all other paths are paths of the target.
 *
 * - The same entry is told by its identity: the object of a file, or the version, which a move keeps.
 */
import { type EntryItem, decodeEntryItem } from '../../format/items/items.ts'
import { equalVersions, etagOf } from '../../fs/tree/attributes.ts'
import { type ChangeFact, type FileTables, joinPath } from './file-tables.ts'
import type { ImageReader, ImageRoot } from './image.ts'
import { LeavingEntries, type LeavingEntry } from './leaving-entries.ts'
import { type EntryPlace, type KnownCps, namedEntries, placeOf, rowOf } from './rows.ts'

/** Directories whose path is remembered. */
const pathsMax = 10_000

type TellChange = (change: ChangeFact) => number

export class EntryChanges {
  private readonly leaving = new LeavingEntries()
  private readonly paths = new Map<number, string | null>()

  constructor(
    private readonly tables: FileTables,
    private readonly reader: ImageReader,
    private readonly base: ImageRoot,
    private readonly target: ImageRoot,
    private readonly cps: KnownCps,
    /** Returns the number of the change; 0 when changes are not kept. */
    private readonly tell: TellChange,
  ) {}

  async leave(): Promise<void> {
    const { tables } = this
    const { kind: sums } = this.base.sums
    await this.reader.walk(this.base, this.target, namedEntries, (key, value, now) => {
      const place = placeOf(key)
      const item = decodeEntryItem(value, sums)
      const isSame = now !== null && isSameEntry(decodeEntryItem(now, sums), item)
      if (!isSame) this.remember(place, item, now === null)
      if (now === null) tables.deleteFile(place.directory, place.name)
    })
  }

  /** To be called between the walks, when the directories have been switched. */
  directoriesSwitched(): void {
    this.paths.clear()
  }

  async arrive(): Promise<void> {
    const { kind: sums } = this.target.sums
    await this.reader.walk(this.target, this.base, namedEntries, (key, value, before) => {
      const item = decodeEntryItem(value, sums)
      this.arrived(placeOf(key), item, before === null ? null : decodeEntryItem(before, sums))
    })
    for (const left of this.leaving.rest())
      if (left.told === null && left.kind !== 'directory') this.tellDeleted(left)
  }

  private remember(place: EntryPlace, item: EntryItem, isGone: boolean): void {
    const path = this.pathOf(place)
    // The entry of a deleted directory left with the directory; now the reaper has taken the entry.
    if (path === null) return
    const { kind, size } = item
    const cp = this.tables.cpOfFile(place.directory, place.name)
    const left = { ...place, path, kind, size, cp, told: null }
    const isRemembered = this.leaving.add(identityOf(item), left)
    if (!isRemembered && isGone && kind !== 'directory') this.tellDeleted(left)
  }

  private arrived(place: EntryPlace, item: EntryItem, before: EntryItem | null): void {
    const isSame = before !== null && isSameEntry(before, item)
    const identity = isSame ? null : identityOf(item)
    const left = identity === null ? null : this.leaving.find(identity)
    const known = isSame ? this.tables.cpOfFile(place.directory, place.name) : (left?.cp ?? null)
    this.tables.putFile(rowOf(place, item, this.reader, this.cps.cpOf(item) ?? known))
    if (identity !== null && left) this.leaving.arrived(identity)
    const path = this.pathOf(place)
    if (path === null) return
    const { kind, size } = item
    const told = { kind, path, fromPath: null, sizeBefore: null, sizeAfter: size }
    if (isSame) this.tell({ ...told, change: 'changed', sizeBefore: before.size })
    else if (kind === 'directory') return
    else if (left) {
      const change = left.directory === place.directory ? 'renamed' : 'moved'
      this.tell({ ...told, change, fromPath: left.path, sizeBefore: left.size })
      if (left.told) this.tables.tellAsCreated(left.told)
    } else if (before?.kind === kind) {
      const number = this.tell({ ...told, change: 'changed', sizeBefore: before.size })
      const replaced = this.leaving.find(identityOf(before))
      if (replaced) replaced.told = number
    } else this.tell({ ...told, change: 'created' })
  }

  private tellDeleted({ kind, path, size }: LeavingEntry): void {
    this.tell({ change: 'deleted', kind, path, fromPath: null, sizeBefore: size, sizeAfter: null })
  }

  /** Null for an entry that no path leads to. */
  private pathOf({ directory, name }: EntryPlace): string | null {
    let path = this.paths.get(directory)
    if (path === undefined) {
      path = this.tables.directory(directory)?.path ?? null
      if (this.paths.size >= pathsMax) this.paths.clear()
      this.paths.set(directory, path)
    }
    return path === null ? null : joinPath(path, name)
  }
}

/** The same as equal identities, without two texts for each change. */
function isSameEntry(a: EntryItem, b: EntryItem): boolean {
  if ((a.kind === 'directory') !== (b.kind === 'directory') || a.id !== b.id) return false
  return a.id !== 0 || equalVersions(a.version, b.version)
}

function identityOf({ kind, id, version }: EntryItem): string {
  if (kind === 'directory') return `d${id}`
  return id === 0 ? etagOf(version) : `o${id}`
}
