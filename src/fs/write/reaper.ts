/**
 * The reaper takes orphans, which operations have only unlinked: directories, objects, uploads that were never named,
 * and tails of truncated objects. One step changes at most `stepItemsMax` items, may use the last floor of space, and
 * lets other work run before the next step.
 *
 * - Steps on objects and uploads are hidden: they are not operations, are not replayed, and change no count. The size
 *   of a file leaves the counts together with its entry.
 * - An object is taken only when a published root has the object as an orphan. Before that, a replay would name the
 *   object's records again, at addresses that other blocks may have by then.
 * - Steps on a directory take entries, which are counted. Steps on a tail take records of an object that may be
 *   written again later. Steps of these two sorts are operations, so that a replay runs the steps at their place in
 *   the order.
 * - An orphan goes only after everything in it, in a step of the same sort as the steps that emptied the orphan.
 * - An upload of this process is taken only after it was abandoned; an upload from before the open is always taken.
 * - A step reserves space for the worst that the step may do to the tree. When a full volume has not even that space,
 *   steps become smaller, down to one item. So a volume that can still be changed at all can be emptied.
 * - The view of a reader keeps the blocks that the reader can still reach, so the reaper does not wait for readers.
 */
import type { Engine, Item, ItemReader, Tx } from '../../cp-engine/contract.ts'
import { decodeEntryItem, decodeObjectItem, decodeOrphanItem } from '../../format/items/items.ts'
import type { OrphanItem } from '../../format/items/items.ts'
import {
  decodeKey,
  entryRange,
  kindRange,
  objectKey,
  orphanKey,
  recordKey,
  recordRange,
} from '../../format/items/item-keys.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import { assert, unreachable } from '../../lib/assert.ts'
import type { Clock } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import { logger } from '../../lib/log.ts'
import { counters, nextIdOf } from '../tree/counters.ts'
import { Edit } from '../tree/edit.ts'

export const stepItemsMax = 200
/** Each entry may bring an object of its own, and its orphan. */
const itemsPerEntry = 3
/** Divisor for the size of a step after a refusal for want of space. */
const shrinkBy = 8
/** Pause between two steps, while no operation waits for space. */
const pauseMs = 1
const retryMs = 1000
const pageItemsMax = 64
const floor = 'reclaim'

interface Step {
  /** True when the orphan is gone; `taken` when this step has taken it. */
  readonly done: boolean
  readonly taken: boolean
  /** Bytes that the orphan counted in `pending`. */
  readonly bytes: number
  readonly orphans: number
  readonly orphanBytes: number
}

const log = logger('reaper')

export class Reaper {
  private readonly firstFreshId: number
  private readonly abandoned = new Set<number>()
  /** Orphans that could not be emptied, because of damage. The reaper leaves these alone until the next open. */
  private readonly damaged = new Set<number>()
  private orphans = 0
  private orphanBytes = 0
  private isHurried = false
  /** Limit for the items of the next step; grows again when a consistency point gives space back. */
  private stepItems = stepItemsMax
  private isStopped = false
  private stopListening = () => {}
  private running: Promise<void> | null = null
  private wake: (() => void) | null = null
  private wasWoken = false

  constructor(
    private readonly engine: Engine,
    private readonly clock: Clock,
    private readonly sums: ChecksumKind,
  ) {
    this.firstFreshId = nextIdOf(engine.current().root.counters[counters.nextId] ?? 0)
  }

  /** To be called once; from then on the reaper works whenever there is an orphan to take. */
  start(): void {
    assert(!this.running && !this.isStopped, 'a reaper is started once')
    this.stopListening = this.engine.onPublished(() => {
      this.stepItems = Math.min(stepItemsMax, 2 * this.stepItems)
      if (this.orphans > 0) this.wakeUp()
    })
    this.running = this.work()
  }

  /** Resolves when the running step has ended. */
  async stop(): Promise<void> {
    this.isStopped = true
    this.stopListening()
    this.wakeUp()
    await this.running
  }

  /** Known orphans that are not taken yet, and the bytes of their files as far as known. */
  pending(): { readonly orphans: number; readonly bytes: number } {
    return { orphans: this.orphans, bytes: this.orphanBytes }
  }

  /** Works without pauses until all orphans are taken, because space is short. Returns whether there are any. */
  hurry(): boolean {
    this.isHurried = this.orphans > this.damaged.size
    this.wakeUp()
    return this.isHurried
  }

  /** Tells the reaper of new orphans that an operation has left. */
  heard(orphans: number, bytes: number): void {
    this.orphans += orphans
    this.orphanBytes += bytes
    this.wakeUp()
  }

  /** Tells the reaper to take an upload; the caller adds nothing to that upload any more. */
  abandon(id: number): void {
    this.abandoned.add(id)
    this.heard(1, 0)
  }

  /** Takes the tail of one object now, because the tail is in the way of an operation that extends the file. */
  async finish(object: number): Promise<void> {
    for (;;) {
      const step = await this.step({ kind: 'tail', id: object, offset: 0 })
      if (step.done) return
      await this.clock.yield()
    }
  }

  private async work(): Promise<void> {
    await this.patiently(() => this.countWhatIsThere())
    while (!this.isStopped) {
      const round = await this.round()
      if (round.hasWorked) continue
      this.isHurried = false
      if (!this.wasWoken) {
        // The counters are set to what the round has found, whatever was counted before.
        this.orphans = this.damaged.size + round.waiting
        if (round.waiting === 0) this.orphanBytes = 0
      }
      await this.sleep()
    }
  }

  /** Passes over all orphans once. The next round meets orphans that this round adds. */
  private async round(): Promise<{ hasWorked: boolean; waiting: number }> {
    const round = { hasWorked: false, waiting: 0 }
    let after: Uint8Array | null = null
    while (!this.isStopped) {
      const page: OrphanItem[] | null = await this.patiently(() => this.page(after))
      if (!page || page.length === 0) break
      after = orphanKey(page.at(-1)!.id)
      for (const orphan of page) {
        if (this.isStopped) break
        if (!this.isFood(orphan)) continue
        if (orphan.kind === 'object' && !(await this.isPublished(orphan.id))) {
          round.waiting++
          continue
        }
        round.hasWorked = true
        await this.empty(orphan)
      }
    }
    return round
  }

  private async empty(orphan: OrphanItem): Promise<void> {
    while (!this.isStopped) {
      const step = await this.patiently(() => this.step(orphan), orphan.id)
      if (!step || step.done) return
      await (this.isHurried ? this.clock.yield() : this.clock.sleep(pauseMs))
    }
  }

  private isFood({ kind, id }: OrphanItem): boolean {
    if (this.damaged.has(id)) return false
    return kind !== 'upload' || id < this.firstFreshId || this.abandoned.has(id)
  }

  private async isPublished(id: number): Promise<boolean> {
    const published = await this.patiently(() => {
      const view = this.engine.view(this.engine.current())
      return view.read((items) => items.get(orphanKey(id))).finally(() => view.release())
    }, id)
    return published ? decodeOrphanItem(published).kind === 'object' : false
  }

  private page(after: Uint8Array | null): Promise<OrphanItem[]> {
    const { from, end } = kindRange('orphan')
    return this.look((items) => {
      const page = items
        .scan(after ?? from, end, pageItemsMax + 1)
        .map(({ value }) => decodeOrphanItem(value))
      return after && page.length > 0 && page[0]!.id === idOf(after) ? page.slice(1) : page
    })
  }

  private async countWhatIsThere(): Promise<void> {
    let after: Uint8Array | null = null
    for (;;) {
      const page: OrphanItem[] = await this.page(after)
      for (const { kind, id } of page) {
        // Fresh uploads are not counted here: `abandon` reports them.
        if (id >= this.firstFreshId && kind === 'upload') continue
        const bytes = kind === 'object' ? await this.look((items) => sizeOf(items, id)) : 0
        this.orphans++
        this.orphanBytes += bytes
      }
      if (page.length === 0) return
      after = orphanKey(page.at(-1)!.id)
      await this.clock.yield()
    }
  }

  private async look<T>(look: (items: ItemReader) => T): Promise<T> {
    const view = this.engine.openView()
    try {
      return await view.read(look)
    } finally {
      view.release()
    }
  }

  private async step(orphan: OrphanItem): Promise<Step> {
    const itemsMax = this.stepItems
    const step = await this.runStep(orphan, itemsMax)
    this.orphans += step.orphans
    this.orphanBytes += step.orphanBytes
    if (step.taken) {
      this.abandoned.delete(orphan.id)
      this.orphans = Math.max(0, this.orphans - 1)
      this.orphanBytes = Math.max(0, this.orphanBytes - step.bytes)
    }
    return step
  }

  private async runStep({ kind, id }: OrphanItem, itemsMax: number): Promise<Step> {
    const entriesMax = Math.max(1, Math.floor(itemsMax / itemsPerEntry))
    switch (kind) {
      case 'object':
      case 'upload':
        return this.engine.runHidden((tx) => emptyObject(tx, id, itemsMax), { floor })
      case 'directory':
        return this.runOperation(kind, id, (tx) =>
          emptyDirectory(new Edit(tx, this.sums, null), id, entriesMax),
        )
      case 'tail':
        return this.runOperation(kind, id, (tx, orphan) => emptyTail(tx, orphan, itemsMax))
      default:
        // A kind of orphan that nothing empties does not compile.
        return unreachable(kind)
    }
  }

  private async runOperation(
    kind: OrphanItem['kind'],
    id: number,
    empty: (tx: Tx, orphan: OrphanItem) => Step,
  ): Promise<Step> {
    const step = (tx: Tx): Step => {
      const value = tx.get(orphanKey(id))
      const orphan = value && decodeOrphanItem(value)
      // Meanwhile a tail may have become part of an unlinked object.
      return orphan?.kind === kind ? empty(tx, orphan) : { ...nothing, done: true }
    }
    return (await this.engine.run(step, { floor })).result
  }

  private async sleep(): Promise<void> {
    if (!this.wasWoken && !this.isStopped) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.wake = resolve
      await promise
      this.wake = null
    }
    this.wasWoken = false
  }

  private wakeUp(): void {
    this.wasWoken = true
    this.wake?.()
  }

  /** Repeats work after an error that may pass; returns null after an error that will not. */
  private async patiently<T>(work: () => Promise<T>, id = 0): Promise<T | null> {
    while (!this.isStopped) {
      try {
        return await work()
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        const code = error instanceof StillpointError ? error.code : null
        if (code === 'poisoned' || code === 'fenced') this.isStopped = true
        else if (code === 'corrupt' || code === 'newer-format' || code === null) {
          // The orphan is damaged, or of a later program, or the disk cannot read it, or there is a bug. All other
          // orphans can be reclaimed nevertheless.
          log.error('what was deleted cannot be reclaimed: {message}', { message, id })
          if (id !== 0) this.damaged.add(id)
          return null
        } else if (code === 'disk-full' && this.stepItems > 1) {
          this.stepItems = Math.ceil(this.stepItems / shrinkBy)
        } else {
          log.warn('reclaiming waits: {message}', { message, id })
          await this.clock.sleep(retryMs)
        }
      }
    }
    return null
  }
}

const nothing: Step = { done: false, taken: false, bytes: 0, orphans: 0, orphanBytes: 0 }

const idOf = (key: Uint8Array): number => {
  const decoded = decodeKey(key)
  return decoded.kind === 'orphan' ? decoded.orphan : 0
}

function sizeOf(items: ItemReader, object: number): number {
  const value = items.get(objectKey(object))
  return value ? decodeObjectItem(value).size : 0
}

function deleteAll(tx: Tx, items: readonly Item[]): void {
  for (const { key } of items) tx.delete(key)
}

function emptyObject(tx: Tx, id: number, itemsMax: number): Step {
  if (!tx.get(orphanKey(id))) return { ...nothing, done: true }
  const { from, end } = recordRange(id)
  const records = tx.scan(from, end, itemsMax)
  deleteAll(tx, records)
  if (records.length === itemsMax) return nothing
  const bytes = sizeOf(tx, id)
  tx.delete(objectKey(id))
  tx.delete(orphanKey(id))
  return { ...nothing, done: true, taken: true, bytes }
}

function emptyTail(tx: Tx, { id, offset }: OrphanItem, itemsMax: number): Step {
  const records = tx.scan(recordKey(id, offset), recordRange(id).end, itemsMax)
  deleteAll(tx, records)
  if (records.length === itemsMax) return nothing
  tx.delete(orphanKey(id))
  return { ...nothing, done: true, taken: true }
}

function emptyDirectory(edit: Edit, id: number, entriesMax: number): Step {
  const { from, end } = entryRange(id)
  const entries = edit.tx.scan(from, end, entriesMax)
  for (const { key, value } of entries) {
    const decoded = decodeKey(key)
    assert(decoded.kind === 'entry', 'a range of entries holds entries')
    const item = decodeEntryItem(value, edit.sums)
    edit.deleteEntry(id, decoded.name, item)
    edit.unlinkUnseen(item)
  }
  const { orphans, orphanBytes } = edit
  if (entries.length === entriesMax) return { ...nothing, orphans, orphanBytes }
  edit.delete(orphanKey(id))
  return { done: true, taken: true, bytes: 0, orphans, orphanBytes }
}
