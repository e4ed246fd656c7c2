/**
 * The counters that the root carries for the file system.
 *
 * - All counters but the next id count items of the tree, so `item-check` can count again. An unlinked item is
 *   counted until the reaper has taken that item.
 * - Only operations change these counts: hidden steps are not replayed from the log, and would be counted twice.
 * - An id is never given twice, so the next id may run ahead of the ids in use.
 */
import type { Tx } from '../../cp-engine/contract.ts'
import { rootDirectoryId } from '../../format/items/item-keys.ts'
import { assert } from '../../lib/assert.ts'
import { StillpointError } from '../../lib/errors.ts'

export const counters = {
  /** Directories and objects share the ids; an orphan keeps the id of its directory or object. */
  nextId: 0,
  files: 1,
  directories: 2,
  links: 3,
  /** Sum of the sizes of all files. */
  fileBytes: 4,
} as const

export type Counted = Exclude<keyof typeof counters, 'nextId'>

export function count(tx: Tx, counted: Counted, by: number): void {
  if (by === 0) return
  const value = tx.counter(counters[counted]) + by
  if (!Number.isSafeInteger(value))
    throw new StillpointError('too-large', 'the files together would be larger than 2^53 bytes')
  assert(value >= 0, `there are not fewer than no ${counted}`)
  tx.setCounter(counters[counted], value)
}

/** Returns the id that a volume with this counter gives next. */
export const nextIdOf = (counter: number): number => Math.max(counter, rootDirectoryId + 1)

export function takeId(tx: Tx): number {
  const id = nextIdOf(tx.counter(counters.nextId))
  tx.setCounter(counters.nextId, id + 1)
  return id
}
