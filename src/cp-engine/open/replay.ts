/**
 * Replay applies the operations that the log has above the published root again, as one change that ends in one CP.
 * Replay needs no file system, evaluates no precondition and reads no clock.
 *
 * - Replay counts only the last outcome of every key, and only the last write to every address: replaced outcomes
 *   need no space. So replay never needs more blocks or nodes than the opening before had when that opening ended.
 * - Replay is planned first (`planReplay`, which reads and changes nothing), so that every fault of the log is known
 *   before anything is written.
 * - Every address that replay writes or names is reserved before the first node is allocated.
 * - A power cut may have taken back growths of the file that the opening before has used, for records or for nodes:
 *   replay makes these growths again.
 * - Nothing is appended to the log and nothing is promised before replay's CP is published. So a crash meanwhile
 *   leaves the state that replay started from, and the next open begins replay again.
 */
import { assert } from '../../lib/assert.ts'
import { compareBytes } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import { blockBytes, isDataRun } from '../../format/geometry.ts'
import type { LogRecord } from '../../format/disk/log-record.ts'
import { valuePointers } from '../../format/pointer.ts'
import type { BlockPointer, RecordSums } from '../../format/pointer.ts'
import type { Allocator } from '../space/allocator.ts'
import { lookOnce } from '../tree/looking.ts'
import { NotLoaded } from '../tree/node-cache.ts'
import type { OpenState } from './open-state.ts'
import type { Space } from '../space/space.ts'
import type { Volume } from '../volume/volume.ts'
import type { WriteQueue } from '../records/write-queue.ts'

/** The last outcome of a key, with the operation that made this outcome. */
type Item = { readonly key: Uint8Array; readonly value: Uint8Array | null; readonly sequence: number }
/**
 * A record that replay makes part of the tree. A null payload means that the log names the record by pointer, and
 * that the record is on the device already.
 */
export interface ReplayWrite {
  readonly pointer: BlockPointer
  readonly payload: Uint8Array | null
  readonly sequence: number
}

/** Changes that replay will make; the plan itself changes nothing. */
export interface ReplayPlan {
  readonly operations: number
  readonly sequence: number
  readonly counters: readonly number[] | null
  /** Outcomes in the order of their keys. */
  readonly items: readonly Item[]
  /** Records that the items name and the published root does not. */
  readonly born: readonly ReplayWrite[]
  /** Records that the published root names and the items replace. */
  readonly freed: readonly BlockPointer[]
}

/** An operation that contradicts the published root, or another operation. */
export interface ReplayProblem {
  readonly sequence: number
  readonly address: number
  readonly message: string
}

interface ReplayParts {
  readonly volume: Volume
  readonly allocator: Allocator
  readonly state: OpenState
  readonly queue: WriteQueue
  readonly space: Pick<Space, 'growTo' | 'lacks' | 'growFor'>
}

/** The outcome of many log records, each of which continues the record before. */
export class MergedLog {
  private readonly items = new Map<string, Item>()
  private readonly writes = new Map<number, ReplayWrite>()
  private last: LogRecord | null = null
  operations = 0

  constructor(
    private readonly rootCp: number,
    private readonly rootSequence: number,
  ) {}

  get sequence(): number {
    return this.last?.sequence ?? this.rootSequence
  }
  get counters(): readonly number[] | null {
    return this.last?.counters ?? null
  }

  /** False when the record leaves a gap, or counts on a missing CP; no later record can be replayed then either. */
  add(record: LogRecord): boolean {
    if (record.sequence <= this.rootSequence) return true
    const first = record.sequence - record.sequenceCount + 1
    if (first !== this.sequence + 1 || record.countedOnCp > this.rootCp) return false
    const { sequence } = record
    for (const { key, value } of record.changes) this.items.set(nameOf(key), { key, value, sequence })
    for (const { pointer, payload } of record.inlineWrites)
      this.writes.set(pointer.address, { pointer, payload, sequence })
    for (const pointer of record.namedWrites)
      this.writes.set(pointer.address, { pointer, payload: null, sequence })
    this.last = record
    this.operations++
    return true
  }

  sortedItems(): Item[] {
    return [...this.items.values()].sort((a, b) => compareBytes(a.key, b.key))
  }

  writeAt(address: number): ReplayWrite | undefined {
    return this.writes.get(address)
  }
}

/** One character for each byte, so equal keys have equal names. */
const nameOf = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString('latin1')

/** Looks up in the published root all items that the log replaces, and reports contradictions. */
export async function planReplay(
  merged: MergedLog,
  volume: Volume,
): Promise<{ plan: ReplayPlan; problems: ReplayProblem[] }> {
  const sums = volume.current().root.sums
  const items = merged.sortedItems()
  const after = new Map<number, { readonly pointer: BlockPointer; readonly sequence: number }>()
  for (const { value, sequence } of items)
    if (value)
      for (const pointer of pointersOf(value, sums)) after.set(pointer.address, { pointer, sequence })

  const before = new Map<number, BlockPointer>()
  const published = volume.readerOf(volume.current())
  await forEach(items, volume, ({ key }) => {
    const old = published.get(key)
    if (old) for (const pointer of pointersOf(old, sums)) before.set(pointer.address, pointer)
  })
  const born: ReplayWrite[] = []
  const problems: ReplayProblem[] = []
  for (const { pointer, sequence } of after.values()) {
    const { address } = pointer
    if (before.has(address)) continue
    const write = merged.writeAt(address)
    if (write && isSamePointer(write.pointer, pointer)) born.push(write)
    else problems.push({ sequence, address, message: 'is named by the log, which does not write it' })
  }
  problems.push(...usedByOthers(born, volume))
  const { operations, sequence, counters } = merged
  const freed = [...before.values()].filter(({ address }) => !after.has(address))
  return { plan: { operations, sequence, counters, items, born, freed }, problems }
}

export const isSamePointer = (a: BlockPointer, b: BlockPointer): boolean =>
  a.blocks === b.blocks && a.payloadBytes === b.payloadBytes && compareBytes(a.sum, b.sum) === 0

/** A write must have blocks that no retained root uses, and that no other write has. */
function usedByOthers(born: readonly ReplayWrite[], { geometry, retention }: Volume): ReplayProblem[] {
  const problems: ReplayProblem[] = []
  let end = 0
  for (const { pointer, sequence } of born.toSorted((a, b) => a.pointer.address - b.pointer.address)) {
    const { address, blocks } = pointer
    if (!isDataRun(geometry, address, blocks))
      problems.push({ sequence, address, message: `begins ${blocks} blocks that no tree may use` })
    else if (address < end || retention.uses(address, blocks))
      problems.push({ sequence, address, message: `begins ${blocks} blocks of the log that are in use` })
    end = Math.max(end, address + blocks)
  }
  return problems
}

export async function replay(plan: ReplayPlan, parts: ReplayParts): Promise<void> {
  const { state, volume } = parts
  const { items, born } = plan
  await parts.space.growTo(
    born.reduce((end, { pointer }) => Math.max(end, pointer.address + pointer.blocks), 0),
  )
  for (const { pointer } of born) reserve(pointer, parts)
  for (const { pointer, payload } of born) {
    if (payload) enqueue(pointer, payload, parts)
    state.forget(pointer.address, pointer.blocks)
    state.blocks.born(pointer)
  }
  for (const pointer of plan.freed) state.intake.free(pointer)
  await forEach(items, volume, ({ key, value }) => {
    state.tree.ready([key])
    const nodes = state.tree.nodesWorstCase(1)
    if (parts.space.lacks(nodes)) return parts.space.growFor(nodes)
    if (value) state.tree.put(key, value)
    else state.tree.delete(key)
    volume.nodes.trim()
  })
  state.counters = plan.counters ?? state.counters
  state.sequence = plan.sequence
  state.blocks.isDirty = true
}

/**
 * Runs one step for each item. A step that meets a missing node, or has to wait, has changed nothing and runs again.
 */
async function forEach(
  items: readonly Item[],
  volume: Volume,
  step: (item: Item) => Promise<void> | void,
): Promise<void> {
  for (const item of items)
    for (;;) {
      // The loop waits only where something is missing: a promise for each item costs as much as its step.
      const seen = lookOnce(() => step(item))
      if (!seen) break
      if (seen instanceof NotLoaded) volume.loader.load(seen)
      else await seen
    }
}

function reserve({ address, blocks }: BlockPointer, { allocator }: ReplayParts): void {
  const isTaken = allocator.takeAt(address, blocks)
  assert(isTaken, 'what a replay writes was found to be free')
}

function enqueue(pointer: BlockPointer, payload: Uint8Array, { queue }: ReplayParts): void {
  const length = pointer.blocks * blockBytes
  let bytes = payload
  if (payload.length !== length) {
    bytes = new Uint8Array(length)
    bytes.set(payload)
  }
  queue.prepare({ address: pointer.address, bytes, sum: pointer.sum, payloadBytes: pointer.payloadBytes })
  queue.enqueue(pointer.address)
}

function pointersOf(value: Uint8Array, sums: RecordSums): BlockPointer[] {
  const pointers = valuePointers(value, sums.kind)
  if (!pointers) throw new StillpointError('corrupt', 'an item of the log has malformed pointers')
  return pointers
}
