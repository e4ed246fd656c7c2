import { Damage, type Findings } from './damage.ts'
import type { Items } from './items.ts'
import { decodeKey, keyOf } from './keys.ts'
import {
  checkSetting,
  decodeDirectory,
  decodeEntry,
  decodeObject,
  decodeOrphan,
  decodeRecord,
  type Entry,
  type ObjectItem,
  type OrphanItem,
} from './values.ts'

/** Compares the items of a file tree with each other: directories, objects, records, orphans. */
export class Consistency {
  private readonly items: Items
  private readonly checksumKind: number
  private readonly findings: Findings
  private readonly entries: { directory: number; name: string; entry: Entry }[] = []
  private readonly directories = new Map<number, { parent: number; name: string }>()
  private readonly objects = new Map<number, ObjectItem>()
  private readonly orphans: OrphanItem[] = []
  private readonly spans = new Map<number, { offset: number; end: number }[]>()

  constructor(items: Items, checksumKind: number, findings: Findings) {
    this.items = items
    this.checksumKind = checksumKind
    this.findings = findings
  }

  run(): void {
    for (const item of this.items) this.findings.attempt(() => this.sort(item.key, item.value))
    for (const entry of this.entries) this.checkEntry(entry.directory, entry.name, entry.entry)
    for (const [id, own] of this.directories) this.checkDirectory(id, own)
    this.checkObjects()
    for (const [id, list] of this.spans) this.checkRecords(id, list)
  }

  private sort(text: string, value: Uint8Array): void {
    const key = decodeKey(text)
    switch (key.kind) {
      case 'entry':
        this.entries.push({ ...key, entry: decodeEntry(value, this.checksumKind) })
        break
      case 'record':
        this.addRecord(key.id, key.offset, value)
        break
      case 'object':
        this.objects.set(key.id, decodeObject(value))
        break
      case 'orphan':
        this.orphans.push(decodeOrphan(value))
        break
      case 'directory':
        this.directories.set(key.id, decodeDirectory(value))
        break
      case 'setting':
        checkSetting(value)
        break
    }
  }

  private addRecord(id: number, offset: number, value: Uint8Array): void {
    const { span } = decodeRecord(value, this.checksumKind)
    if (offset % span !== 0)
      throw new Damage('item', `a record of object ${id} is not at a multiple of its span`)
    const list = this.spans.get(id) ?? []
    list.push({ offset, end: offset + span })
    this.spans.set(id, list)
  }

  private bad(message: string): void {
    this.findings.add('error', 'item', message)
  }

  private isOrphan(kind: OrphanItem['orphanKind'], id: number): boolean {
    return this.orphans.some((orphan) => orphan.orphanKind === kind && orphan.id === id)
  }

  private checkEntry(directory: number, name: string, entry: Entry): void {
    const what = `entry ${JSON.stringify(name)} of directory ${directory}`
    if (directory === 0) {
      if (entry.entryKind !== 'directory' || entry.id !== 1)
        this.bad('the entry of the root is not directory 1')
      return
    }
    if (directory !== 1 && !this.directories.has(directory) && !this.isOrphan('directory', directory)) {
      this.bad(`${what}: there is no such directory`)
    }
    if (entry.entryKind === 'directory') {
      const own = this.directories.get(entry.id)
      if (own?.parent !== directory || own.name !== name)
        this.bad(`${what}: the directory's own item says another place`)
    } else if (entry.id !== 0) {
      const object = this.objects.get(entry.id)
      if (object === undefined) this.bad(`${what}: there is no object ${entry.id}`)
      else if (object.size !== entry.size) this.bad(`${what}: the object has another size`)
    }
  }

  private checkDirectory(id: number, own: { parent: number; name: string }): void {
    const value = this.items.get(keyOf(1, own.parent, own.name))
    const entry =
      value === undefined ? undefined : this.findings.attempt(() => decodeEntry(value, this.checksumKind))
    if (id === 1) this.bad('the root has an own item')
    if (entry?.entryKind !== 'directory' || entry.id !== id)
      this.bad(`directory ${id} has an own item and no entry`)
    const seen = new Set([id])
    for (let at = own.parent; at !== 1; at = this.directories.get(at)?.parent ?? 1) {
      if (seen.has(at)) {
        this.bad(`directory ${id} is inside of itself`)
        return
      }
      seen.add(at)
    }
  }

  private checkObjects(): void {
    const named = new Map<number, number>()
    for (const { entry } of this.entries) {
      if (entry.entryKind === 'file' && entry.id !== 0) named.set(entry.id, (named.get(entry.id) ?? 0) + 1)
    }
    for (const [id, object] of this.objects) {
      if (object.entries !== (named.get(id) ?? 0))
        this.bad(`object ${id} counts ${object.entries} entries, not ${named.get(id) ?? 0}`)
      if (object.base !== 0 && !this.objects.has(object.base))
        this.bad(`object ${id} has no base ${object.base}`)
    }
  }

  private checkRecords(id: number, list: { offset: number; end: number }[]): void {
    if (!this.objects.has(id) && !this.isOrphan('object', id))
      this.bad(`records of object ${id}, which is not there`)
    for (const [i, record] of list.entries()) {
      const next = list[i + 1]
      if (next !== undefined && next.offset < record.end)
        this.bad(`records of object ${id} overlap at ${next.offset}`)
    }
  }
}
