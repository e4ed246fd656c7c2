/** Context of the writing side: how an operation is prepared, run and answered. */
import type {
  Applied,
  Engine,
  PreparedRecord,
  RecordStream,
  RunOptions,
  SpaceFloor,
  Tx,
} from '../../cp-engine/contract.ts'
import type { EntryExtra } from '../../format/items/entry-extra.ts'
import { type EntryItem, type StoredExtra, inlineExtra } from '../../format/items/items.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import { assert } from '../../lib/assert.ts'
import type { Clock } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import { type CheckedAttributes, statOf } from '../tree/attributes.ts'
import type { Stat, Written } from '../contract.ts'
import { Edit } from '../tree/edit.ts'
import type { ByteGate } from '../../lib/gates/byte-gate.ts'
import type { Turns } from '../../lib/gates/turns.ts'
import type { KnownDirectories } from '../tree/known-directories.ts'
import type { Path } from '../paths.ts'
import type { BufferPool } from '../../lib/buffer-pool.ts'
import { type Piece, preparePieces } from '../tree/records.ts'
import type { Reaper } from './reaper.ts'
import { statStored } from '../tree/stored-extra.ts'

export interface Context {
  readonly engine: Engine
  readonly clock: Clock
  readonly sums: ChecksumKind
  readonly reaper: Reaper
  readonly preparing: ByteGate
  readonly buffers: BufferPool
  readonly directories: KnownDirectories
  /** Operations that change a part of the same file, by its path, take turns. */
  readonly turns: Turns
}

/** Limit for the bytes that operations with several records prepare at the same time. A batch has to fit. */
export const preparingBytesMax = 16 * 2 ** 20
/** Limit for the resting buffers of uploads. */
export const restingRecordBytesMax = 16 * 2 ** 20
/**
 * Records that one operation prepares beyond this leave for the device at once, because they would fill queue and
 * log.
 */
const queuedBytesMax = 2 ** 20

/** Runs an operation, and tells the reaper of the orphans that the operation has left. */
export async function runEdit<T>(
  context: Context,
  operation: (edit: Edit) => T,
  options: RunOptions = {},
): Promise<Applied<T>> {
  let orphans = 0
  let orphanBytes = 0
  const applied = await context.engine.run((tx: Tx) => {
    const edit = new Edit(tx, context.sums, context.directories)
    const result = operation(edit)
    // The engine may run the operation several times; only the last run counts.
    orphans = edit.orphans
    orphanBytes = edit.orphanBytes
    return result
  }, options)
  if (orphans > 0) context.reaper.heard(orphans, orphanBytes)
  return applied
}

/**
 * Runs an operation at once. Returns null when it would have to wait: then the records still belong to the caller.
 */
export function runEditNow<T>(
  { engine, sums, reaper, directories }: Context,
  operation: (edit: Edit) => T,
  records: readonly PreparedRecord[],
): Applied<T> | null {
  let edit = null as Edit | null
  const applied = engine.runNow((tx) => operation((edit = new Edit(tx, sums, directories))), records)
  if (applied && edit && edit.orphans > 0) reaper.heard(edit.orphans, edit.orphanBytes)
  return applied
}

/** An extra that is ready to be stored in an item. */
export interface PreparedExtra {
  readonly extra: EntryExtra
  readonly record: PreparedRecord | null
}

export const storeExtra = (edit: Edit, { extra, record }: PreparedExtra): StoredExtra =>
  record ? { inline: null, record: edit.use(record) } : inlineExtra(extra)

/**
 * Records that are prepared for one operation. `discard` gives up records that no operation has run with. `run` takes
 * all records; after that the engine discards the unused ones, also when the operation fails.
 */
export class Preparation {
  private records: PreparedRecord[] = []
  private bytes = 0

  /** Any `floor` other than `write` is for records that replace at least as many bytes. */
  constructor(
    readonly context: Context,
    private readonly floor: SpaceFloor,
  ) {}

  async extra({ extra, extraBytes }: CheckedAttributes): Promise<PreparedExtra> {
    if (!extraBytes) return { extra, record: null }
    const records = await this.context.engine.prepare(extraBytes, this.floor)
    this.records.push(...records)
    const [record, ...more] = records
    assert(record !== undefined, 'an extra has bytes')
    // An extra of two blocks is cut where no two free blocks lie side by side.
    if (more.length > 0)
      throw new StillpointError(
        'disk-full',
        'what is stored beside the content needs two free blocks side by side, and there are none',
      )
    return { extra, record }
  }

  async pieces(bytes: Uint8Array, offset: number): Promise<Piece[]> {
    this.bytes += bytes.length
    const leavesEarly = this.bytes > queuedBytesMax ? true : undefined
    const pieces = await preparePieces(this.context.engine, bytes, offset, { leavesEarly }, this.floor)
    for (const { record } of pieces) this.records.push(record)
    return pieces
  }

  run<T>(operation: (edit: Edit) => T, stream?: RecordStream): Promise<Applied<T>> {
    const records = this.records
    this.records = []
    const { floor } = this
    return runEdit(this.context, operation, stream ? { records, stream, floor } : { records, floor })
  }

  discard(): void {
    this.context.engine.discard(this.records)
    this.records = []
  }
}

/**
 * Prepares and runs an operation; after any failure, no record stays prepared. `bytes` counts records that are
 * prepared one after the other. `bytes` is 0 for a single record, because an operation that has its record waits for
 * no other.
 */
export async function prepared<T>(
  context: Context,
  bytes: number,
  work: (preparation: Preparation) => Promise<T>,
  floor: SpaceFloor = 'write',
): Promise<T> {
  const inside = async () => {
    const preparation = new Preparation(context, floor)
    try {
      return await work(preparation)
    } finally {
      preparation.discard()
    }
  }
  return bytes === 0 ? inside() : context.preparing.within(bytes, inside)
}

/** Returns the answer to an operation on one entry. `extra` is the entry's extra, if it is at hand. */
export async function written(
  context: Context,
  path: Path,
  applied: Applied<{ readonly created: boolean; readonly item: EntryItem }>,
  extra: EntryExtra | null,
): Promise<Written> {
  const { created, item } = applied.result
  const stat: Stat = extra ? statOf(item, extra) : await statStored(context, path, item)
  return { created, stat, applied }
}
