/**
 * Replay: the operations that the log has above the published root, applied again as one change, which ends in one CP.
 * It needs no file system, evaluates no precondition and reads no clock.
 *
 * - Of every key only the last outcome counts, and of every address the last write: what others replaced needs no
 *   space, so replay never needs more blocks or nodes than the opening before had when it ended.
 * - Every address that it writes or names is reserved before the first node is allocated.
 * - A power cut may have taken back growths of the file that the opening before has used, for records or for nodes: they
 *   are made again.
 * - Nothing is appended to the log and nothing is promised before its CP is published. So a crash meanwhile leaves
 *   what it started from, and it begins again.
 */
import { compareBytes } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import { blockBytes } from '../../format/geometry.ts'
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

type Item = { readonly key: Uint8Array; readonly value: Uint8Array | null }
/** Null payload: named by pointer, and on the device already. */
type Write = { readonly pointer: BlockPointer; readonly payload: Uint8Array | null }

interface ReplayParts {
  readonly volume: Volume
  readonly allocator: Allocator
  readonly state: OpenState
  readonly queue: WriteQueue
  readonly sums: RecordSums
  readonly space: Pick<Space, 'growTo' | 'lacks' | 'growFor'>
}

/** The outcome of many records, each of which continues the one before. */
export class MergedLog {
  private readonly items = new Map<string, Item>()
  private readonly writes = new Map<number, Write>()
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

  /** False: the record leaves a gap, or counts on a CP that is not there; nothing behind it can be replayed either. */
  add(record: LogRecord): boolean {
    if (record.sequence <= this.rootSequence) return true
    const first = record.sequence - record.sequenceCount + 1
    if (first !== this.sequence + 1 || record.countedOnCp > this.rootCp) return false
    for (const item of record.changes) this.items.set(nameOf(item.key), item)
    for (const write of record.inlineWrites) this.writes.set(write.pointer.address, write)
    for (const pointer of record.namedWrites) this.writes.set(pointer.address, { pointer, payload: null })
    this.last = record
    this.operations++
    return true
  }

  sortedItems(): Item[] {
    return [...this.items.values()].sort((a, b) => compareBytes(a.key, b.key))
  }

  writeAt(address: number): Write | undefined {
    return this.writes.get(address)
  }
}

/** One character a byte: equal for equal keys. */
const nameOf = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString('latin1')

export async function replay(merged: MergedLog, parts: ReplayParts): Promise<void> {
  const { state, volume, sums } = parts
  const items = merged.sortedItems()
  const after = new Map<number, BlockPointer>()
  for (const { value } of items)
    if (value) for (const pointer of pointersOf(value, sums)) after.set(pointer.address, pointer)

  const before = new Map<number, BlockPointer>()
  await forEach(items, volume, ({ key }) => {
    const old = state.tree.reader.get(key)
    if (old) for (const pointer of pointersOf(old, sums)) before.set(pointer.address, pointer)
  })
  const born: Write[] = []
  for (const pointer of after.values()) {
    if (before.has(pointer.address)) continue
    const write = merged.writeAt(pointer.address)
    if (!write)
      throw new StillpointError('corrupt', `the log names block ${pointer.address} and does not write it`)
    born.push(write)
  }

  await parts.space.growTo(
    born.reduce((end, { pointer }) => Math.max(end, pointer.address + pointer.blocks), 0),
  )
  for (const { pointer } of born) reserve(pointer, parts)
  for (const { pointer, payload } of born) {
    if (payload) enqueue(pointer, payload, parts)
    state.forget(pointer.address, pointer.blocks)
    state.blocks.born(pointer)
  }
  for (const pointer of before.values()) if (!after.has(pointer.address)) state.intake.free(pointer)
  await forEach(items, volume, ({ key, value }) => {
    state.tree.ready([key])
    const nodes = state.tree.nodesWorstCase(1)
    if (parts.space.lacks(nodes)) return parts.space.growFor(nodes)
    if (value) state.tree.put(key, value)
    else state.tree.delete(key)
    volume.nodes.trim()
  })
  state.counters = merged.counters ?? state.counters
  state.sequence = merged.sequence
  state.blocks.isDirty = true
}

/** One step for each item; one that meets a missing node, or has to wait, has changed nothing, and is made again. */
async function forEach(
  items: readonly Item[],
  volume: Volume,
  step: (item: Item) => Promise<void> | void,
): Promise<void> {
  for (const item of items)
    for (;;) {
      // Waits only where something is missing: a promise for each item costs as much as its step.
      const seen = lookOnce(() => step(item))
      if (!seen) break
      if (seen instanceof NotLoaded) volume.loader.load(seen)
      else await seen
    }
}

function reserve({ address, blocks }: BlockPointer, { allocator }: ReplayParts): void {
  if (!allocator.takeAt(address, blocks))
    throw new StillpointError(
      'corrupt',
      `the log writes ${blocks} blocks at ${address}, which a retained root uses`,
    )
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
