/**
 * Operations are gathered, then applied. Gathering may wait for nodes, for space, for room in the log, and for the
 * sync of large records. Then one synchronous attempt runs the operation again from the start, and applies the
 * operation when nothing is missing. No other code runs between the last look at the open tree and the end of the
 * change.
 */
import type { Clock } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import { logRecordBytes } from '../../format/disk/log-record.ts'
import type { LogRecord } from '../../format/disk/log-record.ts'
import { labelMs } from '../../format/position.ts'
import type { Applied, PreparedRecord, RecordStream, RunOptions, SpaceFloor, Tx } from '../contract.ts'
import type { DataSync } from '../volume/data-sync.ts'
import type { IntentLog } from '../log/intent-log.ts'
import { logRecordOf } from './log-outcome.ts'
import { lookOnce } from '../tree/looking.ts'
import { NotLoaded } from '../tree/node-cache.ts'
import type { OpenState } from './open-state.ts'
import { OperationTx, givesBack } from './operation.ts'
import type { Change, GivenRecords } from './operation.ts'
import { type Added, OperationStream } from './operation-stream.ts'
import type { Space } from '../space/space.ts'
import type { Volume } from '../volume/volume.ts'

interface OperationsParts {
  readonly volume: Volume
  readonly clock: Clock
  readonly state: OpenState
  readonly space: Space
  readonly log: IntentLog
  readonly dataSync: DataSync
  /** Throws when the engine is poisoned or fenced. */
  assertWritable(): void
  /** True when the open tree is too large: operations wait until a CP has made the tree smaller. */
  isThrottled(): boolean
  untilSmaller(): Promise<void>
  /** Resolves when a CP has made room in the log. */
  makeLogRoom(): Promise<void>
  /** The CP that carries, or will carry, the present state of the open tree. */
  carrier(): number
  /** Called when an operation was applied. */
  applied(): void
  poison(error: unknown): void
}

interface Needs {
  readonly blocks: number
  readonly floor: SpaceFloor
}

type Attempt<T> =
  | { readonly applied: Applied<T>; readonly change: Change }
  | { readonly applied: null; readonly needs: Needs | 'log room' }

const noRecords: Set<PreparedRecord> = new Set()
const noOptions: RunOptions = {}

export class Operations {
  constructor(private readonly parts: OperationsParts) {}

  run<T>(operation: (tx: Tx) => T, options: RunOptions = {}): Promise<Applied<T>> {
    return this.gather(operation, options, false)
  }

  /** Does the same as `run` when there is nothing to wait for; otherwise returns null, and nothing has happened. */
  runNow<T>(operation: (tx: Tx) => T, records: readonly PreparedRecord[]): Applied<T> | null {
    const { intake } = this.parts.state
    const given: GivenRecords = { has: (record) => records.includes(record) }
    let isTaken = true
    let used: readonly PreparedRecord[] = []
    try {
      const mustWait = this.parts.isThrottled() || records.some((record) => intake.hasLeft(record))
      const attempt = mustWait ? null : lookOnce(() => this.attempt(operation, noOptions, given, false))
      if (attempt === null || attempt instanceof NotLoaded || !attempt.applied) {
        isTaken = false
        return null
      }
      used = attempt.change.used
      return attempt.applied
    } finally {
      if (isTaken) for (const record of records) if (!used.includes(record)) intake.discard(record)
    }
  }

  async runHidden<T>(operation: (tx: Tx) => T, options: RunOptions = {}): Promise<T> {
    return (await this.gather(operation, options, true)).result
  }

  /**
   * Opens a stream, see RecordStream. The changes of the stream are remembered until a published CP has them, for the
   * log record of the operation that names the object.
   */
  openStream(): RecordStream {
    const { state } = this.parts
    const stream = new OperationStream(async (change, records) => {
      for (const record of records) state.intake.leaveNow(record)
      const { applied, change: added } = await this.gatherChange(change, { records }, true)
      stream.added(applied.cp, added, this.parts.volume.current().root.cp)
    })
    return stream
  }

  private async gather<T>(
    operation: (tx: Tx) => T,
    options: RunOptions,
    isHidden: boolean,
  ): Promise<Applied<T>> {
    return (await this.gatherChange(operation, options, isHidden)).applied
  }

  private async gatherChange<T>(
    operation: (tx: Tx) => T,
    options: RunOptions,
    isHidden: boolean,
  ): Promise<{ applied: Applied<T>; change: Change }> {
    const { volume, space, state } = this.parts
    const looking = volume.looking()
    const unused = options.records?.length ? new Set(options.records) : noRecords
    try {
      if (!isHidden && this.hasLeft(options)) await this.syncWhatHasLeft(options)
      for (;;) {
        if (this.parts.isThrottled()) {
          looking.end()
          await this.parts.untilSmaller()
        }
        // Usually every node is in memory, and nothing waits from here to the end of the change.
        const attempt = looking.once(() => this.attempt(operation, options, unused, isHidden))
        if (attempt instanceof NotLoaded) await looking.load(attempt)
        else if (attempt.applied) {
          for (const record of attempt.change.used) unused.delete(record)
          return attempt
        } else {
          // The CP that makes room may need nodes as well.
          looking.end()
          if (attempt.needs === 'log room') await this.parts.makeLogRoom()
          else await space.ensure(attempt.needs.blocks, attempt.needs.floor)
        }
      }
    } finally {
      looking.end()
      for (const record of unused) state.intake.discard(record)
    }
  }

  private hasLeft({ records = [], stream }: RunOptions): boolean {
    return stream !== undefined || records.some((record) => this.parts.state.intake.hasLeft(record))
  }

  /** Syncs records that the log will name by pointer, since the log may name only durable records. */
  private async syncWhatHasLeft({ records = [], stream }: RunOptions): Promise<void> {
    const { state, dataSync } = this.parts
    const left: Pick<PreparedRecord, 'pointer'>[] = records.filter((record) => state.intake.hasLeft(record))
    if (stream) left.push(...this.unpublished(stream).records)
    if (left.length === 0) return
    try {
      await state.intake.written(left)
      await dataSync.sync()
    } catch (error) {
      this.parts.poison(error)
      this.parts.assertWritable()
    }
  }

  private attempt<T>(
    operation: (tx: Tx) => T,
    options: RunOptions,
    records: GivenRecords,
    isHidden: boolean,
  ): Attempt<T> {
    const { state, space, log, volume } = this.parts
    this.parts.assertWritable()
    // From here on every node stays that the look has seen.
    volume.nodes.trim()
    const tx = new OperationTx(state.tree.reader, this.facts(isHidden), records)
    const result = operation(tx)
    const change = tx.finish()
    if (!change.isChange)
      return { applied: { result, cp: this.parts.carrier(), sequence: state.sequence }, change }

    const record = isHidden ? null : this.recordOf(change, options)
    let recordBytes = 0
    if (record) {
      recordBytes = logRecordBytes(record, volume.current().root.sums.kind)
      if (!log.canEverHold(recordBytes)) {
        // After a CP, the log record of this operation no longer has to hold the changes of the stream.
        if (options.stream && this.unpublished(options.stream).items.length > 0)
          return { applied: null, needs: 'log room' }
        throw new StillpointError('too-large', `an operation of ${recordBytes} bytes does not fit the log`)
      }
      if (!log.hasRoom(recordBytes)) return { applied: null, needs: 'log room' }
    }
    const keys = change.items.map((item) => item.key)
    state.tree.ready(keys)
    let puts = 0
    for (const { value } of change.items) if (value) puts++
    const blocks = state.tree.nodesWorstCase(keys.length, puts)
    const { floor: asked = 'write' } = options
    if (space.available(asked) < blocks) {
      // An operation that gives back as much as it takes must not stop before deletes do.
      const floor = asked === 'write' && givesBack(change) ? 'delete' : asked
      if (space.available(floor) < blocks) return { applied: null, needs: { blocks, floor } }
    }

    const { cp } = state
    try {
      state.apply(change)
      if (record) log.append(record, recordBytes)
    } catch (error) {
      // Half an operation is in memory: this is a bug, and no state of this process may be believed any more.
      this.parts.poison(error)
      throw error
    }
    this.parts.applied()
    return { applied: { result, cp, sequence: change.sequence }, change }
  }

  private unpublished(stream: RecordStream): Added {
    return OperationStream.of(stream).unpublished(this.parts.volume.current().root.cp)
  }

  private recordOf(change: Change, { stream }: RunOptions): LogRecord {
    const { state, volume, clock } = this.parts
    return logRecordOf({
      change,
      intake: state.intake,
      before: state.sequence,
      atMs: labelMs(clock),
      published: volume.current().root.cp,
      added: stream ? this.unpublished(stream) : null,
    })
  }

  private facts(isHidden: boolean) {
    const { state, volume, clock } = this.parts
    const { epoch, opening } = volume.superblock
    return {
      cp: state.cp,
      nowMs: labelMs(clock),
      epoch: epoch.number,
      opening,
      sequence: state.sequence,
      counters: state.counters,
      sums: volume.current().root.sums.kind,
      isHidden,
    }
  }
}
