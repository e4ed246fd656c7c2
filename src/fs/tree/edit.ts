/**
 * Changes the tree within one operation. Entries come and go with their counts; large content is only unlinked.
 *
 * - A directory's own item comes, moves and goes with its entry, in the same step.
 * - An object counts the entries that name it. When the last entry goes, an object with few records goes at once; an
 *   object with more records becomes an orphan, and so does a directory that is not empty.
 * - A record is used as soon as an item names that record. The engine notices when a later operation of a batch
 *   removes the record again.
 */
import type { ItemReader, PreparedRecord, Tx, Version } from '../../cp-engine/contract.ts'
import {
  type EntryItem,
  decodeObjectItem,
  encodeEntryItem,
  encodeObjectItem,
  encodeOrphanItem,
} from '../../format/items/items.ts'
import type { OrphanItem } from '../../format/items/items.ts'
import { encodeDirectoryItem } from '../../format/items/directory-item.ts'
import {
  directoryKey,
  entryKeyOf,
  entryRange,
  objectKey,
  orphanKey,
  recordRange,
  rootDirectoryId,
  rootEntryKey,
} from '../../format/items/item-keys.ts'
import { noExtra } from '../../format/items/entry-extra.ts'
import { inlineExtra } from '../../format/items/items.ts'
import { recordBytesDefault } from '../../format/geometry.ts'
import type { BlockPointer, ChecksumKind } from '../../format/pointer.ts'
import { assert } from '../../lib/assert.ts'
import { defaultModes } from './attributes.ts'
import { type Counted, count, takeId } from './counters.ts'
import { type Place, findPlace } from './entries.ts'
import type { KnownDirectories } from './known-directories.ts'
import type { Path } from '../paths.ts'

/** An object with more records than this is left to the reaper. */
const recordsUnlinkedMax = 8
/** The records of an object above this size are not even looked at: such an object has too many. */
const bytesUnlinkedMax = recordsUnlinkedMax * recordBytesDefault

const countedAs = { file: 'files', directory: 'directories', link: 'links' } as const satisfies Record<
  string,
  Counted
>

export class Edit {
  /** Orphans that this operation leaves to the reaper, and their bytes. */
  orphans = 0
  orphanBytes = 0

  constructor(
    readonly tx: Tx,
    readonly sums: ChecksumKind,
    /** Null for steps that see only items to which no path leads. */
    private readonly directories: KnownDirectories | null,
  ) {}

  get items(): ItemReader {
    return this.tx
  }

  version(): Version {
    return this.tx.nextVersion()
  }

  use(record: PreparedRecord): BlockPointer {
    return this.tx.use(record)
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.tx.put(key, value)
  }

  delete(key: Uint8Array): void {
    this.tx.delete(key)
  }

  /**
   * Returns the directory for the last name of `path`, and makes missing ones. `place` is where the path leads now.
   */
  parentOf(path: Path, place: Place = findPlace(this.tx, this.sums, path)): number {
    assert(path.length > 0, 'the root has no parent')
    let { directory } = place
    for (let depth = place.depth; depth < path.length - 1; depth++) {
      const id = takeId(this.tx)
      this.putEntry(directory, path[depth]!, this.newDirectory(id), null)
      directory = id
    }
    return directory
  }

  newDirectory(id: number): EntryItem {
    return {
      kind: 'directory',
      version: this.version(),
      mode: defaultModes.directory,
      createdMs: this.tx.nowMs,
      createdNanos: 0,
      modifiedMs: this.tx.nowMs,
      modifiedNanos: 0,
      size: 0,
      id,
      content: null,
      extra: inlineExtra(noExtra),
    }
  }

  /** `before` is the entry that the name led to; the caller unlinks the content of `before`. */
  putEntry(directory: number, name: string, item: EntryItem, before: EntryItem | null): void {
    this.put(entryKeyOf(directory, name), encodeEntryItem(item, this.sums))
    this.count(item, 1)
    if (item.kind === 'directory' && item.id !== before?.id)
      this.put(directoryKey(item.id), encodeDirectoryItem({ parent: directory, name }))
    if (!before) return
    if (before.kind === 'directory') {
      this.directories?.forget()
      if (before.id !== item.id) this.delete(directoryKey(before.id))
    }
    this.count(before, -1)
  }

  /** The root exists without an item, and is not counted. */
  putRoot(item: EntryItem): void {
    assert(item.id === rootDirectoryId, 'the root keeps its id')
    this.put(rootEntryKey(), encodeEntryItem(item, this.sums))
  }

  /** Deletes only the entry; the caller has moved or unlinked its content. */
  deleteEntry(directory: number, name: string, item: EntryItem): void {
    if (item.kind === 'directory') {
      this.directories?.forget()
      this.delete(directoryKey(item.id))
    }
    this.delete(entryKeyOf(directory, name))
    this.count(item, -1)
  }

  /** Unlinks the content of an entry that is deleted or replaced. The pointers in the entry go with its item. */
  unlink(item: EntryItem): void {
    if (item.kind === 'directory') {
      if (!this.isEmptyDirectory(item.id)) this.orphan({ kind: 'directory', id: item.id, offset: 0 }, 0)
    } else if (item.id !== 0) this.unlinkObject(item.id, bytesUnlinkedMax)
  }

  /** Unlinks like `unlink`, but never looks at items below, for steps that unlink many entries. */
  unlinkUnseen(item: EntryItem): void {
    if (item.kind === 'directory') this.orphan({ kind: 'directory', id: item.id, offset: 0 }, 0)
    else if (item.id !== 0) this.unlinkObject(item.id, 0)
  }

  isEmptyDirectory(id: number): boolean {
    const { from, end } = entryRange(id)
    return this.tx.scan(from, end, 1).length === 0
  }

  orphan(orphan: OrphanItem, bytes: number): void {
    const key = orphanKey(orphan.id)
    // An orphan that exists already is the tail of the same object, and becomes part of the unlinked object.
    if (!this.tx.get(key)) this.orphans++
    this.put(key, encodeOrphanItem(orphan))
    this.orphanBytes += bytes
  }

  putObject(id: number, size: number): void {
    this.put(objectKey(id), encodeObjectItem({ entries: 1, size, span: recordBytesDefault, base: 0 }))
  }

  private unlinkObject(id: number, bytesMax: number): void {
    const value = this.tx.get(objectKey(id))
    assert(value, `object ${id} exists`)
    const object = decodeObjectItem(value)
    if (object.entries > 1) {
      this.put(objectKey(id), encodeObjectItem({ ...object, entries: object.entries - 1 }))
      return
    }
    if (object.size <= bytesMax && !this.tx.get(orphanKey(id))) {
      const { from, end } = recordRange(id)
      const records = this.tx.scan(from, end, recordsUnlinkedMax + 1)
      if (records.length <= recordsUnlinkedMax) {
        for (const { key } of records) this.delete(key)
        this.delete(objectKey(id))
        return
      }
    }
    this.put(objectKey(id), encodeObjectItem({ ...object, entries: 0 }))
    this.orphan({ kind: 'object', id, offset: 0 }, object.size)
  }

  private count(item: EntryItem, by: 1 | -1): void {
    count(this.tx, countedAs[item.kind], by)
    if (item.kind === 'file') count(this.tx, 'fileBytes', by * item.size)
  }
}
