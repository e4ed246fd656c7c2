/**
 * One operation over the open tree: a synchronous function sees the tree through an overlay of its own changes. So
 * the function can throw anywhere and leave nothing behind, can run again when a node was missing, and can hold a
 * batch of any kind.
 *
 * `finish` turns the overlay into the change that the engine applies: items, and the net difference of block
 * pointers. A pointer that moved from one key to another is in neither list.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { assert } from '../../lib/assert.ts'
import { compareBytes } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import { itemBytesMax, keyBytesMax } from '../../format/geometry.ts'
import type { BlockPointer, ChecksumKind } from '../../format/pointer.ts'
import type { Item, ItemReader, PreparedRecord, Tx, Version } from '../contract.ts'
import { pointerChange } from './pointer-change.ts'
import type { Replacement } from './pointer-change.ts'

export interface OperationFacts {
  readonly cp: number
  readonly nowMs: number
  readonly epoch: number
  readonly opening: number
  readonly sequence: number
  readonly counters: readonly number[]
  readonly sums: ChecksumKind
  /** True for a hidden step, which takes no sequence number. */
  readonly isHidden: boolean
}

interface ChangedItem {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
  /** Value of the key before the operation; null when there was none. */
  readonly before: Uint8Array | null
}

export interface Change {
  readonly isChange: boolean
  /** Changed items in key order; a null value deletes. */
  readonly items: readonly ChangedItem[]
  readonly used: readonly PreparedRecord[]
  readonly freed: readonly BlockRun[]
  readonly replaced: readonly Replacement[]
  readonly counters: readonly number[]
  readonly sequence: number
}

/** Records that an operation may use. */
export type GivenRecords = Pick<ReadonlySet<PreparedRecord>, 'has'>

type Overlaid = { readonly key: Uint8Array; value: Uint8Array | null; readonly before: Uint8Array | null }

export class OperationTx implements Tx {
  readonly cp: number
  readonly nowMs: number
  /** Changes in key order. Most operations change one item, so the overlay is not built for many items. */
  private readonly overlay: Overlaid[] = []
  private readonly used: PreparedRecord[] = []
  private readonly counters: number[]
  private sequence: number

  constructor(
    private readonly tree: ItemReader,
    private readonly facts: OperationFacts,
    private readonly records: GivenRecords,
  ) {
    this.cp = facts.cp
    this.nowMs = facts.nowMs
    this.counters = facts.counters.slice()
    this.sequence = facts.sequence
  }

  get(key: Uint8Array): Uint8Array | null {
    const at = this.overlay.length === 0 ? -1 : this.placeOf(key)
    return at < 0 ? this.tree.get(key) : (this.overlay[at]!.value?.slice() ?? null)
  }

  floor(key: Uint8Array, lowest: Uint8Array): Item | null {
    let at = key
    for (;;) {
      const below = this.tree.floor(at, lowest)
      const mine = this.overlayFloor(key, lowest)
      if (below && this.placeOf(below.key) >= 0) {
        // The operation has deleted or replaced this item: the next candidate of the tree is the item before.
        if (mine && compareBytes(mine.key, below.key) >= 0) return mine
        const before = predecessor(below.key, lowest)
        if (!before) return mine
        at = before
        continue
      }
      if (!below || !mine) return below ?? mine
      return compareBytes(mine.key, below.key) >= 0 ? mine : below
    }
  }

  scan(from: Uint8Array, end: Uint8Array, itemsMax: number): Item[] {
    const mine = this.overlay.slice(this.firstFrom(from), this.firstFrom(end))
    if (mine.length === 0) return this.tree.scan(from, end, itemsMax)
    const items: Item[] = []
    const below = this.tree.scan(from, end, itemsMax + mine.length)
    let [i, j] = [0, 0]
    while (items.length < itemsMax && (i < below.length || j < mine.length)) {
      const order = i >= below.length ? 1 : j >= mine.length ? -1 : compareBytes(below[i]!.key, mine[j]!.key)
      if (order < 0) items.push(below[i++]!)
      else {
        const { key, value } = mine[j++]!
        if (value) items.push({ key: key.slice(), value: value.slice() })
        if (order === 0) i++
      }
    }
    return items
  }

  put(key: Uint8Array, value: Uint8Array): void {
    if (key.length > keyBytesMax || key.length + value.length > itemBytesMax)
      throw new StillpointError(
        'too-large',
        `an item of ${key.length + value.length} bytes does not fit a node`,
      )
    this.change(key, value.slice())
  }

  delete(key: Uint8Array): void {
    this.change(key, null)
  }

  use(record: PreparedRecord): BlockPointer {
    assert(this.records.has(record), 'an operation uses only the records that it was given')
    this.used.push(record)
    return record.pointer
  }

  counter(index: number): number {
    const value = this.counters[index]
    assert(value !== undefined, 'there are only so many counters')
    return value
  }

  setCounter(index: number, value: number): void {
    assert(this.counter(index) !== undefined && Number.isSafeInteger(value) && value >= 0, 'a counter counts')
    this.counters[index] = value
  }

  nextVersion(): Version {
    assert(!this.facts.isHidden, 'a hidden step gives no version')
    this.sequence++
    return { epoch: this.facts.epoch, opening: this.facts.opening, sequence: this.sequence }
  }

  finish(): Change {
    const { sums, isHidden } = this.facts
    const items = this.overlay.some(isNothing)
      ? this.overlay.filter((each) => !isNothing(each))
      : this.overlay
    const { used, freed, replaced } = pointerChange(items, this.used, sums)
    const isChange = items.length > 0 || this.counters.some((value, i) => value !== this.facts.counters[i])
    // An operation that only deletes gives no version, and still has its place in the order.
    if (isChange && !isHidden && this.sequence === this.facts.sequence) this.sequence++
    return {
      isChange,
      items,
      used,
      freed,
      replaced,
      counters: this.counters,
      sequence: isChange ? this.sequence : this.facts.sequence,
    }
  }

  private change(key: Uint8Array, value: Uint8Array | null): void {
    const at = this.placeOf(key)
    if (at >= 0) this.overlay[at]!.value = value
    else this.overlay.splice(~at, 0, { key: key.slice(), value, before: this.tree.get(key) })
  }

  /** Index of the change of this key, or ~(index where the change would be). */
  private placeOf(key: Uint8Array): number {
    let low = 0
    let high = this.overlay.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = compareBytes(this.overlay[middle]!.key, key)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return ~low
  }

  private firstFrom(key: Uint8Array): number {
    const at = this.placeOf(key)
    return at < 0 ? ~at : at
  }

  private overlayFloor(key: Uint8Array, lowest: Uint8Array): Item | null {
    const found = this.placeOf(key)
    for (let at = found < 0 ? ~found - 1 : found; at >= 0; at--) {
      const { key: candidate, value } = this.overlay[at]!
      if (compareBytes(candidate, lowest) < 0) return null
      if (value) return { key: candidate.slice(), value: value.slice() }
    }
    return null
  }
}

/**
 * True when the change gives back at least as much as the change takes, of records and of items. A deletion or a
 * rename does so.
 */
export function givesBack({ items, used, freed }: Change): boolean {
  let bytes = 0
  for (const { key, value, before } of items) {
    if (value) bytes += key.length + value.length
    if (before) bytes -= key.length + before.length
  }
  const blocks = (runs: readonly BlockRun[]) => runs.reduce((sum, run) => sum + run.blocks, 0)
  return bytes <= 0 && blocks(used.map(({ pointer }) => pointer)) <= blocks(freed)
}

/** True for a key that was put and deleted again. */
const isNothing = ({ value, before }: Overlaid): boolean => value === null && before === null

/**
 * The greatest key below `key` that is not below `lowest`, among keys of any length up to the limit; null for none.
 */
function predecessor(key: Uint8Array, lowest: Uint8Array): Uint8Array | null {
  let before: Uint8Array
  if (key.at(-1) === 0) before = key.slice(0, -1)
  else {
    before = new Uint8Array(keyBytesMax).fill(0xff)
    before.set(key)
    before[key.length - 1] = key.at(-1)! - 1
  }
  return compareBytes(before, lowest) >= 0 ? before : null
}
