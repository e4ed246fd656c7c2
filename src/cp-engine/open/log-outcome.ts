/** The log record of an operation: the outcome of the operation in the engine's terms (docs/format.md). */
import { compareBytes } from '../../lib/bytes.ts'
import type { InlineWrite, LogRecord } from '../../format/disk/log-record.ts'
import type { BlockPointer } from '../../format/pointer.ts'
import type { Change } from './operation.ts'
import type { Added } from './operation-stream.ts'
import type { RecordIntake } from '../records/record-intake.ts'

interface Outcome {
  readonly change: Change
  readonly intake: RecordIntake
  /** The last sequence number before the operation. */
  readonly before: number
  readonly atMs: number
  readonly published: number
  /** Changes that the operation's stream has put into CPs that are not published yet; null without a stream. */
  readonly added: Added | null
}

export function logRecordOf({ change, intake, before, atMs, published, added }: Outcome): LogRecord {
  const inlineWrites: InlineWrite[] = []
  const namedWrites: BlockPointer[] = added ? added.records.map(({ pointer }) => pointer) : []
  for (const record of change.used) {
    const { pointer } = record
    if (intake.hasLeft(record)) namedWrites.push(pointer)
    else inlineWrites.push({ pointer, payload: intake.payloadOf(record) })
  }
  if (inlineWrites.length > 1) inlineWrites.sort((a, b) => a.pointer.address - b.pointer.address)
  if (namedWrites.length > 1) namedWrites.sort((a, b) => a.address - b.address)
  return {
    sequence: change.sequence,
    sequenceCount: change.sequence - before,
    // Steps of the stream that are published by now are in no log: without the CP that published them, the operation
    // would name a missing object.
    countedOnCp: added || namedWrites.length > 0 ? published : 0,
    atMs,
    counters: change.counters,
    changes: added ? merge(added.items, change.items) : change.items,
    inlineWrites,
    namedWrites,
  }
}

/** Merges both lists into one in key order, with only the last outcome of each key. */
function merge(hidden: Change['items'], items: Change['items']): Change['items'] {
  if (hidden.length === 0) return items
  const last = new Map<string, Change['items'][number]>()
  for (const item of [...hidden, ...items]) last.set(Buffer.from(item.key).toString('latin1'), item)
  return [...last.values()].sort((a, b) => compareBytes(a.key, b.key))
}
