/**
 * What an open does with the log, before it does anything: which operations it replays, where the log ends and why, and
 * what is lost when the operator accepts a loss. The open and the check ask the same.
 *
 * - The log is an ordered prefix (I9): the first operation that cannot be kept ends it, and everything from there on is
 *   lost. What comes later may stand on what is missing, and a volume that is opened is sound.
 * - A record that the log names is read past the page cache and verified before its operation is kept: it was synced
 *   before the operation was acknowledged, so a wrong one is damage. Those that later operations have replaced do not count.
 * - What the device cannot read is an error of the device, since the next try may read it, and damage only when a loss is
 *   accepted, or asked about.
 */
import type { LogGroupHead } from '../../format/disk/log-group.ts'
import type { LogRecord } from '../../format/disk/log-record.ts'
import type { Root } from '../../format/disk/root.ts'
import { blockBytes } from '../../format/geometry.ts'
import { type LogGroup, LogReader } from '../log/log-reader.ts'
import type { Volume } from '../volume/volume.ts'
import { NamedRecords } from './named-records.ts'
import { MergedLog, type ReplayPlan, type ReplayProblem, planReplay } from './replay.ts'

/** Torn: the last group is not whole, and nobody can say whether it was ever acknowledged. */
export type LogState = 'clean' | 'torn' | 'damaged'

interface LogProblem {
  readonly kind: 'log-group' | 'log-operation' | 'log-record'
  /** Of the group, in the endless numbering of bytes. */
  readonly position: number
  /** Of the last operation before, when the operation itself is not known. */
  readonly sequence: number
  readonly address: number | null
  readonly message: string
}

/** Operations of one group that are not replayed. */
interface LostGroup {
  readonly position: number
  /** 0 of an empty group. */
  readonly firstSequence: number
  /** Null: the group says nothing any more. */
  readonly operations: number | null
}

type DamagedGroup = Pick<LogGroup, 'position' | 'damage'> & { readonly address: number }

export interface LogPlan {
  readonly plan: ReplayPlan
  readonly state: LogState
  /** Groups that continue the root, and what an open replays of them; null: no operation. */
  readonly groups: number
  readonly operations: number
  readonly firstSequence: number | null
  readonly lastSequence: number | null
  readonly problems: readonly LogProblem[]
  readonly lost: readonly LostGroup[]
  /** Groups with damage that has cost nothing. */
  readonly damaged: readonly DamagedGroup[]
  /** Of the last good group; null without any. */
  readonly lastPosition: number | null
  /** Where the next opening goes on: behind everything that this one may have left. */
  readonly nextPosition: number
}

/** What an open has found in the log. */
export interface RecoveryReport {
  /** Operations that the log had above the published root. */
  readonly replayed: number
  readonly log: LogState
  /** What was given up; empty unless the operator accepted a loss. */
  readonly lost: readonly LostGroup[]
}

/** An operation of the log, and the group that it is in. */
interface Logged {
  readonly record: LogRecord
  readonly position: number
}

export async function planLog(volume: Volume, acceptsUnreadable: boolean): Promise<LogPlan> {
  const { root } = volume.current()
  const found = await readGroups(volume, acceptsUnreadable)
  const problems = found.problem ? [found.problem] : []
  const all = found.groups.flatMap(({ records, position }) => records.map((record) => ({ record, position })))
  const { refused } = merged(all, root)
  if (refused) problems.unshift(refused)
  let kept = refused ? all.findIndex(({ record }) => record.sequence === refused.sequence) : all.length
  const named = new NamedRecords(volume, acceptsUnreadable)
  for (;;) {
    const { plan, problems: wrong } = await planReplay(merged(all.slice(0, kept), root).log, volume)
    const damaged = await named.damaged(plan.born)
    const bad = [...wrong, ...damaged]
    if (bad.length === 0) {
      const replayed = all.slice(0, kept).filter(({ record }) => record.sequence > root.sequence)
      return {
        plan,
        state: problems.length > 0 ? 'damaged' : found.isTorn ? 'torn' : 'clean',
        groups: found.groups.length,
        operations: plan.operations,
        firstSequence: replayed[0] ? firstOf(replayed[0].record) : null,
        lastSequence: replayed.at(-1)?.record.sequence ?? null,
        problems,
        lost: [...lostOperations(all.slice(kept)), ...found.lost],
        damaged: found.damaged,
        lastPosition: found.groups.at(-1)?.position ?? null,
        nextPosition: found.nextPosition,
      }
    }
    const told = [
      ...wrong.map((problem) => placed(problem, 'log-operation', all)),
      ...damaged.map((problem) => placed(problem, 'log-record', all)),
    ]
    problems.unshift(...told.toSorted((a, b) => a.sequence - b.sequence))
    const first = Math.min(...bad.map(({ sequence }) => sequence))
    kept = all.findIndex(({ record }) => record.sequence === first)
  }
}

/** Where each begins that is not replayed, and how many there are of its group. */
function lostOperations(operations: readonly Logged[]): LostGroup[] {
  const lost = new Map<number, LostGroup>()
  for (const { record, position } of operations) {
    const { firstSequence, operations: before } = lost.get(position) ?? {}
    lost.set(position, {
      position,
      firstSequence: firstSequence ?? firstOf(record),
      operations: (before ?? 0) + 1,
    })
  }
  return [...lost.values()]
}

/** Up to the first that does not continue the one before. */
function merged(operations: readonly Logged[], root: Root): { log: MergedLog; refused: LogProblem | null } {
  const log = new MergedLog(root.cp, root.sequence)
  for (const { record, position } of operations) {
    if (log.add(record)) continue
    const { sequence, countedOnCp } = record
    const message =
      countedOnCp > root.cp
        ? `operation ${sequence} counts on cp ${countedOnCp}, which is not there`
        : `operation ${firstOf(record)} does not follow operation ${log.sequence}`
    return { log, refused: { kind: 'log-operation', position, sequence, address: null, message } }
  }
  return { log, refused: null }
}

const firstOf = ({ sequence, sequenceCount }: LogRecord): number => sequence - sequenceCount + 1

function placed(
  { sequence, address, message }: ReplayProblem,
  kind: LogProblem['kind'],
  all: readonly Logged[],
): LogProblem {
  const { position } = all.find(({ record }) => record.sequence === sequence)!
  return { kind, position, sequence, address, message: `operation ${sequence}: ${message}` }
}

interface FoundGroups {
  readonly groups: readonly LogGroup[]
  readonly isTorn: boolean
  readonly damaged: readonly DamagedGroup[]
  readonly problem: LogProblem | null
  /** The damaged group and those behind it. */
  readonly lost: readonly LostGroup[]
  readonly nextPosition: number
}

async function readGroups(volume: Volume, acceptsUnreadable: boolean): Promise<FoundGroups> {
  const { device, geometry, superblock } = volume
  const { root } = volume.current()
  const reader = new LogReader(device, {
    geometry,
    volumeUuid: root.volumeUuid,
    kind: root.sums.kind,
    acceptsUnreadable,
  })
  const groups: LogGroup[] = []
  for await (const group of reader.groups(superblock.log)) groups.push(group)
  const end = groups.at(-1)?.end ?? superblock.log
  const { position } = end
  const damaged = groups
    .filter(({ damage }) => damage !== null)
    .map(({ position: at, damage }) => ({ position: at, damage, address: reader.addressOf(at) }))
  const behind = await reader.headsBehind(end)
  const atEnd = await reader.endAt(end)
  const isUnreadable = !atEnd.isWhole && !atEnd.isReadable
  if (behind.length === 0 && !isUnreadable)
    return { groups, isTorn: !atEnd.isWhole, damaged, problem: null, lost: [], nextPosition: position }
  const before = groups.findLast(({ records }) => records.length > 0)?.records.at(-1)?.sequence ?? 0
  const sequence = Math.max(before, root.sequence)
  const what = isUnreadable ? 'cannot be read' : 'was synced and is damaged'
  const message = `the group behind operation ${sequence} ${what}`
  const head = atEnd.isWhole ? null : atEnd.head
  const atItself = head ? lostGroup(head) : { position, firstSequence: sequence + 1, operations: null }
  const last = behind.at(-1) ?? atItself
  return {
    groups,
    isTorn: false,
    damaged,
    problem: { kind: 'log-group', position, sequence, address: reader.addressOf(position), message },
    lost: [atItself, ...behind.map(lostGroup)],
    // A new group must not fall on the place of one that is given up, nor be taken for its successor.
    nextPosition: Math.max(position, last.position + blockBytes),
  }
}

const lostGroup = ({ position, firstSequence, recordCount }: LogGroupHead): LostGroup => ({
  position,
  firstSequence,
  operations: recordCount,
})
