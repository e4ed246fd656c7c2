/**
 * The coordinator: what a primary does, as a table of contents. Operations are gathered, then applied (operation.ts);
 * records come in (record-intake.ts); consistency points are taken (cp-cycle.ts) and written (consistency-point.ts);
 * space is watched (space.ts).
 *
 * - Applying is synchronous: between looking at the open tree for the last time and the end of the change nothing
 *   else runs, no device is read, and nothing can fail.
 * - Poisoned means: no acknowledgement any more, for whatever reason a write or a sync failed.
 */
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { StillpointError } from '../lib/errors.ts'
import { blockBytes } from '../format/geometry.ts'
import { Allocator } from './allocator.ts'
import { buildTrees, epochsAt, sendCommands, syncBlocks } from './consistency-point.ts'
import type { CpContext, Maps, SealedCp } from './consistency-point.ts'
import type * as contract from './contract.ts'
import { CpCycle } from './cp-cycle.ts'
import { lookWith } from './looking.ts'
import { OpenCp } from './open-cp.ts'
import { OpenView } from './open-view.ts'
import { OperationTx } from './operation.ts'
import type { Change } from './operation.ts'
import { RecordIntake } from './record-intake.ts'
import { Space } from './space.ts'
import { OpenTree } from './tree.ts'
import type { Volume } from './volume.ts'
import { WriteQueue } from './write-queue.ts'

export interface EngineOptions {
  /** Milliseconds from the first change to its CP, unless something asks for one earlier. */
  readonly cpIntervalMs?: number
  /** Of the open CP; the one being written may have as much again. */
  readonly queueBytesMax?: number
  /** Called once, after a failed write or sync: nothing is acknowledged any more and the process should end. */
  readonly onPoisoned?: (error: unknown) => void
  /** Called when space is short: the reaper hurries. Says whether it still has something to free. */
  readonly onSpaceShort?: () => boolean
}

export interface EngineParts {
  readonly volume: Volume
  readonly allocator: Allocator
  readonly maps: Maps
  readonly clock: Clock
  /** The first cp that this opening gives. */
  readonly firstCp: number
}

export class CpEngine implements contract.Engine {
  readonly volume: Volume
  private readonly clock: Clock
  private readonly allocator: Allocator
  private readonly queue: WriteQueue
  private readonly intake: RecordIntake
  private readonly space_: Space
  private readonly cycle: CpCycle
  private readonly tree: OpenTree
  private readonly observers = new Set<contract.CpObserver>()
  private maps: Maps
  private open: OpenCp
  private writing: SealedCp | null = null
  private sequence: number
  private counters: readonly number[]
  private poisonedBy: unknown = null

  constructor(
    parts: EngineParts,
    private readonly options: EngineOptions = {},
  ) {
    const { volume, allocator, clock } = parts
    const { root } = volume.current()
    this.volume = volume
    this.allocator = allocator
    this.clock = clock
    this.maps = parts.maps
    this.open = new OpenCp(parts.firstCp)
    this.sequence = root.sequence
    this.counters = root.counters
    this.queue = new WriteQueue(options.queueBytesMax ?? 64 * 2 ** 20, volume.readers)
    this.intake = new RecordIntake({
      device: volume.device,
      allocator,
      queue: this.queue,
      sums: root.records,
      openCp: () => this.open,
      forget: (address, blocks) => this.forget(address, blocks),
      leaving: (cp, commands) => this.leaving(cp, commands),
      failed: (error) => this.poison(error),
    })
    this.tree = new OpenTree(
      volume.nodes,
      root.fileTree,
      () => this.allocateNode(),
      (address, bornHere) => this.freeNode(address, bornHere),
    )
    this.space_ = new Space(allocator, volume.device, volume.geometry, clock, {
      reclaim: () => this.reclaim(),
      mayRelease: () => this.mayRelease(),
    })
    this.cycle = new CpCycle(clock, options.cpIntervalMs ?? 1000, {
      isDirty: () => this.open.isDirty,
      take: (cause) => this.takeCp(cause),
    })
  }

  // --- Reading ---

  current = () => this.volume.current()
  readable = () => this.volume.readable()
  view = (published: contract.PublishedRoot) => this.volume.view(published)
  pin = (published: contract.PublishedRoot) => this.volume.pin(published)
  onPublished = (listener: (event: contract.CpPublished) => void) => this.volume.onPublished(listener)

  openView(): contract.TreeView {
    return new OpenView({
      volume: this.volume,
      items: this.tree.reader,
      queue: this.queue,
      sums: this.current().root.records,
      carrier: () => this.carrier(),
    })
  }

  // --- Changing ---

  async prepare(
    raw: Uint8Array,
    floor: contract.SpaceFloor = 'write',
    leavesEarly?: boolean,
  ): Promise<contract.PreparedRecord[]> {
    const blocks = Math.ceil(raw.length / blockBytes)
    for (;;) {
      this.assertAlive()
      if (!this.queue.hasRoom(raw.length)) {
        this.ask('high-water')
        await this.queue.change()
      } else if (this.space_.available(floor) < blocks) await this.space_.ensure(blocks, floor)
      else return this.intake.prepare(raw, leavesEarly)
    }
  }

  discard(records: readonly contract.PreparedRecord[]): void {
    for (const record of records) this.intake.discard(record)
  }

  run<T>(operation: (tx: contract.Tx) => T, options: contract.RunOptions = {}): Promise<contract.Applied<T>> {
    return this.gather(operation, options, false)
  }

  async runHidden<T>(operation: (tx: contract.Tx) => T, options: contract.RunOptions = {}): Promise<T> {
    return (await this.gather(operation, options, true)).result
  }

  openStream(): contract.RecordStream {
    return { add: async (change, records) => void (await this.gather(change, { records }, true)) }
  }

  async reach(
    applied: contract.Applied<unknown>,
    level: contract.DurabilityLevel,
  ): Promise<contract.DurabilityLevel> {
    if (level === 'buffered') return level
    while (this.current().root.cp < applied.cp) {
      this.assertAlive()
      await this.cycle.request('requested')
    }
    return 'committed'
  }

  // --- Consistency points ---

  async requestCp(cause: contract.CpCause): Promise<contract.PublishedRoot> {
    this.assertAlive()
    await this.cycle.request(cause)
    return this.current()
  }

  observe(observer: contract.CpObserver): () => void {
    this.observers.add(observer)
    return () => this.observers.delete(observer)
  }

  /** A last CP when something is dirty; nothing may be running any more. */
  async close(): Promise<void> {
    this.cycle.stop()
    if (!this.poisonedBy) await this.cycle.request('shutdown')
  }

  /** After a failed write or sync nothing is known about what the device has: see DESIGN §4. */
  poison(error: unknown): void {
    if (this.poisonedBy) return
    this.poisonedBy = error
    this.cycle.stop()
    this.queue.wake()
    this.options.onPoisoned?.(error)
  }

  get isPoisoned(): boolean {
    return this.poisonedBy !== null
  }

  space() {
    const { writable, usable } = this.allocator
    const used = this.maps.used.count() + (this.writing?.blocks.growth ?? 0) + this.open.growth
    return {
      writable,
      used,
      pending: Math.max(0, usable - used - writable),
      max: this.volume.geometry.blocksMax,
    }
  }

  // --- Gather, then apply ---

  private async gather<T>(
    operation: (tx: contract.Tx) => T,
    options: contract.RunOptions,
    isHidden: boolean,
  ): Promise<contract.Applied<T>> {
    const unused = new Set(options.records)
    const given = new Set(options.records)
    try {
      for (;;) {
        await this.throttle()
        const attempt = await lookWith(this.volume.loader, () =>
          this.attempt(operation, options, given, isHidden),
        )
        if (attempt.applied) {
          for (const record of attempt.used) unused.delete(record)
          return attempt.applied
        }
        await this.space_.ensure(attempt.neededBlocks, options.floor ?? 'write')
      }
    } finally {
      this.discard([...unused])
    }
  }

  /** One synchronous run of the operation, and its application when space allows it. */
  private attempt<T>(
    operation: (tx: contract.Tx) => T,
    options: contract.RunOptions,
    given: ReadonlySet<contract.PreparedRecord>,
    isHidden: boolean,
  ):
    | { applied: contract.Applied<T>; used: readonly contract.PreparedRecord[] }
    | { applied: null; neededBlocks: number } {
    this.assertAlive()
    const { epoch, opening } = this.volume.superblock
    const facts = {
      cp: this.open.cp,
      nowMs: this.clock.now(),
      epoch: epoch.number,
      opening,
      sequence: this.sequence,
      counters: this.counters,
      sums: this.current().root.records.kind,
      isHidden,
    }
    const tx = new OperationTx(this.tree.reader, facts, given)
    const result = operation(tx)
    const change = tx.finish()
    if (!change.isChange) return { applied: { result, cp: this.carrier(), sequence: 0 }, used: [] }
    const keys = change.items.map((item) => item.key)
    this.tree.ready(keys)
    const neededBlocks = this.tree.nodesWorstCase(keys.length)
    if (this.space_.available(options.floor ?? 'write') < neededBlocks) return { applied: null, neededBlocks }
    try {
      this.apply(change)
    } catch (error) {
      // Half an operation is in memory: a bug, and nothing of this process may be believed any more.
      this.poison(error)
      throw error
    }
    return { applied: { result, cp: this.open.cp, sequence: change.sequence }, used: change.used }
  }

  private apply(change: Change): void {
    for (const pointer of change.freed) this.intake.free(pointer)
    for (const record of change.used) this.intake.use(record)
    for (const { key, value } of change.items)
      if (value) this.tree.put(key, value)
      else this.tree.delete(key)
    this.counters = change.counters
    this.sequence = change.sequence
    this.open.isDirty = true
    this.volume.nodes.trim()
    this.cycle.markDirty()
    if (this.queue.bytes > this.queue.bytesMax / 2 || this.tree.dirtyNodes > this.dirtyNodesMax / 2)
      if (!this.cycle.isWriting) this.ask('high-water')
  }

  /** The open tree may hold a quarter of the cache; beyond that operations wait for its CP. */
  private async throttle(): Promise<void> {
    while (this.tree.dirtyNodes > this.dirtyNodesMax) {
      this.assertAlive()
      await this.cycle.request('high-water')
    }
  }

  private get dirtyNodesMax(): number {
    return this.volume.nodes.framesMax / 4
  }

  // --- Taking a CP ---

  private async takeCp(cause: contract.CpCause): Promise<void> {
    this.assertAlive()
    try {
      const sealed = this.seal(cause)
      await this.write(sealed)
    } catch (error) {
      this.poison(error)
      throw this.poisonedError()
    }
  }

  private seal(cause: contract.CpCause): SealedCp {
    assert(!this.writing, 'a CP is sealed only when none is being written')
    const { commands, coalesced } = this.queue.seal()
    const previous = this.current()
    const sealed: SealedCp = {
      cp: this.open.cp,
      cause,
      commands,
      coalesced,
      tree: this.tree.seal(),
      blocks: this.open,
      writesBefore: this.intake.inFlight(),
      facts: {
        ...previous.root,
        epochs: epochsAt(this.open.cp, previous, this.volume.superblock.epoch),
        blockCount: this.allocator.extent,
        counters: this.counters,
        sequence: this.sequence,
        opening: this.volume.superblock.opening,
        previousHash: previous.hash,
        snapshotName: null,
      },
    }
    this.writing = sealed
    this.open = new OpenCp(sealed.cp + 1)
    for (const observer of this.observers) observer.sealed(sealed.cp)
    return sealed
  }

  private async write(sealed: SealedCp): Promise<void> {
    const context: CpContext = {
      device: this.volume.device,
      clock: this.clock,
      maps: this.maps,
      previous: this.current(),
      allocateMapBlock: () => this.allocateMapBlock(),
      leaving: (cp, commands) => this.leaving(cp, commands),
    }
    const times = [this.clock.monotonic()]
    await sendCommands(sealed, context)
    times.push(this.clock.monotonic())
    const built = await buildTrees(sealed, context)
    times.push(this.clock.monotonic())
    await syncBlocks(sealed, context)
    const records = sealed.commands.reduce((sum, { bytes }) => sum + bytes.length / blockBytes, 0)
    const event: contract.CpPublished = {
      published: built.published,
      cause: sealed.cause,
      blocksWritten: records + built.blocksWritten,
      bytesWritten: (records + built.blocksWritten) * blockBytes,
      coalesced: sealed.coalesced,
      phases: {
        send: times[1]! - times[0]!,
        build: times[2]! - times[1]!,
        commit: this.clock.monotonic() - times[2]!,
      },
    }
    await this.volume.publish(event, built.maps.used)
    this.maps = built.maps
    sealed.tree.written()
    this.queue.written()
    this.writing = null
    for (const run of sealed.blocks.spent)
      this.volume.readers.afterCurrent(() => this.allocator.giveBack(run))
    for (const observer of this.observers) observer.published(event)
  }

  // --- Blocks ---

  private allocateNode(): number {
    const address = this.allocator.take('node', 1)
    assert(address !== null, 'nodes are reserved before an operation is applied')
    this.open.born({ address, blocks: 1 })
    return address
  }

  private freeNode(address: number, bornHere: boolean): void {
    const run = { address, blocks: 1 }
    if (bornHere) {
      assert(this.open.unbear(run), `node ${address} was born in the open CP`)
      this.allocator.giveBack(run)
    } else this.open.free(run)
  }

  private allocateMapBlock(): number {
    const address = this.allocator.take('map', 1)
    assert(address !== null, 'the last floor of space covers a CP that dirties every map page')
    this.forget(address, 1)
    return address
  }

  private forget(address: number, blocks: number): void {
    for (let i = 0; i < blocks; i++) this.volume.nodes.forget(address + i)
  }

  private leaving(cp: number, commands: readonly contract.WriteCommand[]): void {
    for (const observer of this.observers) observer.leaving(cp, commands)
  }

  // --- Space ---

  private async reclaim(): Promise<void> {
    this.assertAlive()
    this.options.onSpaceShort?.()
    if (this.open.isDirty || this.cycle.isWriting) await this.cycle.request('space')
    else await this.writeSuperblock()
  }

  private mayRelease(): boolean {
    const isHeld = this.volume.superblock.members.length > 0
    return this.volume.readers.count > 0 || isHeld || (this.options.onSpaceShort?.() ?? false)
  }

  /** The same root again: holds and members ride in it, and what only the older slot named is released. */
  async writeSuperblock(change: Parameters<Volume['writeSuperblock']>[0] = {}): Promise<void> {
    this.assertAlive()
    try {
      await this.volume.writeSuperblock(change)
    } catch (error) {
      this.poison(error)
      throw this.poisonedError()
    }
  }

  // --- Small things ---

  /** The CP that carries, or will carry, everything that the open tree shows now. */
  private carrier(): number {
    if (this.open.isDirty) return this.open.cp
    return this.writing?.cp ?? this.current().root.cp
  }

  private ask(cause: contract.CpCause): void {
    // Whoever waits for the CP hears of a failure; this caller only wants it to begin.
    this.cycle.request(cause).catch(() => {})
  }

  private assertAlive(): void {
    if (this.poisonedBy) throw this.poisonedError()
  }

  private poisonedError(): StillpointError {
    return new StillpointError('poisoned', `a write to the device failed: ${String(this.poisonedBy)}`)
  }
}
