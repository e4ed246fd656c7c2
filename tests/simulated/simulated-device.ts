/**
 * A disk that crashes and lies as its contract allows, and worse when told to.
 *
 * - Readers see every write that has resolved. Durable is what a later sync covered; the rest is pending, and a crash
 *   keeps any part of it (crash-image.ts).
 * - A sync covers the writes that had resolved when it was called, not those that were in flight.
 * - After a crash every call rejects with CrashError, those in flight too.
 * - It breaks no rule of its own accord: faults come from the plan, completion times from the scheduler, so that a
 *   seed decides everything.
 * - It asserts what a caller must not do: two writes of one block in flight, a buffer that changes while it is written.
 */
import type { BlockRun } from '../../src/lib/block-run.ts'
import { assert } from '../../src/lib/assert.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import type { BlockDevice, ReadOptions, WriteRun } from '../../src/blockdev/block-device.ts'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import { assertInside, closedError, failedError } from '../../src/blockdev/request.ts'
import { joinRuns, wholeBlocksOf } from '../../src/blockdev/request.ts'
import { BlockMap, flipped, overlaps, splitBlocks } from './block-map.ts'
import { crashImage, type CrashChoice, type CrashState, type Image } from './crash-image.ts'
import type { PendingEntry, PendingWrite } from './crash-image.ts'
import { noFaults, type Fault, type Operation, type OperationKind } from './faults.ts'
import type { SimulatedOptions } from './simulated-options.ts'

export class CrashError extends DeviceError {
  constructor() {
    super('the simulated machine has lost its power')
  }
}

export class SimulatedDevice implements BlockDevice {
  private readonly options: SimulatedOptions
  private readonly durableBlocks: BlockMap
  private durableCount: number
  private visible: BlockMap
  private sizeBlocks: number
  private readonly before = new BlockMap()
  private pendingWrites: PendingEntry[] = []
  private readonly inFlight = new Set<PendingEntry>()
  private readonly wakeUps = new Set<() => void>()
  private readonly counts: Record<OperationKind, number> = {
    read: 0,
    write: 0,
    'write-durable': 0,
    sync: 0,
    grow: 0,
    extend: 0,
    allocate: 0,
    punch: 0,
  }
  private operationCount = 0
  private writingDurably = false
  private hasCrashed = false
  private closed = false
  private failure: DeviceError | null = null
  private trace = 0n

  constructor(options: SimulatedOptions = {}) {
    this.options = options
    this.durableBlocks = options.image?.blocks.copy() ?? new BlockMap()
    this.durableCount = Math.max(options.image?.blockCount ?? 0, options.blockCount ?? 0)
    this.visible = this.durableBlocks.copy()
    this.sizeBlocks = this.durableCount
    options.space?.adopt(options.image?.blocks.addresses() ?? [])
  }

  get blockCount(): number {
    return this.sizeBlocks
  }
  get operations(): number {
    return this.operationCount
  }
  /** Everything but reads. */
  get mutations(): number {
    return this.operationCount - this.counts.read
  }
  get crashed(): boolean {
    return this.hasCrashed
  }
  /** Writes and growths that no sync has covered. */
  get pendingCount(): number {
    return this.pendingWrites.length
  }
  /** The same seed must give the same value. Needs `traced`. */
  get traceHash(): string {
    return this.trace.toString(16).padStart(16, '0')
  }

  // The contract.

  async read(address: number, target: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const blocks = wholeBlocksOf(target)
    assertInside(address, blocks, this.sizeBlocks)
    const [operation, fault] = this.begin('read', address, blocks)
    await this.completion(operation)
    this.fill(address, target, fault, options.uncached ?? false)
  }

  readNow(address: number, target: Uint8Array): boolean {
    if (this.options.isBusy?.()) return false
    this.readSync(address, target)
    return true
  }

  readSync(address: number, target: Uint8Array): void {
    const blocks = wholeBlocksOf(target)
    assertInside(address, blocks, this.sizeBlocks)
    const [, fault] = this.begin('read', address, blocks)
    this.fill(address, target, fault, false)
  }

  async write(runs: readonly WriteRun[]): Promise<void> {
    this.options.onWrite?.(runs)
    const extents = joinRuns(runs, this.sizeBlocks, 1, blockBytes)
    const first = extents[0]?.address ?? 0
    const [operation, fault] = this.begin(
      'write',
      first,
      runs.reduce((sum, run) => sum + wholeBlocksOf(run.bytes), 0),
    )
    const isFull = fault?.kind === 'disk-full'
    const hasRoom = runs.map(
      ({ address, bytes }) => !isFull && (this.options.space?.take(address, wholeBlocksOf(bytes)) ?? true),
    )
    const entries = runs.map((run) => this.enter('write', run.address, run.bytes, operation, fault))
    this.mutationBegan(operation, fault)
    await this.completion(operation)
    for (const entry of entries) this.inFlight.delete(entry)
    if (fault?.kind === 'error') throw this.fail('the write failed')
    if (hasRoom.includes(false)) {
      this.forget(new Set(entries.filter((_, i) => !hasRoom[i])))
      for (const [i, entry] of entries.entries()) if (hasRoom[i]) this.resolveNow(entry, fault)
      throw new StillpointError('disk-full', 'the simulated disk is full')
    }
    for (const entry of entries) this.resolveNow(entry, fault)
    if (fault?.kind === 'lost') this.forget(new Set(entries))
  }

  async sync(): Promise<void> {
    const [operation, fault] = this.begin('sync', 0, 0)
    const covered = new Set(this.pendingWrites.filter((entry) => entry.resolved))
    this.mutationBegan(operation, fault)
    await this.completion(operation)
    if (fault?.kind === 'error') throw this.fail('the sync failed')
    if (fault?.kind === 'sync-drops') {
      this.forget(covered)
      throw this.fail('the sync failed')
    }
    // A write may have been taken over by a durable one meanwhile, or dropped by a failed sync: only what is left.
    for (const entry of this.pendingWrites) if (covered.has(entry)) this.makeDurable(entry.write)
    this.forget(covered)
  }

  async writeDurable(address: number, buffers: readonly Uint8Array[]): Promise<void> {
    const blocks = buffers.reduce((sum, bytes) => sum + wholeBlocksOf(bytes), 0)
    assertInside(address, blocks, this.sizeBlocks)
    assert(!this.writingDurably, 'one durable write at a time')
    const [operation, fault] = this.begin('write-durable', address, blocks)
    this.writingDurably = true
    try {
      let at = address
      const entries = buffers.map((bytes) => {
        const entry = this.enter('write-durable', at, bytes, operation, fault)
        at += wholeBlocksOf(bytes)
        return entry
      })
      this.mutationBegan(operation, fault)
      await this.completion(operation)
      for (const entry of entries) this.inFlight.delete(entry)
      if (fault?.kind === 'error') throw this.fail('the durable write failed')
      for (const entry of entries) this.resolveNow(entry, fault)
      if (fault?.kind !== 'lost') for (const entry of entries) this.makeDurable(entry.write)
      this.forget(new Set(entries))
    } finally {
      this.writingDurably = false
    }
  }

  grow(blockCount: number): Promise<void> {
    return this.lengthen('grow', blockCount)
  }

  extend(blockCount: number): Promise<void> {
    return this.lengthen('extend', blockCount)
  }

  async allocate({ address, blocks }: BlockRun): Promise<void> {
    assertInside(address, blocks, this.sizeBlocks)
    const [operation, fault] = this.begin('allocate', address, blocks)
    this.mutationBegan(operation, fault)
    const { space } = this.options
    const hasRoom = fault?.kind !== 'disk-full' && (space?.isPlain || (space?.take(address, blocks) ?? true))
    await this.completion(operation)
    if (!hasRoom) throw new StillpointError('disk-full', 'the simulated disk is full', { blocks })
  }

  punch({ address, blocks }: BlockRun): boolean {
    assertInside(address, blocks, this.sizeBlocks)
    const [operation, fault] = this.begin('punch', address, blocks)
    const bytes = new Uint8Array(blocks * blockBytes)
    this.options.onWrite?.([{ address, bytes }])
    if (fault?.kind === 'error' || this.options.space?.isPlain) return false
    // Zeros that a crash may lose or tear, like those of a write.
    const entry = this.enter('write', address, bytes, operation, undefined)
    this.inFlight.delete(entry)
    this.mutationBegan(operation, fault)
    if (this.hasCrashed) throw new CrashError()
    this.resolveNow(entry, undefined)
    this.options.space?.giveBack(address, blocks)
    return true
  }

  freeBlocks(): number {
    return this.options.space?.free ?? Number.POSITIVE_INFINITY
  }

  async close(): Promise<void> {
    this.closed = true
  }

  // What a test does to it.

  /** The power goes out: nothing of this device answers any more. */
  crash(): void {
    this.hasCrashed = true
    for (const wake of this.wakeUps) wake()
    this.wakeUps.clear()
  }

  /** What a new open of the same disk gives without a crash: also what was not synced, as the kernel keeps it. */
  reopened(options: SimulatedOptions = this.options): SimulatedDevice {
    const device = new SimulatedDevice({ ...options, image: this.crashState().durable })
    device.visible = this.visible.copy()
    device.sizeBlocks = this.sizeBlocks
    device.pendingWrites = this.pendingWrites.filter((entry) => entry.resolved)
    return device
  }

  /** What a crash at this moment would start from; cheap, and not changed by what the device does later. */
  crashState(): CrashState {
    return {
      durable: { blocks: this.durableBlocks.copy(), blockCount: this.durableCount },
      pending: this.pendingWrites.map((entry) => entry.write),
    }
  }

  /** What the disk would hold after a crash at this moment. */
  image(choice: CrashChoice): Image {
    return crashImage(this.crashState(), choice)
  }

  /** Rot at rest: seen by every reader from now on, and by every image. */
  flipBit(address: number, bit: number): void {
    this.durableBlocks.set(address, flipped(this.durableBlocks.get(address), bit))
    this.visible.set(address, flipped(this.visible.get(address), bit))
    for (const entry of this.pendingWrites) {
      const at = address - entry.write.address
      const block = entry.write.blocks[at]
      if (!block) continue
      entry.source = null
      entry.write = { ...entry.write, blocks: entry.write.blocks.with(at, flipped(block, bit)) }
    }
  }

  /** Readers see from now on what the disk has: lost and misdirected writes come to light. */
  dropCache(): void {
    this.visible = this.durableBlocks.copy()
    for (const { write, resolved } of this.pendingWrites) {
      if (resolved) write.blocks.forEach((block, i) => this.visible.set(write.address + i, block))
    }
  }

  // Helpers, in calling order.

  private begin(kind: OperationKind, address: number, blocks: number): [Operation, Fault | undefined] {
    if (this.hasCrashed) throw new CrashError()
    if (this.closed) throw closedError()
    if (this.failure && (this.options.refusesAfterFailure ?? true)) throw failedError(this.failure)
    const mutation = this.mutations
    const operation = {
      kind,
      index: this.operationCount++,
      nth: this.counts[kind]++,
      mutation,
      address,
      blocks,
    }
    if (this.options.traced) this.traceBytes(Buffer.from(`${kind} ${address} ${blocks}`))
    return [operation, (this.options.faults ?? noFaults)(operation)]
  }

  private async lengthen(kind: 'grow' | 'extend', blockCount: number): Promise<void> {
    const from = this.sizeBlocks
    const [operation, fault] = this.begin(kind, from, Math.max(0, blockCount - from))
    this.mutationBegan(operation, fault)
    await this.completion(operation)
    if (fault?.kind === 'error') throw this.fail('the growth failed')
    const { blocksMax = Number.POSITIVE_INFINITY, space } = this.options
    const added = kind === 'grow' ? Math.max(0, blockCount - from) : 0
    if (fault?.kind === 'disk-full' || blockCount > blocksMax || added > (space?.free ?? added))
      throw new StillpointError('disk-full', 'the simulated disk is full', { blockCount })
    space?.take(from, added)
    if (blockCount <= this.sizeBlocks) return
    this.sizeBlocks = blockCount
    const write = { kind: 'grow', address: 0, blocks: [], blockCount, operation: operation.index } as const
    this.pendingWrites.push({ write, intended: 0, source: null, resolved: true })
  }

  private traceBytes(bytes: Uint8Array): void {
    this.trace = Bun.hash.xxHash3(bytes, this.trace)
  }

  /** The bytes are copied: a buffer may be reused as soon as its write has resolved. */
  private enter(
    kind: 'write' | 'write-durable',
    address: number,
    source: Uint8Array,
    operation: Operation,
    fault: Fault | undefined,
  ): PendingEntry {
    if (this.options.traced) this.traceBytes(source)
    let blocks = splitBlocks(source.slice())
    for (const { write, intended } of this.inFlight) {
      // Where it was meant to go: the caller knows nothing of a misdirected one.
      const meant = { address: intended, blocks: write.blocks }
      assert(
        write.operation === operation.index || !overlaps(address, blocks, meant),
        `two writes of block ${address} in flight`,
      )
    }
    if (fault?.kind === 'flipped') {
      const at = Math.floor(fault.bit / (8 * blockBytes)) % blocks.length
      blocks = blocks.with(at, flipped(blocks[at]!, fault.bit))
    }
    const target = fault?.kind === 'misdirected' ? fault.address : address
    assertInside(target, blocks.length, this.sizeBlocks)
    const write = { kind, address: target, blocks, blockCount: 0, operation: operation.index }
    const entry = { write, intended: address, source, resolved: false }
    this.pendingWrites.push(entry)
    this.inFlight.add(entry)
    return entry
  }

  private mutationBegan(operation: Operation, fault: Fault | undefined): void {
    this.options.onMutation?.(operation)
    if (fault?.kind === 'crash') this.crash()
  }

  private async completion(operation: Operation): Promise<void> {
    const { scheduler } = this.options
    if (this.hasCrashed) throw new CrashError()
    if (scheduler) {
      await new Promise<void>((resolve) => {
        this.wakeUps.add(resolve)
        scheduler.schedule(operation, () => {
          this.wakeUps.delete(resolve)
          resolve()
        })
      })
    } else await Promise.resolve()
    if (this.hasCrashed) throw new CrashError()
  }

  private fail(message: string): DeviceError {
    this.failure = new DeviceError(message)
    return this.failure
  }

  private resolveNow(entry: PendingEntry, fault: Fault | undefined): void {
    entry.resolved = true
    const { write, source, intended } = entry
    if (fault === undefined && source) {
      const stable = splitBlocks(source).every((block, i) => Buffer.compare(block, write.blocks[i]!) === 0)
      assert(stable, `the buffer of block ${write.address} changed while it was being written`)
    }
    const astray = fault?.kind === 'lost' || fault?.kind === 'misdirected'
    const cached = astray && fault.cached === true
    if (fault?.kind === 'lost' && !cached) return
    write.blocks.forEach((block, i) => {
      const address = (cached ? intended : write.address) + i
      this.before.set(address, this.visible.get(address))
      this.visible.set(address, block)
    })
  }

  private makeDurable(write: PendingWrite): void {
    if (write.kind === 'grow') this.durableCount = Math.max(this.durableCount, write.blockCount)
    write.blocks.forEach((block, i) => this.durableBlocks.set(write.address + i, block))
    if (write.blocks.length > 0) {
      this.durableCount = Math.max(this.durableCount, write.address + write.blocks.length)
    }
    if (write.kind === 'write-durable') this.supersede(write)
  }

  /** An older write of the same block that is still pending can only come out with the newer bytes. */
  private supersede(newer: PendingWrite): void {
    for (const entry of this.pendingWrites) {
      const { write } = entry
      if (write === newer || !overlaps(newer.address, newer.blocks, write)) continue
      const blocks = write.blocks.map((block, i) => newer.blocks[write.address + i - newer.address] ?? block)
      // Of one that is in flight: a misdirected write has hit it, and its buffer says nothing any more.
      entry.source = null
      entry.write = { ...write, blocks }
    }
  }

  private forget(entries: ReadonlySet<PendingEntry>): void {
    this.pendingWrites = this.pendingWrites.filter((entry) => !entries.has(entry))
  }

  private fill(address: number, target: Uint8Array, fault: Fault | undefined, uncached: boolean): void {
    if (fault?.kind === 'crash') this.crash()
    if (this.hasCrashed) throw new CrashError()
    if (fault?.kind === 'error') throw new DeviceError('the read failed')
    for (let i = 0; i * blockBytes < target.length; i++) {
      const block =
        fault?.kind === 'stale'
          ? this.before.get(address + i)
          : uncached
            ? this.onDisk(address + i)
            : this.visible.get(address + i)
      target.set(block, i * blockBytes)
      if (uncached) this.visible.set(address + i, this.onDisk(address + i))
    }
    if (fault?.kind === 'flipped') {
      const bit = fault.bit % (8 * target.length)
      target[bit >>> 3]! ^= 1 << (bit & 7)
    }
  }

  private onDisk(address: number): Uint8Array {
    for (let i = this.pendingWrites.length - 1; i >= 0; i--) {
      const { write, resolved } = this.pendingWrites[i]!
      const block = write.blocks[address - write.address]
      if (resolved && block) return block
    }
    return this.durableBlocks.get(address)
  }
}
