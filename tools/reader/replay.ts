import type { Blocks } from './blocks.ts'
import { equal } from './bytes.ts'
import { Damage } from './damage.ts'
import type { Items } from './items.ts'
import type { Log } from './log.ts'
import type { LogRecord } from './logrecord.ts'
import type { BlockPointer } from './pointers.ts'
import { Records } from './records.ts'
import type { Root } from './root.ts'
import { splitValue } from './values.ts'

interface Change {
  readonly value: Uint8Array | undefined
  /** Of the operation that made it the outcome. */
  readonly sequence: number
}

interface Write {
  readonly pointer: BlockPointer
  /** `undefined`: the record is named, and on the device already. */
  readonly payload: Uint8Array | undefined
}

/** What operations come to: the last outcome of every key, and the last write of every address. */
export class Outcome {
  readonly changes = new Map<string, Change>()
  readonly writes = new Map<number, Write>()
  sequence: number
  counters: readonly number[]

  constructor(root: Root) {
    this.sequence = root.sequence
    this.counters = root.counters
  }

  get items(): Map<string, Uint8Array | undefined> {
    return new Map(Array.from(this.changes, ([key, { value }]) => [key, value]))
  }

  apply(record: LogRecord): void {
    const { sequence } = record
    for (const { key, value } of record.changes) this.changes.set(key, { value, sequence })
    for (const { pointer, payload } of record.inline) this.writes.set(pointer.address, { pointer, payload })
    for (const pointer of record.named) this.writes.set(pointer.address, { pointer, payload: undefined })
    this.sequence = sequence
    this.counters = record.counters
  }
}

/** Applies the log to the items of its root, up to the first operation that cannot be kept; `log` hears where that is. */
export function replay(blocks: Blocks, log: Log, root: Root, items: Items): Outcome {
  for (;;) {
    const outcome = merged(log, root)
    const wrong = firstWrong(blocks, outcome, root, items)
    if (wrong === undefined) return outcome
    log.cutAt(wrong)
  }
}

function merged(log: Log, root: Root): Outcome {
  const outcome = new Outcome(root)
  for (const { record } of log.operations) {
    if (record.sequence <= root.sequence) continue
    if (record.sequence - record.sequenceCount !== outcome.sequence || record.countedOnCp > root.cp) {
      log.cutAt(record.sequence)
      break
    }
    outcome.apply(record)
  }
  return outcome
}

/** The sequence of the first operation of which the outcome needs a record that is not there, or has another sum. */
function firstWrong(blocks: Blocks, outcome: Outcome, root: Root, items: Items): number | undefined {
  const before = new Set<number>()
  for (const key of outcome.changes.keys()) {
    for (const { address } of pointersOf(items.get(key), root)) before.add(address)
  }
  const records = new Records(blocks, root)
  let first: number | undefined
  for (const { value, sequence } of outcome.changes.values()) {
    if (first !== undefined && sequence >= first) continue
    for (const pointer of pointersOf(value, root)) {
      if (!before.has(pointer.address) && !isThere(records, pointer, outcome.writes.get(pointer.address)))
        first = sequence
    }
  }
  return first
}

function pointersOf(value: Uint8Array | undefined, root: Root): BlockPointer[] {
  return value === undefined ? [] : splitValue(value, root.checksumKind).pointers
}

function isThere(records: Records, pointer: BlockPointer, write: Write | undefined): boolean {
  if (write === undefined || !equal(write.pointer.sum, pointer.sum)) return false
  try {
    if (write.payload === undefined) records.verifyOnDevice(pointer)
    else records.verify(pointer, write.payload)
    return true
  } catch (error) {
    if (error instanceof Damage) return false
    throw error
  }
}
