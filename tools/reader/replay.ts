import { Damage } from './damage.ts'
import { type Log } from './log.ts'
import type { LogRecord } from './logrecord.ts'
import { type BlockPointer } from './pointers.ts'
import { Records } from './records.ts'
import type { Root } from './root.ts'
import { splitValue } from './values.ts'
import type { Blocks } from './blocks.ts'

/** What the log says in the end: the last outcome of every key, and the last write of every address. */
export class Outcome {
  readonly items = new Map<string, Uint8Array | undefined>()
  readonly writes = new Map<
    number,
    { pointer: BlockPointer; payload: Uint8Array | undefined; position: number }
  >()
  sequence: number
  counters: readonly number[]

  constructor(log: Log, root: Root) {
    this.sequence = root.sequence
    this.counters = root.counters
    for (const group of log.groups) {
      for (const record of group.records) {
        if (record.sequence > root.sequence) this.apply(record, group.position)
      }
    }
  }

  private apply(record: LogRecord, position: number): void {
    for (const { key, value } of record.changes) this.items.set(key, value)
    for (const { pointer, payload } of record.inline)
      this.writes.set(pointer.address, { pointer, payload, position })
    for (const pointer of record.named)
      this.writes.set(pointer.address, { pointer, payload: undefined, position })
    this.sequence = record.sequence
    this.counters = record.counters
  }
}

/**
 * Applies the log. A record of the outcome that the log names and that is not on the device ends the log at its group, and the
 * outcome is then that of the groups before.
 */
export function replay(blocks: Blocks, log: Log, root: Root): Outcome {
  for (;;) {
    const outcome = new Outcome(log, root)
    const missing = missingAt(blocks, outcome, root)
    if (missing === undefined) return outcome
    log.cut(missing)
  }
}

/** The position of the first group whose named or inline write the outcome needs and that has another sum. */
function missingAt(blocks: Blocks, outcome: Outcome, root: Root): number | undefined {
  const records = new Records(blocks, root)
  let first: number | undefined
  for (const value of outcome.items.values()) {
    for (const pointer of value === undefined ? [] : pointersOf(value, root)) {
      const write = outcome.writes.get(pointer.address)
      if (write === undefined || (first !== undefined && write.position >= first)) continue
      if (!isThere(records, pointer, write.payload)) first = write.position
    }
  }
  return first
}

function pointersOf(value: Uint8Array, root: Root): BlockPointer[] {
  try {
    return splitValue(value, root.checksumKind).pointers
  } catch (error) {
    if (error instanceof Damage) return []
    throw error
  }
}

function isThere(records: Records, pointer: BlockPointer, payload: Uint8Array | undefined): boolean {
  try {
    if (payload === undefined) records.read(pointer)
    else records.verify(pointer, payload)
    return true
  } catch (error) {
    if (error instanceof Damage) return false
    throw error
  }
}
