import { createHash } from 'node:crypto'
import { Damage } from './damage.ts'
import { decodeExtra, type Extra } from './extra.ts'
import type { Items } from './items.ts'
import { decodeKey, keyOf } from './keys.ts'
import type { Records } from './records.ts'
import { decodeEntry, decodeObject, decodeRecord, type Entry } from './values.ts'

const zeroBytes = new Uint8Array(1_048_576)

/** One entry with its path: `/` between names, and nothing in front; the root directory has the path `/`. */
export interface Listed extends Extra {
  readonly path: string
  readonly entry: Entry
}

/** The files of a volume, as a client sees them. */
export class View {
  private readonly items: Items
  private readonly records: Records
  private readonly checksumKind: number

  constructor(items: Items, records: Records, checksumKind: number) {
    this.items = items
    this.records = records
    this.checksumKind = checksumKind
  }

  /** Every entry that a path leads to, in the order of the paths' bytes. */
  list(): Listed[] {
    const found: Listed[] = []
    const root = this.items.get(keyOf(1, 0))
    if (root !== undefined) found.push(this.listed('/', root))
    this.descend(1, '', found, new Set([1]))
    return found.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
  }

  extra(entry: Entry): Extra {
    if (entry.extra === undefined) return {}
    return decodeExtra(entry.extra instanceof Uint8Array ? entry.extra : this.records.read(entry.extra))
  }

  /** The bytes of a file, in pieces of at most 1 MiB. */
  *content(entry: Entry): Generator<Uint8Array> {
    if (entry.entryKind !== 'file') return
    if (entry.content !== undefined) {
      const record = this.records.read(entry.content).subarray(0, entry.size)
      yield record
      yield* zeros(entry.size - record.length)
    } else if (entry.id === 0) {
      yield* zeros(entry.size)
    } else {
      yield* this.object(entry.id, 0, entry.size)
    }
  }

  sha256(entry: Entry): string {
    const hash = createHash('sha256')
    for (const piece of this.content(entry)) hash.update(piece)
    return hash.digest('hex')
  }

  private descend(directory: number, path: string, found: Listed[], above: Set<number>): void {
    for (const item of this.items.range(keyOf(1, directory))) {
      const key = decodeKey(item.key)
      if (key.kind !== 'entry') continue
      const listed = this.listed(path + key.name, item.value)
      found.push(listed)
      if (listed.entry.entryKind !== 'directory') continue
      const { id } = listed.entry
      if (above.has(id)) throw new Damage('item', `directory ${id} is in two places, or inside of itself`)
      above.add(id)
      this.descend(id, `${path}${key.name}/`, found, above)
    }
  }

  private listed(path: string, value: Uint8Array): Listed {
    const entry = decodeEntry(value, this.checksumKind)
    return { path, entry, ...this.extra(entry) }
  }

  /** The bytes of an object from one offset to another; where it has no record its base is read. */
  private *object(id: number, from: number, to: number, below = new Set<number>()): Generator<Uint8Array> {
    if (below.has(id)) throw new Damage('item', `object ${id} is its own base`)
    let at = from
    for (const item of this.items.range(keyOf(2, id))) {
      const key = decodeKey(item.key)
      if (key.kind !== 'record') continue
      const { span, pointer } = decodeRecord(item.value, this.checksumKind)
      const end = Math.min(key.offset + span, to)
      if (end <= at || key.offset >= to) continue
      if (key.offset > at) yield* this.base(id, at, key.offset, below)
      const start = Math.max(at, key.offset)
      const piece = this.records.read(pointer).subarray(start - key.offset, end - key.offset)
      yield piece
      yield* zeros(end - start - piece.length)
      at = end
    }
    if (at < to) yield* this.base(id, at, to, below)
  }

  private *base(id: number, from: number, to: number, below: Set<number>): Generator<Uint8Array> {
    const value = this.items.get(keyOf(3, id))
    const base = value === undefined ? 0 : decodeObject(value).base
    const baseValue = base === 0 ? undefined : this.items.get(keyOf(3, base))
    const baseEnd = baseValue === undefined ? from : Math.min(to, decodeObject(baseValue).size)
    if (baseEnd > from) yield* this.object(base, from, baseEnd, new Set([...below, id]))
    yield* zeros(to - Math.max(from, baseEnd))
  }
}

function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= zeroBytes.length)
    yield zeroBytes.subarray(0, Math.min(left, zeroBytes.length))
}
