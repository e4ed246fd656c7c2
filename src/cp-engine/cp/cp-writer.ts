/**
 * The writer takes one CP: the writer seals the open state, writes the sealed state by the steps of
 * consistency-point.ts, publishes the CP, and gives back the blocks that only this CP kept. A seal is synchronous,
 * and one CP is written at a time.
 */
import { assert } from '../../lib/assert.ts'
import type { Clock } from '../../lib/clock.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { LogStart } from '../../format/disk/superblock.ts'
import type { Allocator } from '../space/allocator.ts'
import { buildTrees, epochsAt, sendCommands, syncBlocks } from './consistency-point.ts'
import type { CpContext, Maps, SealedCp } from './consistency-point.ts'
import type { CpCause, CpObserver, CpPublished, WriteCommand } from '../contract.ts'
import type { DataSync } from '../volume/data-sync.ts'
import type { IntentLog } from '../log/intent-log.ts'
import { NodeBuffers } from '../tree/node-buffers.ts'
import type { OpenState } from '../open/open-state.ts'
import type { Volume } from '../volume/volume.ts'
import type { WriteQueue } from '../records/write-queue.ts'

/** Values that first appear in a superblock with the CP that ends a recovery. */
export interface Opening {
  readonly opening: number
  readonly firstCp: number
  readonly log: LogStart
}

interface CpWriterParts {
  readonly volume: Volume
  readonly clock: Clock
  readonly allocator: Allocator
  readonly state: OpenState
  readonly queue: WriteQueue
  readonly log: IntentLog
  readonly dataSync: DataSync
  /** Maps of the published root. */
  readonly maps: Maps
  /** Throws once a write or a sync of any caller has failed. */
  assertAlive(): void
}

export class CpWriter {
  private readonly observers = new Set<CpObserver>()
  private readonly nodeBuffers = new NodeBuffers()
  private maps: Maps
  private writing: SealedCp | null = null
  /** Opening that the superblock of the recovery's CP begins; null once this CP is published. */
  private opening: Opening | null = null

  constructor(private readonly parts: CpWriterParts) {
    this.maps = parts.maps
  }

  get writingCp(): number | null {
    return this.writing?.cp ?? null
  }

  /** Number of blocks that the published root and the CP that is being written use. */
  usedBlocks(): number {
    return this.maps.used.count() + (this.writing?.blocks.growth ?? 0)
  }

  observe(observer: CpObserver): () => void {
    this.observers.add(observer)
    return () => this.observers.delete(observer)
  }

  /** Notes that the next CP ends a recovery, and that its superblock begins this opening. */
  beginWith(opening: Opening): void {
    this.opening = opening
  }

  /** Seals at once; resolves when the CP is published. */
  take(cause: CpCause): Promise<void> {
    return this.write(this.seal(cause))
  }

  private seal(cause: CpCause): SealedCp {
    assert(!this.writing, 'a CP is sealed only when none is being written')
    const previous = this.parts.volume.current()
    const { epoch, opening } = this.parts.volume.superblock
    const logMark = this.parts.log.mark()
    const sealed = this.parts.state.seal()
    const { cp } = sealed.blocks
    const writing: SealedCp = {
      ...sealed,
      cp,
      cause,
      superblock: this.opening ?? { log: logMark },
      facts: {
        ...previous.root,
        epochs: epochsAt(cp, previous, epoch),
        counters: sealed.counters,
        sequence: sealed.sequence,
        opening: this.opening?.opening ?? opening,
        previousHash: previous.hash,
        snapshotName: null,
      },
    }
    this.writing = writing
    for (const observer of this.observers) observer.sealed(cp)
    return writing
  }

  private async write(sealed: SealedCp): Promise<void> {
    const context: CpContext = {
      device: this.parts.volume.device,
      clock: this.parts.clock,
      maps: this.maps,
      nodeBuffers: this.nodeBuffers,
      previous: this.parts.volume.current(),
      allocateMapBlock: () => this.allocateMapBlock(),
      giveBackMapBlock: (address) => this.parts.allocator.giveBack({ address, blocks: 1 }),
      leaving: (cp, commands) => this.leaving(cp, commands),
      sync: () => this.parts.dataSync.sync(),
    }
    const now = () => this.parts.clock.monotonic()
    const sealedAt = now()
    let sentAt = sealedAt
    const sending = sendCommands(sealed, context).then(() => (sentAt = now()))
    const building = buildTrees(sealed, context, sending)
    // After this wait neither promise is still running, also when one of them fails.
    await Promise.allSettled([sending, building])
    const built = await building
    const builtAt = now()
    await syncBlocks(sealed, context)
    // A record that left early may have failed before the seal, when no write of the record was under way any more.
    this.parts.assertAlive()
    const event: CpPublished = {
      published: built.published,
      cause: sealed.cause,
      blocksWritten: built.blocksWritten,
      bytesWritten: built.blocksWritten * blockBytes,
      coalesced: sealed.coalesced,
      phases: {
        send: sentAt - sealedAt,
        build: builtAt - sentAt,
        commit: now() - builtAt,
      },
    }
    await this.parts.volume.publish(event, built.maps.used, sealed.superblock)
    this.opening = null
    this.maps = built.maps
    sealed.tree.written()
    this.parts.queue.written()
    this.parts.log.published(sealed.sequence, sealed.superblock.log)
    this.writing = null
    for (const run of sealed.blocks.spent)
      this.parts.volume.readers.afterCurrent(() => this.parts.allocator.giveBack(run))
    for (const observer of this.observers) observer.published(event)
  }

  private allocateMapBlock(): number {
    const address = this.parts.allocator.take('map', 1)
    assert(address !== null, 'the last floor of space covers a CP that dirties every map page')
    this.parts.state.forget(address, 1)
    return address
  }

  /** Shows the commands to the mirrors, at the same time as to the device. True when a mirror has kept the bytes. */
  leaving(cp: number, commands: readonly WriteCommand[]): boolean {
    let isKept = false
    for (const observer of this.observers) isKept = observer.leaving(cp, commands) || isKept
    return isKept
  }
}
