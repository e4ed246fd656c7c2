/** The log record of an operation: its outcome in the engine's terms (DESIGN §6). */
import { compareBytes } from '../lib/bytes.ts'
import type { LogRecord } from '../format/log-record.ts'
import type { Change } from './operation.ts'
import type { Added } from './operation-stream.ts'
import type { RecordIntake } from './record-intake.ts'

export interface Outcome {
  readonly change: Change
  readonly intake: RecordIntake
  /** The last sequence number before the operation. */
  readonly before: number
  readonly atMs: number
  readonly published: number
  /** What its stream has put into CPs that are not published yet. */
  readonly added: Added | null
}

export function logRecordOf({ change, intake, before, atMs, published, added }: Outcome): LogRecord {
  const inline = change.used.filter((record) => !intake.hasLeft(record))
  const named = [...(added?.records ?? []), ...change.used.filter((record) => intake.hasLeft(record))]
  return {
    sequence: change.sequence,
    sequenceCount: change.sequence - before,
    countedOnCp: named.length > 0 ? published : 0,
    atMs,
    counters: change.counters,
    changes: merge(added?.items ?? [], change.items),
    inlineWrites: inline
      .map((record) => ({ pointer: record.pointer, payload: intake.payloadOf(record) }))
      .sort((a, b) => a.pointer.address - b.pointer.address),
    namedWrites: named.map(({ pointer }) => pointer).sort((a, b) => a.address - b.address),
  }
}

/** Each key once, the last outcome of it, in key order. */
function merge(hidden: Change['items'], items: Change['items']): Change['items'] {
  if (hidden.length === 0) return items
  const last = new Map<string, Change['items'][number]>()
  for (const item of [...hidden, ...items]) last.set(Buffer.from(item.key).toString('latin1'), item)
  return [...last.values()].sort((a, b) => compareBytes(a.key, b.key))
}
