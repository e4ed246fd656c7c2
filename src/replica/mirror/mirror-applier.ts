/**
 * A mirror's end of mirroring on a real volume: asks `Applier` for the actions on each frame and executes them.
 *
 * - Actions are started in the order in which they were decided; a slow action answers with an event.
 * - I2, I7: the superblock is written after a sync that covers every block of the root, and all these blocks are
 *   verified.
 * - After a failed write or sync the mirror accepts nothing and publishes nothing any more; the process should end.
 */
import { assert, unreachable } from '../../lib/assert.ts'
import type { Clock } from '../../lib/clock.ts'
import { Breaks } from '../../lib/breaks.ts'
import { type Random, formatUuid, newUuid, parseUuid } from '../../lib/random.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import { heldBlocks } from '../../cp-engine/volume/held-blocks.ts'
import type { SpaceMap } from '../../cp-engine/space/space-map.ts'
import type { Volume } from '../../cp-engine/volume/volume.ts'
import { blockBytes, fixedPart, rootsHeldMax } from '../../format/geometry.ts'
import { type BlockSource, type MirrorStatus, isFrom, wantsPerFrameMax } from '../../format/wire/messages.ts'
import { Lag } from '../link/lag.ts'
import { encodeFrame } from '../../format/wire/frames.ts'
import { Applier } from './applier.ts'
import type { Adoption, ApplierAction, ApplierEvent, ApplierFacts } from './applier-events.ts'
import type { ReceivedFrame } from '../link/frame-stream.ts'
import type { BlockSet } from '../link/block-set.ts'
import { MirrorSpace } from './mirror-space.ts'
import { patchedRuns } from './patched-runs.ts'
import { Presence } from './presence.ts'
import type { Transfer } from '../link/transfer-log.ts'
import { TransferLog } from '../link/transfer-log.ts'
import { verifyTarget } from './verification.ts'
import { WritePipeline } from '../link/write-pipeline.ts'
import { Turn } from '../../lib/gates/turns.ts'

interface MirrorApplierOptions {
  readonly clock: Clock
  /** Source of the names of sessions. */
  readonly random: Random
  /** Limit for received blocks that wait for the device, in bytes; above the limit `receive` waits. */
  readonly queueBytesMax: number
  /** Called once, after a failed write or sync. */
  readonly onFailed?: (error: unknown) => void
  /**
   * The mirror keeps too many roots: the listener ends the readers of this root, the oldest, or of the oldest root
   * that has readers.
   */
  readonly onTooManyRoots?: (root: PublishedRoot) => void
  /** Space is short, on the primary or here: the listener ends the readers that have kept a root for long. */
  readonly onSpaceShort?: () => void
  readonly onTransfer?: (transfer: Transfer) => void
  /** A primary has made this side a mirror of its volume, or has begun another epoch of the volume. */
  readonly onAdopted?: (volume: string, epoch: number) => void
}

interface OwnLag {
  readonly lagCps: number
  /** Since the mirror has first heard of a consistency point that it lacks. */
  readonly lagMs: number
  /** Bytes of blocks that are still to come. */
  readonly bytes: number
  readonly operations: number
}

/** Limit for answers that wait. Above the limit the oldest are dropped: the mirror repeats an answer that matters. */
const answersMax = 256

export class MirrorApplier {
  private readonly applier: Applier
  private readonly pipeline: WritePipeline
  private readonly presence = new Presence()
  private readonly space: MirrorSpace
  /** Blocks of the root whose superblock is being written. */
  private publishing: BlockSet | null = null
  private readonly transfers = new TransferLog()
  private readonly clock: Clock
  private answers: Uint8Array[] = []
  private readonly listeners = new Set<() => void>()
  /** The used map of the target that has been found complete. */
  private verified: SpaceMap | null = null
  private readonly running = new Set<Promise<void>>()
  private blocksSincePublished = 0
  private lastHeardMs: number | null = null
  private readonly receiving = new Turn()
  private readonly breaks: Breaks
  /** The CP that the primary has published, according to the primary's last hello, poll or offer. */
  private primaryCp = 0
  private readonly lag = new Lag()
  private isClosed = false
  private hasFailed = false

  constructor(
    private readonly volume: Volume,
    private readonly options: MirrorApplierOptions,
  ) {
    assert(volume.superblock.role === 'mirror', 'an applier stands on a mirror')
    this.clock = options.clock
    this.breaks = new Breaks(options.clock)
    this.pipeline = new WritePipeline(volume.device, options.queueBytesMax, {
      provide: (runs) => this.space.provide(runs),
      onNoSpace: (bytes) =>
        this.feed({ kind: 'no-space', bytesLacking: Math.max(bytes, this.space.lacking()) }),
      onFailed: (error) => this.fail(error),
    })
    this.space = new MirrorSpace({
      volume,
      presence: this.presence,
      clock: options.clock,
      claimed: () => this.publishing ?? this.applier.claimsOf(),
      isPending: (address, blocks) => this.pipeline.isPending(address, blocks),
    })
    this.applier = new Applier(factsOf(volume, options.random), this.presence, {
      rootsMax: rootsHeldMax - 1,
      wantsMax: wantsPerFrameMax,
      wantsPerBlockMax: 4,
    })
  }

  /**
   * Resolves when there is room for the next frame. Frames are taken one at a time, whichever request brings them:
   * otherwise each request could put one frame too many into the queue, and the base blocks of a patch have to be
   * read.
   */
  receive(frame: ReceivedFrame): Promise<void> {
    this.lastHeardMs = this.clock.monotonic()
    return this.receiving.within(() => this.take(frame))
  }

  private async take(frame: ReceivedFrame): Promise<void> {
    if (this.isClosed) return
    this.count(frame)
    this.feed({ kind: 'frame', frame: await this.patched(frame) })
    await this.pipeline.room()
    await this.breaks.maybe()
  }

  private count({ message, bytes }: ReceivedFrame): void {
    if (!isFrom('primary', message)) return
    const nowMs = this.clock.monotonic()
    switch (message.kind) {
      case 'hello':
      case 'poll':
        return this.heardOf(message.cp)
      case 'blocks':
      case 'patches': {
        const blocks = message.runs.reduce((sum, run) => sum + run.blocks, 0)
        return this.transfers.sent(message.source, message.cp, blocks, bytes, nowMs)
      }
      case 'offer':
        this.heardOf(Math.max(message.cp, this.primaryCp))
        return this.transfers.sent(null, message.cp, 0, bytes, nowMs)
      default:
        return unreachable(message)
    }
  }

  private heardOf(cp: number): void {
    if (cp > this.primaryCp) this.lag.published(cp, this.clock.monotonic())
    this.primaryCp = cp
  }

  /** The frame together with the blocks that its patches make, if the frame has patches that are of use. */
  private async patched(frame: ReceivedFrame): Promise<ReceivedFrame> {
    const { message } = frame
    const base = message.kind === 'patches' ? this.applier.baseOf(message) : null
    const held = base && heldBlocks(this.volume, base)
    if (!held || message.kind !== 'patches') return frame
    const { runs, refused } = await patchedRuns(message.runs, held, () => this.breaks.maybe())
    return { ...frame, runs, damaged: frame.damaged + refused }
  }

  /** The encoded frames for the primary; each frame is given once. */
  takeAnswers(): Uint8Array[] {
    const taken = this.answers
    this.answers = []
    return taken
  }

  get hasAnswers(): boolean {
    return this.answers.length > 0
  }

  /** Calls the listener when there is an answer to take. The returned function stops that. */
  onAnswer(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  status(): MirrorStatus & {
    readonly silentMs: number | null
    readonly primaryCp: number
    readonly receivedBytes: ReadonlyMap<BlockSource, number>
  } {
    const silentMs = this.lastHeardMs === null ? null : this.clock.monotonic() - this.lastHeardMs
    const { primaryCp } = this
    return { ...this.applier.status(), silentMs, primaryCp, receivedBytes: this.transfers.bytesBySource }
  }

  /**
   * How far this mirror is behind, by what it has heard: while its primary is silent, the mirror knows of nothing new.
   * Bytes and operations are those of the target alone.
   */
  ownLag(): OwnLag {
    const published = this.volume.currentOrNull()?.root
    const target = this.applier.aim()
    const blocks = Math.max(0, (target?.blocks ?? 0) - this.blocksSincePublished)
    return {
      ...this.lag.of(published?.cp ?? null, this.primaryCp, this.clock.monotonic()),
      bytes: blocks * blockBytes,
      operations: target ? target.root.root.sequence - (published?.sequence ?? 0) : 0,
    }
  }

  /** Waits for the work that has begun; nothing is accepted any more. */
  async close(): Promise<void> {
    this.isClosed = true
    this.space.stop()
    await this.pipeline.drained()
    await Promise.all([...this.running, this.receiving.within(async () => {})])
  }

  private feed(event: ApplierEvent): void {
    if (this.isClosed && event.kind !== 'failed') return
    for (const action of this.applier.handle(event)) this.execute(action)
  }

  private execute(action: ApplierAction): void {
    switch (action.kind) {
      case 'answer':
        return this.answer(encodeFrame(action.message))
      case 'write':
        for (const { address, bytes } of action.runs) {
          const blocks = bytes.length / blockBytes
          this.space.receives(action.cp, { address, blocks })
          this.blocksSincePublished += blocks
          for (let i = 0; i < blocks; i++) this.volume.nodes.forget(address + i)
        }
        return this.pipeline.put(action.runs)
      case 'keep':
        return this.space.receives(action.cp, action.run)
      case 'drain':
        return this.run(async () => {
          await this.pipeline.drained()
          this.feed({ kind: 'drained', token: action.token })
        })
      case 'adopt':
        return this.run(() => this.adopt(action.token, action.adoption))
      case 'prepare':
        return this.run(() => this.prepare(action.token, action.cp, action.blocks))
      case 'verify':
        return this.run(() => this.verify(action.token, action.target))
      case 'publish':
        return this.run(() => this.publish(action.token, action.target))
      case 'cut-readers':
        this.options.onTooManyRoots?.(action.root)
        return
      case 'cut-long-readers':
        this.options.onSpaceShort?.()
        return
      default:
        return unreachable(action)
    }
  }

  private run(work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => this.fail(error))
      .finally(() => this.running.delete(running))
    this.running.add(running)
  }

  private fail(error: unknown): void {
    if (this.hasFailed) return
    this.hasFailed = true
    this.feed({ kind: 'failed', detail: error instanceof Error ? error.message : String(error) })
    this.options.onFailed?.(error)
  }

  private answer(frame: Uint8Array): void {
    this.answers.push(frame)
    if (this.answers.length > answersMax) this.answers.shift()
    for (const listener of this.listeners) listener()
  }

  private async adopt(token: number, { volume, epoch, geometry }: Adoption): Promise<void> {
    const isEmpty = this.volume.currentOrNull() === null
    await this.volume.writeSuperblock({
      volumeUuid: parseUuid(volume),
      epoch,
      ...(isEmpty ? { geometry: fixedPart(geometry) } : {}),
    })
    this.options.onAdopted?.(volume, epoch.number)
    this.feed({ kind: 'adopted', token })
  }

  private async prepare(token: number, cp: number, blocks: number): Promise<void> {
    // Blocks that came for an earlier target may belong to this target too; a block that has been given back is sent
    // again.
    this.space.forgetBefore(cp)
    this.feed({ kind: 'prepared', token, bytesLacking: await this.space.lackingFor(cp, blocks) })
  }

  private async verify(token: number, target: PublishedRoot): Promise<void> {
    const claimed = this.applier.claimsOf(token)
    if (!claimed) return
    const verdict = await verifyTarget(target, this.volume.currentOrNull(), {
      volume: this.volume,
      pipeline: this.pipeline,
      presence: this.presence,
      claimed,
      clock: this.clock,
      wantsMax: wantsPerFrameMax,
      isCancelled: () => this.isClosed || this.applier.claimsOf(token) === null,
    })
    if (verdict.kind === 'cancelled' || this.applier.claimsOf(token) === null) return
    if (verdict.kind === 'complete') this.verified = verdict.used
    this.feed({ ...verdict, token })
  }

  private async publish(token: number, target: PublishedRoot): Promise<void> {
    const used = this.verified
    assert(used, 'what is published was verified')
    const began = this.clock.monotonic()
    await this.volume.device.sync()
    // An epoch that began meanwhile need not have the target in its history.
    if (this.applier.claimsOf(token) === null) return
    // An epoch that begins now drops the target, and its blocks must stay: the superblock that names them is being written.
    this.publishing = this.applier.claimsOf(token)
    const blocksWritten = this.blocksSincePublished
    this.blocksSincePublished = 0
    await this.volume.publish(
      {
        published: target,
        cause: 'mirrored',
        blocksWritten,
        bytesWritten: blocksWritten * blockBytes,
        coalesced: 0,
        phases: { send: 0, build: 0, commit: this.clock.monotonic() - began },
      },
      used,
    )
    this.publishing = null
    this.verified = null
    this.space.forgetBefore(target.root.cp + 1)
    this.run(() => this.space.trim())
    const now = this.clock.monotonic()
    for (const transfer of this.transfers.finished(target.root.cp, now)) this.options.onTransfer?.(transfer)
    this.feed({ kind: 'published', token })
  }
}

function factsOf(volume: Volume, random: Random): ApplierFacts {
  const empty = new Uint8Array(16)
  return {
    side: formatUuid(volume.superblock.sideUuid),
    volume: () => {
      const { volumeUuid } = volume.superblock
      return volumeUuid.every((byte, i) => byte === empty[i]) ? null : formatUuid(volumeUuid)
    },
    epoch: () => volume.superblock.epoch,
    geometry: () => volume.superblock.geometry,
    newSession: () => formatUuid(newUuid(random)),
    published: () => volume.currentOrNull(),
    kept: () => volume.retention.kept(),
    uses: (address, blocks) => volume.retention.uses(address, blocks),
  }
}
