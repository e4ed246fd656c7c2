/**
 * Checks the invariants of the items of one root, over the items in the order of their keys. The code is pure: the
 * check of the engine reads the tree and verifies blocks and pointers.
 *
 * - Every item is well-formed, and every id is below the next one.
 * - Every name is a name that a client may give. No version is above the versions that the root contains.
 * - A directory has one name, or is an orphan; from each directory the way up ends at the root or at an orphan. The
 *   own item of a directory exists exactly as long as its entry, and says where the entry is.
 * - An object counts the entries that name it, and sizes agree. No entry names an orphan, unless the orphan is a
 *   tail.
 * - A record belongs to an object, lies at a multiple of its span, overlaps no other record and ends within the file.
 *   Behind the beginning of a tail any record may lie, because the reaper takes all records there.
 * - The counters count the entries, including unlinked entries that the reaper has not taken.
 *
 * A problem that has a path ends with that path.
 */
import type { Item, PublishedRoot, Version } from '../../cp-engine/contract.ts'
import { decodeDirectoryItem, encodeDirectoryItem } from '../../format/items/directory-item.ts'
import { type EntryExtra, decodeEntryExtra } from '../../format/items/entry-extra.ts'
import {
  type EntryItem,
  type OrphanItem,
  type RecordItem,
  decodeEntryItem,
  decodeObjectItem,
  decodeOrphanItem,
  decodeRecordItem,
} from '../../format/items/items.ts'
import {
  type ItemKey,
  decodeKey,
  entryNameBytes,
  keyKinds,
  rootDirectoryId,
} from '../../format/items/item-keys.ts'
import { decodeSettingItem } from '../../format/items/setting-item.ts'
import {
  accessMarkName,
  decodeAccessMark,
  decodeTokenSetting,
  isTokenId,
  tokenIdOf,
} from '../../format/items/token-setting.ts'
import { unreachable } from '../../lib/assert.ts'
import { encodeUtf8, readU64BigEndian } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import { formatPath, nameProblem } from '../paths.ts'
import { type Counted, counters, nextIdOf } from './counters.ts'
import { pathOf } from './directory-path.ts'

/** Limit for the problems that are described; all problems are counted. */
const problemsMax = 100

/** Facts of a root that the items are checked against. */
export type CheckedRoot = Pick<PublishedRoot['root'], 'sums' | 'epochs' | 'opening' | 'sequence' | 'counters'>

export interface ItemReport {
  readonly problems: readonly string[]
  readonly problemCount: number
  readonly counts: Readonly<Record<Counted, number>>
  readonly orphans: number
}

/** Place of an entry. */
interface Place {
  readonly directory: number
  readonly name: string
}

interface Named {
  entries: number
  readonly size: number
  readonly place: Place
}

interface Recorded {
  /** End of the last record's span. */
  end: number
  /**
   * Offsets of the first record that overlaps the record before, and of the first record that ends behind the file.
   */
  overlapsAt: number
  exceedsAt: number
}

/** The raw bytes of records that an item names, in the order of its pointers; null for bytes that are not at hand. */
type Payloads = readonly (Uint8Array | null)[]

export class ItemCheck {
  private readonly problems: { readonly text: string; readonly place: Place | null }[] = []
  private problemCount = 0
  private readonly counts: Record<Counted, number> = { files: 0, directories: 0, links: 0, fileBytes: 0 }
  /** Place of each directory's entry. */
  private readonly directories = new Map<number, Place>()
  private readonly withOwnItem = new Set<number>()
  private readonly withEntries = new Set<number>()
  private readonly named = new Map<number, Named>()
  private readonly recorded = new Map<number, Recorded>()
  private readonly objects = new Map<number, Pick<Named, 'entries' | 'size'>>()
  private readonly orphans = new Map<number, OrphanItem>()
  private highestId = rootDirectoryId

  constructor(private readonly root: CheckedRoot) {}

  /** To be called in the order of keys. Throws `newer-format`: this program cannot judge a tree with such an item. */
  add({ key, value }: Item, payloads: Payloads = []): void {
    try {
      this.addKnown(decodeKey(key), value, payloads)
    } catch (error) {
      if (!(error instanceof StillpointError) || error.code === 'newer-format') throw error
      this.problem(error.message, placeOfKey(key))
    }
  }

  finish(): ItemReport {
    this.checkObjects()
    this.checkOrphans()
    this.checkDirectories()
    const stored = this.root.counters
    for (const counted of ['files', 'directories', 'links', 'fileBytes'] as const) {
      const value = stored[counters[counted]]
      if (value !== this.counts[counted])
        this.problem(`the counter of ${counted} is ${value}, there are ${this.counts[counted]}`)
    }
    const nextId = nextIdOf(stored[counters.nextId] ?? 0)
    if (this.highestId >= nextId) this.problem(`the next id is ${nextId}, ${this.highestId} is in use`)
    return {
      problems: this.problems.map(({ text, place }) => (place ? `${text}: ${this.show(place)}` : text)),
      problemCount: this.problemCount,
      counts: this.counts,
      orphans: this.orphans.size,
    }
  }

  private addKnown(key: ItemKey, value: Uint8Array, payloads: Payloads): void {
    const sums = this.root.sums.kind
    switch (key.kind) {
      case 'entry': {
        const place = { directory: key.directory, name: key.name }
        const item = decodeEntryItem(value, sums)
        this.addEntry(place, item)
        // The entry is counted before its contents are checked: an undecodable extra is one problem, not three.
        this.checkContents(item, payloads, place)
        break
      }
      case 'record':
        this.used(key.object)
        this.addRecord(key.object, key.offset, decodeRecordItem(value, sums), payloads[0] ?? null)
        break
      case 'object': {
        this.used(key.object)
        const { entries, size, base } = decodeObjectItem(value)
        this.objects.set(key.object, { entries, size })
        if (base !== 0) this.problem(`object ${key.object} has a base, which nothing makes yet`)
        break
      }
      case 'orphan': {
        this.used(key.orphan)
        const orphan = decodeOrphanItem(value)
        this.orphans.set(key.orphan, orphan)
        if (orphan.id !== key.orphan) this.problem(`orphan ${key.orphan} names ${orphan.id}`)
        break
      }
      case 'directory':
        this.used(key.directory)
        this.addOwnItem(key.directory, value)
        break
      case 'setting':
        this.checkSetting(key.name, decodeSettingItem(value))
        break
      default:
        // A kind of item that is not checked above does not compile.
        unreachable(key)
    }
  }

  /** A setting that decides who may do something has to decode; any other setting is opaque. */
  private checkSetting(name: string, value: Uint8Array): void {
    if (name === accessMarkName) decodeAccessMark(value)
    const id = tokenIdOf(name)
    if (id === null) return
    const { prefix } = decodeTokenSetting(value)
    if (!isTokenId(id)) this.problem(`the setting ${name} has no id of a token`)
    const nameIs =
      prefix === ''
        ? null
        : prefix
            .split('/')
            .map(nameProblem)
            .find((each) => each !== null)
    if (typeof nameIs === 'string') this.problem(`the token ${id} has a prefix that is no path: ${nameIs}`)
  }

  private addEntry(place: Place, item: EntryItem): void {
    this.checkVersion(item.version, place)
    if (place.directory === 0) {
      if (item.kind !== 'directory' || item.id !== rootDirectoryId)
        this.problem('the entry of the root is not that of the root directory')
      return
    }
    const nameIs = nameProblem(place.name)
    if (nameIs !== null) this.problem(`a name that no client can have given: ${nameIs}`, place)
    this.withEntries.add(place.directory)
    this.used(item.id)
    switch (item.kind) {
      case 'directory':
        this.counts.directories++
        if (this.directories.has(item.id) || item.id === rootDirectoryId)
          this.problem(`directory ${item.id} has a second name`, place)
        this.directories.set(item.id, place)
        break
      case 'link':
        this.counts.links++
        break
      case 'file':
        this.counts.files++
        this.counts.fileBytes += item.size
        if (item.id !== 0) this.nameObject(item, place)
        break
      default:
        unreachable(item.kind)
    }
  }

  /** The root contains every operation up to its sequence, and no operation of a later opening or epoch. */
  private checkVersion({ epoch, opening, sequence }: Version, place: Place): void {
    const { epochs, opening: rootOpening, sequence: rootSequence } = this.root
    const rootEpoch = epochs.at(-1)?.number ?? 0
    const isLater = epoch > rootEpoch || (epoch === rootEpoch && opening > rootOpening)
    if (!isLater && sequence <= rootSequence) return
    const text = (of: number, by: number, what: number) => `${of}-${by}-${what}`
    const own = text(epoch, opening, sequence)
    this.problem(`version ${own} is above the root's ${text(rootEpoch, rootOpening, rootSequence)}`, place)
  }

  /** The pointers of an entry are its content, then its extra, as far as the entry has these. */
  private checkContents({ kind, size, content, extra }: EntryItem, payloads: Payloads, place: Place): void {
    const bytes = content ? (payloads[0] ?? null) : null
    if (bytes && bytes.length > size) this.problem(`a file of ${size} bytes has ${bytes.length}`, place)
    const stored = extra.record ? (payloads[content ? 1 : 0] ?? null) : null
    if (stored) this.checkStoredExtra(kind, size, decodeEntryExtra(stored), place)
  }

  private checkStoredExtra(
    kind: EntryItem['kind'],
    size: number,
    { target }: EntryExtra,
    place: Place,
  ): void {
    if ((kind === 'link') !== (target !== null))
      this.problem('a link has a target, and nothing else has', place)
    else if (target !== null && encodeUtf8(target).length !== size)
      this.problem(`a link of ${size} bytes has a target of ${encodeUtf8(target).length}`, place)
  }

  private nameObject({ id, size }: EntryItem, place: Place): void {
    const named = this.named.get(id)
    if (named && named.size !== size)
      this.problem(`object ${id} is named with the sizes ${named.size} and ${size}`, place)
    if (named) named.entries++
    else this.named.set(id, { entries: 1, size, place })
  }

  private addRecord(object: number, offset: number, record: RecordItem, payload: Uint8Array | null): void {
    const { span, rawBytes } = record
    const named = this.named.get(object)
    const what = `a record of object ${object} at ${offset}`
    if (offset % span !== 0) this.problem(`${what} does not lie at a multiple of ${span}`, named?.place)
    if (payload && payload.length !== rawBytes)
      this.problem(`${what} has ${payload.length} bytes, its item says ${rawBytes}`, named?.place)
    const recorded = this.recorded.get(object) ?? { end: 0, overlapsAt: Infinity, exceedsAt: Infinity }
    if (offset < recorded.end) recorded.overlapsAt = Math.min(recorded.overlapsAt, offset)
    if (offset + rawBytes > (named?.size ?? Infinity))
      recorded.exceedsAt = Math.min(recorded.exceedsAt, offset)
    recorded.end = Math.max(recorded.end, offset + span)
    this.recorded.set(object, recorded)
  }

  /** Own items come after all entries. */
  private addOwnItem(id: number, value: Uint8Array): void {
    this.withOwnItem.add(id)
    const own = decodeDirectoryItem(value)
    const place = this.directories.get(id)
    if (id === rootDirectoryId) this.problem('the root has an own item')
    else if (!place) this.problem(`directory ${id} has an own item and no entry`)
    else if (own.parent !== place.directory || own.name !== place.name)
      this.problem(
        `the own item of directory ${id} says ${JSON.stringify(own.name)} in directory ${own.parent}`,
        place,
      )
  }

  private checkObjects(): void {
    for (const [id, { entries, size, place }] of this.named) {
      const object = this.objects.get(id)
      if (!object) this.problem(`object ${id} is named by ${entries} entries and missing`, place)
      else if (object.entries !== entries || object.size !== size)
        this.problem(
          `object ${id} counts ${object.entries} entries of ${object.size} bytes, there are ${entries} of ${size}`,
          place,
        )
    }
    for (const [id, { entries }] of this.objects) {
      if (this.named.has(id)) continue
      if (entries !== 0) this.problem(`object ${id} counts ${entries} entries, there is none`)
      if (!this.orphans.has(id)) this.problem(`object ${id} has neither an entry nor an orphan`)
    }
    for (const [id, { overlapsAt, exceedsAt }] of this.recorded) {
      const place = this.named.get(id)?.place
      if (!this.objects.has(id)) this.problem(`there are records of object ${id}, which is missing`, place)
      const orphan = this.orphans.get(id)
      const tailAt = orphan?.kind === 'tail' ? orphan.offset : Infinity
      if (overlapsAt < tailAt)
        this.problem(`the record of object ${id} at ${overlapsAt} overlaps another`, place)
      if (exceedsAt < tailAt)
        this.problem(`the record of object ${id} at ${exceedsAt} lies behind the end of the file`, place)
    }
  }

  private checkOrphans(): void {
    for (const [id, { kind }] of this.orphans) {
      const isNamed = kind === 'directory' ? this.directories.has(id) : this.named.has(id)
      const place = kind === 'directory' ? this.directories.get(id) : this.named.get(id)?.place
      if (isNamed !== (kind === 'tail'))
        this.problem(`orphan ${id}, a ${kind}, ${isNamed ? 'is' : 'is not'} named`, place)
      if (kind !== 'directory' && !this.objects.has(id)) this.problem(`orphan ${id} has no object`, place)
    }
  }

  private checkDirectories(): void {
    const isTop = (id: number) => id === rootDirectoryId || this.orphans.get(id)?.kind === 'directory'
    for (const id of this.withEntries)
      if (!isTop(id) && !this.directories.has(id)) this.problem(`directory ${id} has entries and no name`)
    const sound = new Set<number>()
    for (const [start, place] of this.directories) {
      if (!this.withOwnItem.has(start)) this.problem(`directory ${start} has no own item`, place)
      const way = new Set<number>()
      let id: number | undefined = start
      while (id !== undefined && !isTop(id) && !sound.has(id) && !way.has(id)) {
        way.add(id)
        id = this.directories.get(id)?.directory
      }
      if (id !== undefined && way.has(id)) this.problem(`directory ${id} contains itself`)
      for (const each of way) sound.add(each)
    }
  }

  private used(id: number): void {
    if (id > this.highestId) this.highestId = id
  }

  private problem(text: string, place: Place | null = null): void {
    this.problemCount++
    if (this.problems.length < problemsMax) this.problems.push({ text, place })
  }

  /** The path follows the entries, not the own items, because a client sees entries. */
  private show({ directory, name }: Place): string {
    if (directory === 0) return 'the root'
    const items = {
      get: (key: Uint8Array) => {
        const place = this.directories.get(readU64BigEndian(key, 1))
        return place ? encodeDirectoryItem({ parent: place.directory, name: place.name }) : null
      },
    }
    let path: string[] | null = null
    try {
      path = pathOf(items, directory)
    } catch (error) {
      // A directory that contains itself has no path.
      if (!(error instanceof StillpointError)) throw error
    }
    if (path) return JSON.stringify(formatPath([...path, name]))
    return `${JSON.stringify(name)} in directory ${directory}, to which no path leads`
  }
}

/** Returns the place of an entry from its key, however damaged key or value are; null for any other key. */
function placeOfKey(key: Uint8Array): Place | null {
  const directory = key[0] === keyKinds.entry && key.length > 8 ? readU64BigEndian(key, 1) : Number.NaN
  return Number.isNaN(directory) ? null : { directory, name: new TextDecoder().decode(entryNameBytes(key)) }
}
