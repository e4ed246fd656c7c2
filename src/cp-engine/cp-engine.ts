/**
 * The coordinator: the duties of a primary, as a table of contents. Operations are gathered and applied
 * (operations.ts) to the open state (open-state.ts). The intent log makes operations durable before their CP
 * (intent-log.ts). Consistency points are asked for (cp-cycle.ts) and taken (cp-writer.ts). Space is watched
 * (space.ts).
 *
 * - A poisoned engine gives no acknowledgement any more, at any level, for whatever reason a write or a sync failed.
 * - A fenced engine only reads, see fence.ts.
 */
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { StillpointError } from '../lib/errors.ts'
import type { Geometry } from '../format/geometry.ts'
import type { LogStart } from '../format/disk/superblock.ts'
import type { Allocator } from './space/allocator.ts'
import type { Maps } from './cp/consistency-point.ts'
import type * as contract from './contract.ts'
import { CpCycle } from './cp/cp-cycle.ts'
import { CpWriter, type Opening } from './cp/cp-writer.ts'
import { DataSync } from './volume/data-sync.ts'
import { Fence } from './volume/fence.ts'
import { IntentLog } from './log/intent-log.ts'
import { OpenState } from './open/open-state.ts'
import { OpenNewest, OpenView, type OpenViewParts } from './open/open-view.ts'
import { Operations } from './open/operations.ts'
import { OwnHistory } from './volume/own-history.ts'
import { Relief } from './cp/relief.ts'
import { asTheyCame, packed, packedNow, rawBlocksOf } from './records/payloads.ts'
import { type ReplayPlan, replay } from './open/replay.ts'
import type { RecoveryReport } from './open/log-plan.ts'
import { Space } from './space/space.ts'
import type { EngineOptions } from './engine-options.ts'
import type { Volume } from './volume/volume.ts'
import { RecordReader } from './records/record-reader.ts'
import { WriteQueue } from './records/write-queue.ts'

/**
 * Milliseconds: long against the pause between two groups of a busy client, short against the time until a disk rots.
 */
const logSealIdleMsDefault = 20
/** Milliseconds that a full queue which no CP can empty stays full before one more record is let in. */
const stallMs = 20

interface EngineParts {
  readonly volume: Volume
  readonly allocator: Allocator
  readonly maps: Maps
  readonly clock: Clock
  /** Geometry with the largest size that the next root says. */
  readonly geometry: Geometry
  /** The first cp that this opening gives. */
  readonly firstCp: number
  /** Start of this opening's log: empty, with its own nonce. */
  readonly logStart: LogStart
  readonly recovery: RecoveryReport
}

export class CpEngine implements contract.Engine {
  readonly volume: Volume
  readonly recovery: RecoveryReport
  readonly newest: contract.NewestView
  private readonly clock: Clock
  private readonly allocator: Allocator
  private readonly queue: WriteQueue
  private readonly state: OpenState
  private readonly log: IntentLog
  private readonly dataSync: DataSync
  private readonly relief: Relief
  private readonly spaceWatch: Space
  private readonly cycle: CpCycle
  private readonly operations: Operations
  private readonly viewParts: OpenViewParts
  private readonly writer: CpWriter
  private readonly history: OwnHistory
  private readonly fencing: Fence
  private poisonedBy: { readonly error: unknown } | null = null

  constructor(
    parts: EngineParts,
    private readonly options: EngineOptions,
  ) {
    const { volume, allocator, clock, geometry } = parts
    this.clock = clock
    const { device } = volume
    const { root } = volume.current()
    const failed = (error: unknown) => this.poison(error)
    this.volume = volume
    this.allocator = allocator
    this.recovery = parts.recovery
    this.fencing = new Fence(volume.superblock, (change) => this.writeSuperblock(change))
    this.history = new OwnHistory(root.cp, parts.firstCp)
    volume.onPublished(({ published }) => this.history.published(published))
    this.queue = new WriteQueue(options.queueBytesMax, volume.readers)
    this.dataSync = new DataSync(device)
    this.state = new OpenState({
      volume,
      device,
      allocator,
      queue: this.queue,
      sums: root.sums,
      firstCp: parts.firstCp,
      leaving: (cp, commands) => this.writer.leaving(cp, commands),
      failed,
    })
    this.log = new IntentLog(
      {
        device,
        geometry,
        volumeUuid: root.volumeUuid,
        sums: root.sums.kind,
        clock,
        sealIdleMs: options.logSealIdleMs === undefined ? logSealIdleMsDefault : options.logSealIdleMs,
        isFenced: () => this.fencing.isUp,
        synced: options.onLogSynced,
        failed,
      },
      parts.logStart,
      root.sequence,
    )
    const { state, queue, log, dataSync } = this
    const assertAlive = () => this.assertAlive()
    const { maps } = parts
    this.writer = new CpWriter({ volume, clock, allocator, state, queue, log, dataSync, maps, assertAlive })
    this.relief = new Relief({
      volume,
      clock,
      carrier: () => this.carrier(),
      pending: () => this.space().pending,
      hasSpent: () => this.state.blocks.spent.length > 0,
      turn: (always) => this.turn(always),
      failed,
    })
    this.spaceWatch = new Space(allocator, device, geometry, clock, this.relief)
    this.cycle = new CpCycle(clock, options.cpIntervalMs, {
      isDirty: () => this.state.isDirty,
      take: (cause) => this.takeCp(cause),
    })
    const carrier = () => this.carrier()
    const records = new RecordReader(volume, root.sums, (pointer) => queue.find(pointer))
    this.viewParts = { volume, tree: state.tree, records, carrier }
    this.newest = new OpenNewest(this.viewParts)
    this.operations = new Operations({
      volume,
      clock,
      state: this.state,
      space: this.spaceWatch,
      log: this.log,
      dataSync: this.dataSync,
      assertWritable: () => this.assertWritable(),
      isThrottled: this.isThrottled,
      untilSmaller: () => this.untilSmaller(),
      makeLogRoom: () => this.makeLogRoom(),
      carrier: () => this.carrier(),
      applied: () => this.applied(),
      poison: failed,
    })
  }

  // --- Reading ---

  current = () => this.volume.current()
  readable = () => this.volume.readable()
  view = (published: contract.PublishedRoot) => this.volume.view(published)
  pin = (published: contract.PublishedRoot) => this.volume.pin(published, this.clock.monotonic())
  onPublished = (listener: (event: contract.CpPublished) => void) => this.volume.onPublished(listener)
  /** The last operation that was applied. */
  sequence = () => this.state.sequence

  openView(): contract.TreeView {
    return new OpenView(this.viewParts)
  }

  // --- Changing ---

  async prepare(
    raw: Uint8Array,
    floor: contract.SpaceFloor = 'write',
    options?: contract.PrepareOptions,
  ): Promise<contract.PreparedRecord[]> {
    if (!options?.leavesEarly) return this.prepareInTurn(raw, floor, options)
    const { leavingRoom } = this.queue
    this.assertWritable()
    await leavingRoom.enter(raw.length)
    try {
      return await this.prepareInTurn(raw, floor, options)
    } finally {
      leavingRoom.letGo(raw.length)
    }
  }

  private async prepareInTurn(
    raw: Uint8Array,
    floor: contract.SpaceFloor,
    options?: contract.PrepareOptions,
  ): Promise<contract.PreparedRecord[]> {
    const came = asTheyCame(raw, options?.recordBytes ?? raw.length)
    const blocks = rawBlocksOf(came)
    const { packing } = this.options
    const payloads = packing ? await packed(packing, came) : came
    for (let isStalled = false; ;) {
      this.assertWritable()
      if (blocks === 0) return this.state.intake.prepare(raw, options, came)
      if (!this.queue.hasRoom(raw.length) && !isStalled) isStalled = await this.waitForRoom()
      else if (this.spaceWatch.available(floor) < blocks) await this.spaceWatch.ensure(blocks, floor)
      else {
        this.spaceWatch.growAhead()
        return this.state.intake.prepare(raw, options, payloads)
      }
    }
  }

  /** True when nothing makes room: all callers that filled the queue may be waiting here to prepare the rest. */
  private async waitForRoom(): Promise<boolean> {
    this.ask('high-water')
    await Promise.race([this.queue.change(), this.clock.sleep(stallMs)])
    return this.queue.isOnlyPrepared && !this.state.isDirty && !this.cycle.isWriting
  }

  prepareNow(raw: Uint8Array): contract.PreparedRecord[] | null {
    this.assertWritable()
    const came = asTheyCame(raw, raw.length)
    const hasSpace = this.spaceWatch.available('write') >= rawBlocksOf(came)
    if (!hasSpace || !this.queue.hasRoom(raw.length)) return null
    this.spaceWatch.growAhead()
    const { packing } = this.options
    return this.state.intake.prepare(raw, {}, packing ? packedNow(packing, came) : came)
  }

  discard(records: readonly contract.PreparedRecord[]): void {
    for (const record of records) this.state.intake.discard(record)
  }

  run<T>(operation: (tx: contract.Tx) => T, options?: contract.RunOptions): Promise<contract.Applied<T>> {
    return this.operations.run(operation, options)
  }

  runNow<T>(operation: (tx: contract.Tx) => T, records: readonly contract.PreparedRecord[]) {
    return this.operations.runNow(operation, records)
  }

  runHidden<T>(operation: (tx: contract.Tx) => T, options?: contract.RunOptions): Promise<T> {
    return this.operations.runHidden(operation, options)
  }

  openStream(): contract.RecordStream {
    return this.operations.openStream()
  }

  async reach(
    applied: contract.Applied<unknown>,
    level: contract.DurabilityLevel,
  ): Promise<contract.DurabilityLevel> {
    this.assertWritable()
    if (level === 'buffered') return level
    if (level === 'logged') {
      await this.log.reach(applied.sequence)
      // A poisoned engine answers no caller, even when the sync that the caller waited for had still succeeded.
      this.assertWritable()
      return this.current().root.cp >= applied.cp ? 'committed' : level
    }
    while (this.current().root.cp < applied.cp) await this.requestCp('requested')
    this.assertWritable()
    return level
  }

  // --- Consistency points ---

  async requestCp(cause: contract.CpCause): Promise<contract.PublishedRoot> {
    this.assertAlive()
    await this.cycle.request(cause)
    return this.current()
  }

  observe = (observer: contract.CpObserver) => this.writer.observe(observer)

  /** Takes a last CP when something is dirty; no operation may be running any more. */
  async close(): Promise<void> {
    this.cycle.stop()
    await this.log.close()
    if (!this.poisonedBy) await this.cycle.request('shutdown')
  }

  /** Ends all acknowledgement. After a failed write or sync the device's bytes are unknown (docs/crash-safety.md). */
  poison(error: unknown): void {
    if (this.poisonedBy) return
    this.poisonedBy = { error }
    this.cycle.stop()
    this.queue.wake()
    this.queue.leavingRoom.admitAll()
    this.log.stop()
    this.options.onPoisoned?.(error)
  }

  get isPoisoned(): boolean {
    return this.poisonedBy !== null
  }

  /**
   * Called when a higher epoch, or a later CP of this volume, has been met: no change and no acknowledgement from now
   * on. Resolves when every later open will know. Earlier changes may still be published, so that they can be read.
   */
  fence(reason: contract.FenceReason = 'another primary'): Promise<void> {
    return this.fencing.raise(reason)
  }

  get isFenced(): boolean {
    return this.fencing.isUp
  }

  get fencedWhy(): string | null {
    return this.fencing.why
  }

  /** See PrimaryVolume. */
  hasLost(position: { readonly cp: number; readonly hash: Uint8Array }): boolean {
    return this.history.hasLost(position)
  }

  space() {
    const { writable, usable } = this.allocator
    const used = this.writer.usedBlocks() + this.state.blocks.growth
    return {
      writable,
      used,
      pending: Math.max(0, usable - used - writable),
      max: this.volume.geometry.blocksMax,
    }
  }

  /** Adds a listener for short space: the reaper hurries, and answers whether there is still something to free. */
  onSpaceShort(listener: () => boolean): void {
    this.relief.onSpaceShort(listener)
  }

  /** Adds a listener for short space: see PrimaryVolume. */
  onHoldsInTheWay(listener: contract.HoldListener): () => void {
    return this.relief.onHoldsInTheWay(listener)
  }

  /** Publishes the operations of the log, and how far the volume may grow: before any promise (see replay.ts). */
  async recover(plan: ReplayPlan, opening: Opening): Promise<void> {
    const { allocator, queue, spaceWatch: space, state, volume } = this
    await replay(plan, { allocator, queue, space, state, volume })
    this.state.blocks.isDirty = true
    this.writer.beginWith(opening)
    await this.cycle.request('recovery')
  }

  // --- Taking a CP ---

  private async takeCp(cause: contract.CpCause): Promise<void> {
    this.assertAlive()
    try {
      await this.writer.take(cause)
    } catch (error) {
      this.poison(error)
      throw this.poisonedError()
    }
  }

  // --- When a CP is due ---

  private applied(): void {
    this.cycle.markDirty()
    if (this.cycle.isWriting) return
    if (this.log.isFilling) this.ask('log-full')
    else if (
      this.queue.bytes > this.queue.bytesMax / 2 ||
      this.state.tree.dirtyNodes > this.dirtyNodesMax / 2
    )
      this.ask('high-water')
  }

  /** Operations wait for the CP when the open tree has more than a quarter of the cache. */
  private readonly isThrottled = () => this.state.tree.dirtyNodes > this.dirtyNodesMax

  private async untilSmaller(): Promise<void> {
    for (; this.isThrottled(); await this.cycle.request('high-water')) this.assertAlive()
  }

  private get dirtyNodesMax(): number {
    return this.volume.nodes.framesMax / 4
  }

  /**
   * Takes a CP also when nothing is dirty: records that were flushed after a seal lie behind the mark of that CP, and
   * only the next CP has a mark behind these records.
   */
  private async makeLogRoom(): Promise<void> {
    const { cp } = this.current().root
    // A CP that is published, and whose writing is only about to end, makes no room any more.
    if ((this.writer.writingCp ?? cp) <= cp) this.state.blocks.isDirty = true
    await this.cycle.request('log-full')
    assert(this.current().root.cp > cp, 'room in the log is made by a CP')
  }

  private ask(cause: contract.CpCause): void {
    // Callers that wait for the CP hear of a failure; this caller only wants the CP to begin.
    this.cycle.request(cause).catch(() => {})
  }

  // --- When space is short ---

  private async turn(always: boolean): Promise<void> {
    this.assertAlive()
    if (always) this.state.blocks.isDirty = true
    if (this.state.isDirty || this.cycle.isWriting) await this.cycle.request('space')
    else await this.writeSuperblock()
  }

  /** Writes the same root again with new holds and members; a root that only the older slot named is released. */
  async writeSuperblock(change: Parameters<Volume['writeSuperblock']>[0] = {}): Promise<void> {
    this.assertAlive()
    try {
      await this.volume.writeSuperblock(change)
    } catch (error) {
      if (error instanceof StillpointError) throw error
      this.poison(error)
      throw this.poisonedError()
    }
  }

  // --- Small things ---

  /** The CP that carries, or will carry, the present state of the open tree. */
  private carrier(): number {
    if (this.state.isDirty) return this.state.cp
    return this.writer.writingCp ?? this.current().root.cp
  }

  assertWritable(): void {
    this.assertAlive()
    this.fencing.assertDown()
  }

  private assertAlive(): void {
    if (this.poisonedBy) throw this.poisonedError()
  }

  private poisonedError(): StillpointError {
    const { error } = this.poisonedBy ?? { error: 'unknown' }
    return new StillpointError(
      'poisoned',
      `a write to the device failed: ${String(error)}`,
      {},
      { cause: error },
    )
  }
}
