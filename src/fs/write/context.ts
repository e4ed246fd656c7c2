/** What every part of the writing side works with. */
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
import { type CheckedAttributes, statOf } from '../tree/attributes.ts'
import type { Stat, Written } from '../contract.ts'
import { Edit } from '../tree/edit.ts'
import type { ByteGate } from '../../lib/byte-gate.ts'
import type { Turns } from '../../lib/turns.ts'
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
  /** By path: those who change a part of a file. */
  readonly turns: Turns
}

/** Of records that are prepared by operations which need several. A batch has to fit. */
export const preparingBytesMax = 16 * 2 ** 20
/** Of buffers that uploads fill, when nobody uploads. */
export const restingRecordBytesMax = 16 * 2 ** 20
/** What one operation prepares beyond this leaves for the device at once: it would fill queue and log. */
const queuedBytesMax = 2 ** 20

/** Runs an operation; the reaper hears of what it unlinked. */
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
    // Only what the last run says counts.
    orphans = edit.orphans
    orphanBytes = edit.orphanBytes
    return result
  }, options)
  if (orphans > 0) context.reaper.heard(orphans, orphanBytes)
  return applied
}

/** As `runEdit`, at once. Null when something has to be waited for: the records are still the caller's. */
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

/** An extra on its way into an item. */
export interface PreparedExtra {
  readonly extra: EntryExtra
  readonly record: PreparedRecord | null
}

export const storeExtra = (edit: Edit, { extra, record }: PreparedExtra): StoredExtra =>
  record ? { inline: null, record: edit.use(record) } : inlineExtra(extra)

/**
 * What has been prepared for one operation: discarded when it is not run. `run` takes everything; after that the
 * engine discards what was not used, also when it fails.
 */
export class Preparation {
  private records: PreparedRecord[] = []
  private bytes = 0

  /** `floor`: what is prepared takes the place of at least as much, when it is not that of writes. */
  constructor(
    readonly context: Context,
    private readonly floor: SpaceFloor,
  ) {}

  async extra({ extra, extraBytes }: CheckedAttributes): Promise<PreparedExtra> {
    if (!extraBytes) return { extra, record: null }
    const records = await this.context.engine.prepare(extraBytes, this.floor)
    this.records.push(...records)
    assert(records.length === 1, 'one block is never cut')
    return { extra, record: records[0]! }
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
 * Prepares and runs; whatever fails in between, nothing stays prepared. `bytes` of records that are prepared one after
 * the other; 0 when there is only one, which waits for nobody once it is there.
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

/** The answer to an operation on one entry; `extra` when it is at hand. */
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
