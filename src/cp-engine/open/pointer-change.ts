/**
 * Effect of an operation on block pointers: the prepared records that its items name now, and the runs that no item
 * names any more. A pointer that moved from one key to another is in neither list.
 *
 * Always true: no run is in two items, and a run that was in no item before comes from a prepared record.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { assert } from '../../lib/assert.ts'
import { valueRuns } from '../../format/pointer.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import type { PreparedRecord } from '../contract.ts'

interface ChangedValue {
  readonly value: Uint8Array | null
  readonly before: Uint8Array | null
}

/** A new record that took the place of another record in the value of the same key. */
export interface Replacement {
  readonly address: number
  readonly was: BlockRun
}

interface PointerChange {
  readonly used: readonly PreparedRecord[]
  readonly freed: readonly BlockRun[]
  readonly replaced: readonly Replacement[]
}

const noRuns: readonly BlockRun[] = []
const noReplaced: readonly Replacement[] = []

/** Compares the pointers before and after the operation; `given` are the records that the operation said it uses. */
export function pointerChange(
  items: readonly ChangedValue[],
  given: readonly PreparedRecord[],
  sums: ChecksumKind,
): PointerChange {
  return items.length === 1 ? ofOne(items[0]!, given, sums) : ofMany(items, given, sums)
}

/** The usual operation has at most two runs on either side, so no index is built to find the runs. */
function ofOne({ value, before }: ChangedValue, given: readonly PreparedRecord[], sums: ChecksumKind) {
  const olds = runsOf(before, sums)
  const news = runsOf(value, sums)
  assert(news.length < 2 || news[0]!.address !== news[1]!.address, 'no pointer is in two items')
  const used: PreparedRecord[] = []
  for (const record of given) {
    const { address } = record.pointer
    if (has(news, address) && !has(olds, address) && !used.includes(record)) used.push(record)
  }
  let moved = 0
  for (const { address } of news) if (has(olds, address)) moved++
  assert(used.length + moved === news.length, 'a new pointer comes from a prepared record')
  const freed = moved === 0 ? olds : olds.filter(({ address }) => !has(news, address))
  return { used, freed, replaced: replacedIn(olds, news, noReplaced) }
}

function has(runs: readonly BlockRun[], address: number): boolean {
  for (let i = 0; i < runs.length; i++) if (runs[i]!.address === address) return true
  return false
}

function ofMany(
  items: readonly ChangedValue[],
  given: readonly PreparedRecord[],
  sums: ChecksumKind,
): PointerChange {
  const before = new Map<number, BlockRun>()
  const after = new Set<number>()
  let replaced = noReplaced
  for (const item of items) {
    const olds = runsOf(item.before, sums)
    for (const run of olds) before.set(run.address, run)
    const news = runsOf(item.value, sums)
    for (const { address } of news) {
      assert(!after.has(address), 'no pointer is in two items')
      after.add(address)
    }
    replaced = replacedIn(olds, news, replaced)
  }
  // A later step of a batch may have replaced the pointer that an earlier step put.
  const used: PreparedRecord[] = []
  for (const record of given) {
    const { address } = record.pointer
    if (after.has(address) && !before.has(address)) {
      used.push(record)
      before.set(address, record.pointer)
    }
  }
  const freed: BlockRun[] = []
  for (const run of before.values()) if (!after.delete(run.address)) freed.push(run)
  assert(after.size === 0, 'a new pointer comes from a prepared record')
  return { used, freed, replaced }
}

function replacedIn(
  olds: readonly BlockRun[],
  news: readonly BlockRun[],
  known: readonly Replacement[],
): readonly Replacement[] {
  let replaced: Replacement[] | null = null
  for (let i = 0; i < news.length && i < olds.length; i++) {
    const { address } = news[i]!
    if (olds[i]!.address !== address) (replaced ??= [...known]).push({ address, was: olds[i]! })
  }
  return replaced ?? known
}

function runsOf(value: Uint8Array | null, sums: ChecksumKind): readonly BlockRun[] {
  if (!value || value[0] === 0) return noRuns
  const runs = valueRuns(value, sums)
  assert(runs, 'a value begins with its pointers')
  return runs
}
