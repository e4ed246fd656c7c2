/**
 * Files that were read lately, small ones with their content. A look at the tree always comes first; what is here serves only an entry that is
 * byte for byte the one that it was read for, so it is never older than the tree and nobody has to say what changed.
 * The bytes were verified when they came in.
 *
 * Bounded by `bytesMax`: what nobody has asked for since it was last passed over leaves first.
 */
import { type EntryItem, entrySequenceOf } from '../format/fs-items.ts'
import type { ChecksumKind } from '../format/pointer.ts'
import { equalBytes } from '../lib/bytes.ts'
import { Oldest } from '../lib/oldest.ts'
import type { Memo, Stat } from './contract.ts'

export const smallFilesBytesMaxDefault = 32 * 2 ** 20
/**
 * What an entry costs beside its content, in many small objects, with the headers that an answer keeps beside it
 * (measured: 1.8 KiB, 8.6 KiB with 40 values of metadata; the decoded entry about 0.4 more).
 */
const entryBytes = 2432
const bytesPerValueByte = 2
const metaBytes = 192

export interface SeenFile {
  /** The value of the entry, and what it says. */
  readonly value: Uint8Array
  readonly item: EntryItem
  readonly stat: Stat
  /** Null while nobody has asked for them, and of what is too large to be kept. */
  readonly bytes: Uint8Array | null
  readonly memo: Memo
}

interface Kept {
  readonly seen: SeenFile
  readonly cost: number
  wasAsked: boolean
}

export class SmallFiles {
  /** By sequence number, which names a content within an opening; in the order in which they leave. */
  readonly #kept = new Map<number, Kept>()
  readonly #oldest = new Oldest(this.#kept)
  #bytes = 0

  constructor(private readonly bytesMax = smallFilesBytesMaxDefault) {}

  get bytes(): number {
    return this.#bytes
  }

  find(value: Uint8Array, kind: ChecksumKind): SeenFile | null {
    const kept = this.#kept.get(entrySequenceOf(value, kind))
    if (!kept || !equalBytes(kept.seen.value, value)) return null
    kept.wasAsked = true
    return kept.seen
  }

  add(seen: SeenFile, kind: ChecksumKind): void {
    const { value, bytes } = seen
    const sequence = entrySequenceOf(value, kind)
    const before = this.#kept.get(sequence)
    if (before) this.#forget(sequence, before)
    // A part of a larger buffer would keep all of it.
    const isPart = bytes !== null && bytes.buffer.byteLength > bytes.length
    const own = isPart ? { ...seen, bytes: bytes.slice() } : seen
    this.#keep(sequence, { seen: own, cost: costOf(own), wasAsked: false })
    this.#trim()
  }

  #trim(): void {
    while (this.#bytes > this.bytesMax && this.#kept.size > 0) {
      const sequence = this.#oldest.next()
      const kept = this.#kept.get(sequence)!
      this.#forget(sequence, kept)
      if (!kept.wasAsked) continue
      kept.wasAsked = false
      this.#keep(sequence, kept)
    }
  }

  #keep(sequence: number, kept: Kept): void {
    this.#kept.set(sequence, kept)
    this.#bytes += kept.cost
  }

  #forget(sequence: number, { cost }: Kept): void {
    this.#kept.delete(sequence)
    this.#bytes -= cost
  }
}

function costOf({ value, stat, bytes }: SeenFile): number {
  const beside = entryBytes + bytesPerValueByte * value.length + metaBytes * Object.keys(stat.meta).length
  return beside + (bytes?.length ?? 0)
}
