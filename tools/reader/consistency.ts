import { Damage, type Findings } from './damage.ts'
import type { Items } from './items.ts'
import { decodeKey } from './keys.ts'
import type { Root } from './root.ts'
import * as values from './values.ts'

type Measure = Pick<Root, 'checksumKind' | 'epochs' | 'opening' | 'sequence' | 'counters'>

interface Place {
  readonly directory: number
  readonly name: string
}

/** Compares the items of a file tree with each other and with the counters of the root. */
export class Consistency {
  private readonly items: Items
  private readonly root: Measure
  private readonly findings: Findings
  private readonly directories = new Map<number, Place>()
  private readonly own = new Map<number, { parent: number; name: string }>()
  private readonly holders = new Set<number>()
  private readonly files = new Map<number, { entries: number; size: number }>()
  private readonly objects = new Map<number, values.ObjectItem>()
  private readonly orphans = new Map<number, values.OrphanItem>()
  private readonly records = new Map<number, { offset: number; rawEnd: number; end: number }[]>()
  private readonly counts = { files: 0, directories: 0, links: 0, bytes: 0 }
  private highestId = 1

  constructor(items: Items, root: Measure, findings: Findings) {
    this.items = items
    this.root = root
    this.findings = findings
  }

  run(): void {
    for (const item of this.items) this.findings.attempt(() => this.sort(item.key, item.value))
    this.checkDirectories()
    this.checkObjects()
    this.checkOrphans()
    for (const [id, list] of this.records) this.checkRecords(id, list)
    this.checkCounters()
  }

  private sort(text: string, value: Uint8Array): void {
    const key = decodeKey(text)
    if ('id' in key) this.highestId = Math.max(this.highestId, key.id)
    switch (key.kind) {
      case 'entry':
        this.addEntry(key, values.decodeEntry(value, this.root.checksumKind))
        break
      case 'record':
        this.addRecord(key.id, key.offset, value)
        break
      case 'object':
        this.objects.set(key.id, values.decodeObject(value))
        break
      case 'orphan':
        this.orphans.set(key.id, values.decodeOrphan(value))
        break
      case 'directory':
        this.own.set(key.id, values.decodeDirectory(value))
        break
      case 'setting':
        values.checkSetting(key.name, value)
        break
    }
  }

  private addEntry(place: Place, entry: values.Entry): void {
    this.checkVersion(place, entry.version)
    if (place.directory === 0) {
      if (entry.entryKind !== 'directory' || entry.id !== 1)
        this.bad('the entry of the root is not directory 1')
      return
    }
    this.highestId = Math.max(this.highestId, entry.id)
    this.holders.add(place.directory)
    if (entry.entryKind === 'directory') {
      this.counts.directories += 1
      if (entry.id === 1 || this.directories.has(entry.id))
        this.bad(`directory ${entry.id} has a second name`)
      this.directories.set(entry.id, place)
    } else if (entry.entryKind === 'link') {
      this.counts.links += 1
    } else {
      this.counts.files += 1
      this.counts.bytes += entry.size
      if (entry.id !== 0) this.nameObject(entry)
    }
  }

  private checkVersion({ name }: Place, { epoch, opening, sequence }: values.Entry['version']): void {
    const last = this.root.epochs.at(-1)?.number ?? 0
    const isLater = epoch > last || (epoch === last && opening > this.root.opening)
    if (isLater || sequence > this.root.sequence)
      this.bad(`the version of ${JSON.stringify(name)} is above the root's`)
  }

  private nameObject({ id, size }: values.Entry): void {
    const known = this.files.get(id)
    if (known !== undefined && known.size !== size) this.bad(`object ${id} is named with two sizes`)
    this.files.set(id, { entries: (known?.entries ?? 0) + 1, size })
  }

  private addRecord(id: number, offset: number, value: Uint8Array): void {
    const { span, rawBytes } = values.decodeRecord(value, this.root.checksumKind)
    if (offset % span !== 0)
      throw new Damage('item', `a record of object ${id} is not at a multiple of its span`)
    const list = this.records.get(id) ?? []
    list.push({ offset, rawEnd: offset + rawBytes, end: offset + span })
    this.records.set(id, list)
  }

  private bad(message: string): void {
    this.findings.add('error', 'item', message)
  }

  private isTop(id: number): boolean {
    return id === 1 || this.orphans.get(id)?.orphanKind === 'directory'
  }

  private checkDirectories(): void {
    for (const id of this.holders) {
      if (!this.isTop(id) && !this.directories.has(id)) this.bad(`directory ${id} has entries and no name`)
    }
    for (const [id, { parent, name }] of this.own) {
      const place = this.directories.get(id)
      if (id === 1) this.bad('the root has an own item')
      else if (place?.directory !== parent || place.name !== name)
        this.bad(`directory ${id} is not where its own item says`)
    }
    for (const id of this.directories.keys()) {
      if (!this.own.has(id)) this.bad(`directory ${id} has no own item`)
      this.checkWayUp(id)
    }
  }

  private checkWayUp(id: number): void {
    const seen = new Set<number>()
    for (
      let at: number | undefined = id;
      at !== undefined && !this.isTop(at);
      at = this.directories.get(at)?.directory
    ) {
      if (seen.has(at)) {
        this.bad(`directory ${id} is inside of itself`)
        return
      }
      seen.add(at)
    }
  }

  private checkObjects(): void {
    for (const [id, { entries, size }] of this.files) {
      const object = this.objects.get(id)
      if (object?.entries !== entries || object.size !== size)
        this.bad(`object ${id} is not what its entries say`)
    }
    for (const [id, { entries, base }] of this.objects) {
      if (base !== 0) this.bad(`object ${id} has a base`)
      if (this.files.has(id)) continue
      if (entries !== 0 || !this.orphans.has(id)) this.bad(`object ${id} has no entry, and is no orphan`)
    }
  }

  private checkOrphans(): void {
    for (const [key, { orphanKind, id }] of this.orphans) {
      if (id !== key) this.bad(`orphan ${key} names ${id}`)
      const isNamed = orphanKind === 'directory' ? this.directories.has(key) : this.files.has(key)
      if (isNamed !== (orphanKind === 'tail')) this.bad(`orphan ${key} has an entry, or its object has none`)
      if (orphanKind !== 'directory' && !this.objects.has(key)) this.bad(`orphan ${key} has no object`)
    }
  }

  private checkRecords(id: number, list: { offset: number; rawEnd: number; end: number }[]): void {
    if (!this.objects.has(id)) this.bad(`records of object ${id}, which is not there`)
    const orphan = this.orphans.get(id)
    const tailAt = orphan?.orphanKind === 'tail' ? orphan.offset : Infinity
    const size = this.files.get(id)?.size ?? Infinity
    let end = 0
    for (const record of list) {
      if (record.offset >= tailAt) break
      if (record.offset < end) this.bad(`records of object ${id} overlap at ${record.offset}`)
      if (record.rawEnd > size) this.bad(`a record of object ${id} lies behind the end of the file`)
      end = record.end
    }
  }

  private checkCounters(): void {
    const [nextId = 0, files, directories, links, bytes] = this.root.counters
    const { counts } = this
    if (Math.max(nextId, 2) <= this.highestId)
      this.bad(`the next id is ${nextId}, and ${this.highestId} is in use`)
    if (
      files !== counts.files ||
      directories !== counts.directories ||
      links !== counts.links ||
      bytes !== counts.bytes
    ) {
      this.bad(
        `the counters are ${[files, directories, links, bytes].join(', ')}, not ${Object.values(counts).join(', ')}`,
      )
    }
  }
}
