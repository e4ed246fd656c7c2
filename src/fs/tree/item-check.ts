/**
 * The invariants of the items of one root, over the items in the order of their keys. Pure: what reads the tree and
 * verifies blocks and pointers is the engine's check.
 *
 * - Every item is well-formed, and every id is below the next one.
 * - A directory has one name, or is an orphan; from each one the way up ends at the root or at an orphan.
 * - An object is named by as many entries as it counts, and none when it is an orphan; sizes agree.
 * - A record belongs to an object, lies at a multiple of its span, overlaps no other and ends within the file. Behind
 *   the beginning of a tail everything may lie: the reaper takes it.
 * - The counters count the entries, unlinked ones that the reaper has not taken included.
 */
import type { Item } from '../../cp-engine/contract.ts'
import {
  type EntryItem,
  decodeEntryItem,
  decodeObjectItem,
  decodeOrphanItem,
  decodeRecordItem,
} from '../../format/items/items.ts'
import type { OrphanItem } from '../../format/items/items.ts'
import { decodeKey, rootDirectoryId } from '../../format/items/item-keys.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import { StillpointError } from '../../lib/errors.ts'
import { type Counted, counters, nextIdOf } from './counters.ts'

/** So many are described; all are counted. */
const problemsMax = 100

export interface ItemReport {
  readonly problems: readonly string[]
  readonly problemCount: number
  readonly counts: Readonly<Record<Counted, number>>
  readonly orphans: number
}

interface Named {
  entries: number
  size: number
}

interface Recorded {
  /** Where the span of the last record ended. */
  end: number
  /** The first record that overlaps the one before it, and the first that ends behind the file. */
  overlapsAt: number
  exceedsAt: number
}

export class ItemCheck {
  private readonly problems: string[] = []
  private problemCount = 0
  private readonly counts: Record<Counted, number> = { files: 0, directories: 0, links: 0, fileBytes: 0 }
  /** Directory ids and the directory that names each. */
  private readonly parents = new Map<number, number>()
  private readonly withEntries = new Set<number>()
  private readonly named = new Map<number, Named>()
  private readonly recorded = new Map<number, Recorded>()
  private readonly objects = new Map<number, Named>()
  private readonly orphans = new Map<number, OrphanItem>()
  private highestId = rootDirectoryId

  constructor(private readonly kind: ChecksumKind) {}

  /** In the order of their keys. Throws `newer-format`: then nothing can be said of the whole. */
  add(item: Item): void {
    try {
      this.addKnown(item)
    } catch (error) {
      if (!(error instanceof StillpointError) || error.code === 'newer-format') throw error
      this.problem(error.message)
    }
  }

  finish(counterValues: readonly number[]): ItemReport {
    this.checkObjects()
    this.checkOrphans()
    this.checkDirectories()
    for (const counted of ['files', 'directories', 'links', 'fileBytes'] as const) {
      const stored = counterValues[counters[counted]]
      if (stored !== this.counts[counted])
        this.problem(`the counter of ${counted} is ${stored}, there are ${this.counts[counted]}`)
    }
    const nextId = nextIdOf(counterValues[counters.nextId] ?? 0)
    if (this.highestId >= nextId) this.problem(`the next id is ${nextId}, ${this.highestId} is in use`)
    return {
      problems: this.problems,
      problemCount: this.problemCount,
      counts: this.counts,
      orphans: this.orphans.size,
    }
  }

  private addKnown({ key: bytes, value }: Item): void {
    const key = decodeKey(bytes)
    switch (key.kind) {
      case 'entry':
        this.addEntry(key.directory, key.name, decodeEntryItem(value, this.kind))
        break
      case 'record': {
        this.used(key.object)
        const { span, rawBytes } = decodeRecordItem(value, this.kind)
        this.addRecord(key.object, key.offset, span, rawBytes)
        break
      }
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
    }
  }

  private addEntry(directory: number, name: string, item: EntryItem): void {
    if (directory === 0) {
      if (item.kind !== 'directory' || item.id !== rootDirectoryId)
        this.problem('the entry of the root is not that of the root directory')
      return
    }
    this.withEntries.add(directory)
    this.used(item.id)
    if (item.kind === 'directory') {
      this.counts.directories++
      if (this.parents.has(item.id) || item.id === rootDirectoryId)
        this.problem(`directory ${item.id} has a second name, "${name}" in directory ${directory}`)
      this.parents.set(item.id, directory)
    } else if (item.kind === 'link') this.counts.links++
    else {
      this.counts.files++
      this.counts.fileBytes += item.size
      if (item.id !== 0) this.nameObject(item)
    }
  }

  private nameObject({ id, size }: EntryItem): void {
    const named = this.named.get(id)
    if (named && named.size !== size)
      this.problem(`object ${id} is named with the sizes ${named.size} and ${size}`)
    if (named) named.entries++
    else this.named.set(id, { entries: 1, size })
  }

  private addRecord(object: number, offset: number, span: number, rawBytes: number): void {
    if (offset % span !== 0)
      this.problem(`a record of object ${object} at ${offset} does not lie at a multiple of ${span}`)
    const recorded = this.recorded.get(object) ?? { end: 0, overlapsAt: Infinity, exceedsAt: Infinity }
    if (offset < recorded.end) recorded.overlapsAt = Math.min(recorded.overlapsAt, offset)
    const size = this.named.get(object)?.size ?? Infinity
    if (offset + rawBytes > size) recorded.exceedsAt = Math.min(recorded.exceedsAt, offset)
    recorded.end = Math.max(recorded.end, offset + span)
    this.recorded.set(object, recorded)
  }

  private checkObjects(): void {
    for (const [id, { entries, size }] of this.named) {
      const object = this.objects.get(id)
      if (!object) this.problem(`object ${id} is named by ${entries} entries and missing`)
      else if (object.entries !== entries || object.size !== size)
        this.problem(
          `object ${id} counts ${object.entries} entries of ${object.size} bytes, there are ${entries} of ${size}`,
        )
    }
    for (const [id, { entries }] of this.objects) {
      if (this.named.has(id)) continue
      if (entries !== 0) this.problem(`object ${id} counts ${entries} entries, there is none`)
      if (!this.orphans.has(id)) this.problem(`object ${id} has neither an entry nor an orphan`)
    }
    for (const [id, { overlapsAt, exceedsAt }] of this.recorded) {
      if (!this.objects.has(id)) this.problem(`there are records of object ${id}, which is missing`)
      const orphan = this.orphans.get(id)
      const tailAt = orphan?.kind === 'tail' ? orphan.offset : Infinity
      if (overlapsAt < tailAt) this.problem(`the record of object ${id} at ${overlapsAt} overlaps another`)
      if (exceedsAt < tailAt)
        this.problem(`the record of object ${id} at ${exceedsAt} lies behind the end of the file`)
    }
  }

  private checkOrphans(): void {
    for (const [id, { kind }] of this.orphans) {
      const isNamed = kind === 'directory' ? this.parents.has(id) : this.named.has(id)
      if (isNamed !== (kind === 'tail'))
        this.problem(`orphan ${id}, a ${kind}, ${isNamed ? 'is' : 'is not'} named`)
      if (kind !== 'directory' && !this.objects.has(id)) this.problem(`orphan ${id} has no object`)
    }
  }

  private checkDirectories(): void {
    const isTop = (id: number) => id === rootDirectoryId || this.orphans.get(id)?.kind === 'directory'
    for (const id of this.withEntries)
      if (!isTop(id) && !this.parents.has(id)) this.problem(`directory ${id} has entries and no name`)
    const sound = new Set<number>()
    for (const start of this.parents.keys()) {
      const way = new Set<number>()
      let id: number | undefined = start
      while (id !== undefined && !isTop(id) && !sound.has(id) && !way.has(id)) {
        way.add(id)
        id = this.parents.get(id)
      }
      if (id !== undefined && way.has(id)) this.problem(`directory ${id} contains itself`)
      for (const each of way) sound.add(each)
    }
  }

  private used(id: number): void {
    if (id > this.highestId) this.highestId = id
  }

  private problem(text: string): void {
    this.problemCount++
    if (this.problems.length < problemsMax) this.problems.push(text)
  }
}

export async function checkItems(
  items: Iterable<Item> | AsyncIterable<Item>,
  kind: ChecksumKind,
  counterValues: readonly number[],
): Promise<ItemReport> {
  const check = new ItemCheck(kind)
  for await (const item of items) check.add(item)
  return check.finish(counterValues)
}
