/**
 * The plan for the log, made by an open before the open changes anything: the operations to replay, the end of the
 * log with its reason, and the loss when the operator accepts one. The open and the check use the same plan.
 *
 * - The log is an ordered prefix (I9). The first operation that cannot be kept ends the log, and everything from
 *   there on is lost: later operations may stand on the missing one, and an opened volume must be sound.
 * - A record that the log names is read past the page cache and verified before its operation is kept. The record was
 *   synced before the operation was acknowledged, so a wrong record is damage. Records that later operations have
 *   replaced do not count.
 * - Bytes that the device cannot read are an error of the device, since the next try may read them. Such bytes count
 *   as damage only when the operator accepts a loss, or asks about one.
 */
import type { LogGroupHead } from '../../format/disk/log-group.ts'
import type { LogRecord } from '../../format/disk/log-record.ts'
import type { Root } from '../../format/disk/root.ts'
import { blockBytes } from '../../format/geometry.ts'
import { type LogGroup, LogReader } from '../log/log-reader.ts'
import type { Volume } from '../volume/volume.ts'
import { NamedRecords } from './named-records.ts'
import { MergedLog, type ReplayPlan, type ReplayProblem, planReplay } from './replay.ts'

/**
 * State of the end of the log. Torn means that the last group is not whole, and that no program can tell whether the
 * group was ever acknowledged.
 */
export type LogState = 'clean' | 'torn' | 'damaged'

interface LogProblem {
  readonly kind: 'log-group' | 'log-operation' | 'log-record'
  /** Position of the group, in the endless numbering of bytes. */
  readonly position: number
  /** Sequence number of the operation; of the last operation before, when the operation itself is not known. */
  readonly sequence: number
  readonly address: number | null
  readonly message: string
}

/** Operations of one group that are not replayed. */
interface LostGroup {
  readonly position: number
  /** Sequence number of the group's first lost operation; 0 for an empty group. */
  readonly firstSequence: number
  /** Number of lost operations; null when the group is too damaged to tell. */
  readonly operations: number | null
}

type DamagedGroup = Pick<LogGroup, 'position' | 'damage'> & { readonly address: number }

export interface LogPlan {
  readonly plan: ReplayPlan
  readonly state: LogState
  /**
   * Number of groups that continue the root. The next three fields tell what an open replays of these groups; the
   * sequence numbers are null when there is no operation to replay.
   */
  readonly groups: number
  readonly operations: number
  readonly firstSequence: number | null
  readonly lastSequence: number | null
  readonly problems: readonly LogProblem[]
  readonly lost: readonly LostGroup[]
  /** Groups with damage that has cost nothing. */
  readonly damaged: readonly DamagedGroup[]
  /** Position of the last good group; null when there is none. */
  readonly lastPosition: number | null
  /** Position where the next opening goes on: behind all groups that this opening may have left. */
  readonly nextPosition: number
}

/** Findings of an open about the log. */
export interface RecoveryReport {
  /** Number of operations that the log had above the published root. */
  readonly replayed: number
  readonly log: LogState
  /** Groups that were given up; empty unless the operator accepted a loss. */
  readonly lost: readonly LostGroup[]
}

/** An operation of the log, and the position of its group. */
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

/** The lost operations by group: the first lost operation of each group, and how many of its operations are lost. */
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

/** Merges operations up to the first one that does not continue the operation before. */
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
  /** The damaged group and the groups behind it. */
  readonly lost: readonly LostGroup[]
  readonly nextPosition: number
}

async function readGroups(volume: Volume, acceptsUnreadable: boolean): Promise<FoundGroups> {
  const { device, geometry, superblock } = volume
  const { root } = volume.current()
  const reader = new LogReader(device, {
    geometry,
    volumeUuid: root.volumeUuid,
    sums: root.sums.kind,
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
    // A new group must not fall on the place of a group that is given up, nor count as its successor.
    nextPosition: Math.max(position, last.position + blockBytes),
  }
}

const lostGroup = ({ position, firstSequence, recordCount }: LogGroupHead): LostGroup => ({
  position,
  firstSequence,
  operations: recordCount,
})
