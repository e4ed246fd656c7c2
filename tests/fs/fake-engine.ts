/**
 * An Engine in memory, for fast and strict tests of the floors above. It keeps the engine's promises and checks the
 * caller's:
 *
 * - operations are stopped at random by an unknown exception and run again from the start;
 * - prepared bytes are cut at random block boundaries, as on a fragmented volume, and zeros are left out;
 * - every pointer is in exactly one item, and freed exactly once; what was prepared is used or discarded;
 * - hidden steps change hidden items only, no counter but the next id, and take no version;
 * - a view gives only records that it has shown;
 * - `crash` goes back to the last published root and replays the operations since, as the intent log will: hidden
 *   steps are lost, except that the operation that names a stream brings the stream's items with it.
 */
import { AssertionError, assert } from '../../src/lib/assert.ts'
import { equalBytes, toHex } from '../../src/lib/bytes.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { seededRandom } from '../../src/lib/random.ts'
import type {
  Applied,
  CpCause,
  CpPublished,
  DurabilityLevel,
  Engine,
  Item,
  NewestView,
  PrepareOptions,
  PreparedRecord,
  PublishedRoot,
  RecordStream,
  RunOptions,
  SpaceFloor,
  TreeView,
  Tx,
} from '../../src/cp-engine/contract.ts'
import { countersMax, itemBytesMax, keyBytesMax, recordBytesMax } from '../../src/format/geometry.ts'
import type { RecordSums } from '../../src/format/pointer.ts'
import { FakeBlocks } from './fake-blocks.ts'
import {
  type Done,
  type FakeEngineOptions,
  FakeStream,
  type Image,
  type Mode,
  type Operation,
  cutAtRandom,
  fakeRoot,
  mustBeHidden,
  recordRun,
} from './fake-parts.ts'
import { fakeNewest } from './read/fake-newest.ts'
import { NotLoaded, lookNow, place, readerOf, valueOf } from './fake-items.ts'

/** In a row. */
const missesMax = 40

export class FakeEngine implements Engine {
  items: Item[] = []
  private counters: number[] = new Array<number>(countersMax).fill(0)
  private blocks: FakeBlocks
  private sequence = 0
  private opening = 1
  private dirty = false
  private changes = 0
  private images: Image[] = []
  private readonly pins = new Map<PublishedRoot, number>()
  private viewCount = 0
  private readonly listeners = new Set<(event: CpPublished) => void>()
  private operations: Operation[] = []
  private readonly random: ReturnType<typeof seededRandom>
  private readonly sums: RecordSums
  private readonly missPercent: number
  private readonly cutPercent: number
  private clockMs = 1_700_000_000_000
  /** Set by a test: what `prepare` throws next. */
  failPrepare: (() => StillpointError | null) | null = null
  private misses = 0
  largestOperation = 0
  hiddenSteps = 0

  constructor(private readonly options: FakeEngineOptions = {}) {
    this.random = seededRandom(options.seed ?? 1)
    this.sums = { kind: options.kind ?? 'xxh3', seed: 42 }
    this.blocks = new FakeBlocks(this.sums)
    this.missPercent = options.missPercent ?? 3
    this.cutPercent = options.cutPercent ?? 20
    this.publish('create')
  }

  // ---- RootSource

  current(): PublishedRoot {
    return this.images.at(-1)!.published
  }

  readable(): readonly PublishedRoot[] {
    const newest = this.images.slice(-(this.options.retainedMax ?? 2))
    return this.images.filter((i) => newest.includes(i) || this.pins.has(i.published)).map((i) => i.published)
  }

  view(published: PublishedRoot): TreeView {
    this.mustBeReadable(published)
    const { items } = this.images.find((image) => image.published === published)!
    return this.newView(
      () => items,
      () => published.root.cp,
    )
  }

  pin(published: PublishedRoot): { release(): void } {
    this.mustBeReadable(published)
    this.pins.set(published, (this.pins.get(published) ?? 0) + 1)
    let released = false
    return {
      release: () => {
        if (released) return
        released = true
        const left = this.pins.get(published)! - 1
        if (left > 0) this.pins.set(published, left)
        else this.pins.delete(published)
      },
    }
  }

  onPublished(listener: (event: CpPublished) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  // ---- Engine

  openView(): TreeView {
    return this.newView(
      () => this.items,
      () => this.newest.cp,
    )
  }

  readonly newest: NewestView = fakeNewest({
    cp: () => this.current().root.cp + (this.dirty ? 1 : 0),
    changes: () => this.changes,
    sums: () => this.sums.kind,
    items: () => readerOf(this.items, this.isMissing),
    recordNow: (pointer) => (this.random.below(4) === 0 ? null : this.blocks.read(pointer)),
  })

  async prepare(
    bytes: Uint8Array,
    _floor: SpaceFloor = 'write',
    { recordBytes = recordBytesMax, onWritten }: PrepareOptions = {},
  ): Promise<PreparedRecord[]> {
    assert(bytes.length >= 1 && bytes.length <= recordBytesMax, 'prepare takes 1 to recordBytesMax bytes')
    await this.pause()
    const records = this.cut(bytes, recordBytes)
    onWritten?.(true)
    return records
  }

  prepareNow(bytes: Uint8Array): PreparedRecord[] | null {
    return this.chance(this.missPercent) ? null : this.cut(bytes, recordBytesMax)
  }

  private cut(bytes: Uint8Array, recordBytes: number): PreparedRecord[] {
    const failure = this.failPrepare?.() ?? null
    if (failure) throw failure
    const prepare = (offset: number, length: number) => {
      const part = bytes.slice(offset, offset + length)
      return part.every((byte) => byte === 0) ? null : this.blocks.prepare(part, offset)
    }
    return cutAtRandom(bytes.length, recordBytes, () => this.chance(this.cutPercent), prepare)
  }

  discard(records: readonly PreparedRecord[]): void {
    this.blocks.discard(records)
  }

  async run<T>(operation: (tx: Tx) => T, options: RunOptions = {}): Promise<Applied<T>> {
    const done = await this.apply(operation, options, 'operation')
    return this.applied(done, options.stream as FakeStream | undefined)
  }

  runNow<T>(operation: (tx: Tx) => T, records: readonly PreparedRecord[]): Applied<T> | null {
    if (this.chance(this.missPercent)) return null
    const done = this.attempt(operation, records, 'operation', this.options.nowMs?.() ?? ++this.clockMs)
    return done && this.applied(done)
  }

  private applied<T>(done: Done<T>, stream?: FakeStream): Applied<T> {
    if (!done.changed) return { result: done.result, cp: this.openView0(), sequence: 0 }
    this.operations.push({
      changes: [...(stream?.changes.values() ?? []), ...done.changes],
      counters: [...this.counters],
    })
    return { result: done.result, cp: this.current().root.cp + 1, sequence: done.sequence }
  }

  openStream(): RecordStream {
    return new FakeStream(async (change, records, stream) => {
      const { changes } = await this.apply(change, { records }, 'hidden')
      for (const item of changes) stream.changes.set(toHex(item.key), item)
    })
  }

  async reach(_applied: Applied<unknown>, level: DurabilityLevel): Promise<DurabilityLevel> {
    await this.pause()
    return level
  }

  async requestCp(cause: CpCause): Promise<PublishedRoot> {
    await this.pause()
    if (this.dirty) this.publish(cause)
    return this.current()
  }

  async runHidden<T>(operation: (tx: Tx) => T, options: RunOptions = {}): Promise<T> {
    this.hiddenSteps++
    return (await this.apply(operation, options, 'hidden')).result
  }

  space() {
    return { writable: 1_000_000, pending: 0, used: this.blocks.used(), max: 2_000_000 }
  }

  // ---- For tests

  /** What an open after a crash finds: the last published root, and the operations since, replayed. */
  crash(options: Partial<FakeEngineOptions> = {}): FakeEngine {
    const reopened = new FakeEngine({ ...this.options, ...options })
    reopened.items = [...this.images.at(-1)!.items]
    reopened.counters = [...this.current().root.counters]
    for (const { changes, counters } of this.operations) {
      for (const { key, value } of changes) place(reopened.items, key, value)
      reopened.counters = [...counters]
    }
    reopened.clockMs = this.clockMs
    reopened.blocks = this.blocks.after(reopened.items)
    reopened.sequence = this.sequence
    reopened.opening = this.opening + 1
    reopened.images = [{ ...this.images.at(-1)!, items: [...this.images.at(-1)!.items] }]
    reopened.publish('recovery')
    reopened.images = reopened.images.slice(-1)
    return reopened
  }

  /** Nothing is left prepared, no view is open, and every block in use is named by one item. */
  assertSettled(): void {
    assert(this.viewCount === 0, `${this.viewCount} views were not released`)
    assert(this.pins.size === 0, `${this.pins.size} pins were not released`)
    this.blocks.assertSettled(this.items)
  }

  counter(index: number): number {
    return this.counters[index]!
  }

  // ---- Inside

  private openView0(): number {
    return this.current().root.cp + (this.dirty ? 1 : 0)
  }

  private chance(percent: number): boolean {
    return this.random.below(100) < percent
  }

  private async pause(): Promise<void> {
    const turns = this.random.below(4)
    for (let i = 0; i < turns; i++) await Promise.resolve()
  }

  private mustBeReadable(published: PublishedRoot): void {
    if (!this.readable().includes(published)) throw new StillpointError('cp-gone', `cp ${published.root.cp}`)
  }

  private newView(items: () => readonly Item[], cp: () => number): TreeView {
    const shown = new Set<number>()
    let released = false
    this.viewCount++
    const seen = (item: Item) => {
      for (const { address } of this.blocks.pointersOf(item.value)) shown.add(address)
    }
    let seenCp = cp()
    return {
      get cp() {
        return seenCp
      },
      read: async (look) => {
        assert(!released, 'a released view is not read')
        await this.pause()
        for (;;) {
          try {
            const result = look(readerOf(items(), this.isMissing, seen))
            seenCp = cp()
            this.misses = 0
            return result
          } catch (error) {
            if (!(error instanceof NotLoaded)) throw error
            await this.pause()
          }
        }
      },
      record: async (pointer) => {
        assert(!released, 'a released view gives no record')
        assert(shown.has(pointer.address), 'a view gives only records that it has shown')
        await this.pause()
        return this.blocks.read(pointer)
      },
      async recordPart(pointer, start, end) {
        return (await this.record(pointer)).subarray(start, end)
      },
      recordRun(pointers, target) {
        return recordRun(this, pointers, target)
      },
      readNow: (look) => {
        assert(!released, 'a released view is not read')
        const result = lookNow(() => look(readerOf(items(), this.isMissing, seen)))
        seenCp = cp()
        return result
      },
      recordNow: (pointer) => {
        assert(!released, 'a released view gives no record')
        assert(shown.has(pointer.address), 'a view gives only records that it has shown')
        return this.random.below(4) === 0 ? null : this.blocks.read(pointer)
      },
      recordPartNow(pointer, start, end) {
        return this.recordNow(pointer)?.subarray(start, end) ?? null
      },
      release: () => {
        if (released) return
        released = true
        this.viewCount--
      },
    }
  }

  /** A node that was loaded is there: sooner or later everything is. */
  private readonly isMissing = () => {
    if (this.misses >= missesMax || !this.chance(this.missPercent)) return false
    this.misses++
    return true
  }

  private async apply<T>(operation: (tx: Tx) => T, options: RunOptions, mode: Mode): Promise<Done<T>> {
    await this.pause()
    const nowMs = this.options.nowMs?.() ?? ++this.clockMs
    for (;;) {
      const done = this.attempt(operation, options.records ?? [], mode, nowMs)
      if (done) return done
      await this.pause()
    }
  }

  /** Null when a node was missing: nothing has happened. */
  private attempt<T>(
    operation: (tx: Tx) => T,
    offered: readonly PreparedRecord[],
    mode: Mode,
    nowMs: number,
  ): Done<T> | null {
    const before = new Map<string, { key: Uint8Array; value: Uint8Array | null }>()
    const counters = [...this.counters]
    const sequence = this.sequence
    const used = new Set<number>()
    const undo = () => {
      for (const { key, value } of [...before.values()].reverse()) place(this.items, key, value)
      this.counters = counters
      this.sequence = sequence
    }
    const change = (key: Uint8Array, value: Uint8Array | null) => {
      const name = toHex(key)
      if (!before.has(name)) before.set(name, { key: key.slice(), value: valueOf(this.items, key) })
      place(this.items, key.slice(), value?.slice() ?? null)
    }
    const tx: Tx = {
      ...readerOf(this.items, this.isMissing),
      cp: this.current().root.cp + 1,
      nowMs,
      put: (key, value) => {
        assert(key.length >= 1 && key.length <= keyBytesMax, 'a key is within its limit')
        if (key.length + value.length > itemBytesMax) throw new StillpointError('too-large', 'an item')
        this.blocks.pointersOf(value)
        change(key, value)
      },
      delete: (key) => change(key, null),
      use: (record) => {
        assert(offered.includes(record), 'only offered records are used')
        used.add(record.pointer.address)
        return record.pointer
      },
      counter: (index) => this.counters[index]!,
      setCounter: (index, value) => {
        assert(Number.isSafeInteger(value) && value >= 0, `counter ${index} cannot be ${value}`)
        if (mode === 'hidden') assert(index === 0, 'hidden steps change no counter but the next id')
        this.counters = this.counters.with(index, value)
      },
      nextVersion: () => {
        assert(mode === 'operation', 'hidden steps take no version')
        return { epoch: 0, opening: this.opening, sequence: ++this.sequence }
      },
    }
    try {
      const result = operation(tx)
      // Two values of one key that are equal are no change.
      const changes = [...before.values()]
        .map(({ key, value }) => ({ key, old: value, value: valueOf(this.items, key) }))
        .filter(({ old, value }) => !(old && value ? equalBytes(old, value) : old === value))
      const changed = changes.length > 0 || counters.some((value, i) => value !== this.counters[i])
      if (mode === 'hidden') for (const { key } of changes) mustBeHidden(this.items, key, before)
      if (changed && mode === 'operation' && this.sequence === sequence) this.sequence++
      this.blocks.settle(changes, used, offered)
      if (changed) this.dirty = true
      if (changed) this.changes++
      this.misses = 0
      this.largestOperation = Math.max(this.largestOperation, changes.length)
      return { result, changed, changes, sequence: this.sequence }
    } catch (error) {
      if (error instanceof AssertionError) throw error
      undo()
      if (error instanceof NotLoaded) return null
      this.blocks.forgetPrepared(offered)
      throw error
    }
  }

  private publish(cause: CpCause): void {
    const cp = (this.images.at(-1)?.published.root.cp ?? 3) + 1
    const { sums, counters, clockMs: committedAtMs, sequence, opening } = this
    const root = fakeRoot({ cp, sums, counters: [...counters], committedAtMs, sequence, opening })
    const published = { root, address: cp, bytes: new Uint8Array(0), hash: new Uint8Array(32).fill(cp) }
    this.images.push({ published, items: [...this.items] })
    this.operations = []
    this.dirty = false
    this.forget()
    const phases = { send: 0, build: 0, commit: 0 }
    for (const listener of this.listeners)
      listener({ published, cause, blocksWritten: 0, bytesWritten: 0, coalesced: 0, phases })
  }

  /** Drops images that nobody can read, and freed blocks when nobody reads at all. */
  private forget(): void {
    if (this.viewCount > 0) return
    const readable = this.readable()
    this.images = this.images.filter((image) => readable.includes(image.published))
    this.blocks.forgetFreed([this.items, ...this.images.map(({ items }) => items)])
  }
}
