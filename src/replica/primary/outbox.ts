/**
 * Frames and runs that wait to leave for one mirror. Pure: the owner of the connection takes batches from the outbox.
 *
 * - The outbox is bounded in bytes. Live commands that find no room are refused, and the mirror gets the blocks as
 *   part of a difference. The sender of a difference reads on only while little waits. So a slow mirror never delays
 *   the primary, and costs at most these bytes.
 * - Live commands of a published CP can be dropped, unless the commands have left.
 * - The outbox decides which runs of a batch travel as patches when the batch leaves: a later decision is cheaper,
 *   because less is left to send.
 * - The queue keeps its order. A message behind a barrier leaves only when the mirror has received everything before
 *   the barrier, because batches in flight may overtake each other.
 */
import type { PublishedRoot, WriteCommand } from '../../cp-engine/contract.ts'
import { blockBytes } from '../../format/geometry.ts'
import { encodeFrame, wireSumOf } from '../../format/wire/frames.ts'
import {
  type BlockSource,
  type FrameBody,
  type Claim,
  type FrameHead,
  type PatchedRun,
  type Position,
  type WireRun,
  patchedBlocksMax,
  runsPerFrameMax,
} from '../../format/wire/messages.ts'
import { patchedRunBytes, patchesBytesMax } from '../../format/wire/patches.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import { assert } from '../../lib/assert.ts'
import { xxh3Bytes } from '../../lib/checksum.ts'
import { positionOf } from '../link/positions.ts'
import type { Batch } from '../link/transport.ts'
import { SentBlocks } from './sent-blocks.ts'

/** Limit for one request, in bytes; a single larger frame may exceed the limit. */
const batchBytesMax = 4 * 2 ** 20

/**
 * Limit for one frame, in bytes, so that the work of a batch can be bounded; a single longer run may exceed the
 * limit.
 */
const frameBytesMax = 512 * 1024
assert(
  frameBytesMax / blockBytes <= runsPerFrameMax,
  'a frame that is full of blocks has room for their runs',
)

export interface OutgoingRun {
  readonly address: number
  readonly bytes: Uint8Array
  readonly claim: Claim | null
}

export interface PatchSource {
  /**
   * Begins the patches of one batch, against blocks of `base`; null when the primary does not hold `base` any more.
   */
  begin(base: PublishedRoot): BatchPatches | null
}

export interface BatchPatches {
  readonly base: PublishedRoot
  /** True when the batch has had its share of work: the rest of the queue is for the next batch. */
  readonly isSpent: boolean
  /** Null means that the run travels whole. */
  of(run: OutgoingRun): PatchedRun | null
}

/** Fields that all frames of a session share. */
export type SessionHead = Pick<FrameHead, 'volume' | 'session' | 'epoch'>

interface Entry {
  readonly cp: number
  readonly base: Position
  readonly body: Exclude<FrameBody, { kind: 'blocks' }> | null
  readonly source: BlockSource
  readonly runs: readonly OutgoingRun[]
  readonly bytes: number
  readonly isBarrier: boolean
}

/** Reports blocks and bytes that left, for the table of transfers. A null source is an offer. */
type OnTaken = (source: BlockSource | null, cp: number, blocks: number, bytes: number) => void

export class Outbox {
  private queue: Entry[] = []
  private queuedBytes = 0
  private inFlight = 0
  private number = 0
  readonly sentLive = new SentBlocks()

  constructor(
    private readonly bytesMax: number,
    private readonly onTaken: OnTaken,
    private readonly patches: PatchSource | null = null,
  ) {}

  get bytes(): number {
    return this.queuedBytes
  }
  get isEmpty(): boolean {
    return this.queue.length === 0
  }

  message(cp: number, base: Position, body: Exclude<FrameBody, { kind: 'blocks' }>, isBarrier = false): void {
    this.queue.push({ cp, base, body, source: 'live', runs: [], bytes: 0, isBarrier })
  }

  /** Queues live commands; false when there is no room. The root is left out, because its offer carries the root. */
  live(cp: number, base: Position, commands: readonly WriteCommand[]): boolean {
    const bytes = commands.reduce((sum, command) => sum + command.bytes.length, 0)
    if (this.queuedBytes + bytes > this.bytesMax) return false
    this.runs('live', cp, base, commands.filter(({ isRoot }) => !isRoot).map(outgoingRun))
    return true
  }

  runs(source: BlockSource, cp: number, base: Position, runs: readonly OutgoingRun[]): void {
    let from = 0
    while (from < runs.length) {
      let bytes = 0
      let end = from
      for (; end < runs.length; end++) {
        const length = runs[end]!.bytes.length
        if (bytes + length > frameBytesMax && end > from) break
        bytes += length
      }
      this.queue.push({ cp, base, body: null, source, runs: runs.slice(from, end), bytes, isBarrier: false })
      this.queuedBytes += bytes
      from = end
    }
  }

  /** Drops live commands up to `cpMax` that have not left. Returns the CPs that lost commands. */
  dropLive(cpMax: number): ReadonlySet<number> {
    const cps = new Set<number>()
    this.keep(({ body, source, cp }) => {
      const isDropped = body === null && source === 'live' && cp <= cpMax
      if (isDropped) cps.add(cp)
      return !isDropped
    })
    return cps
  }

  /** Drops blocks that were read for a target that has been given up or reached. */
  dropSent(): void {
    // A message counts as live.
    this.keep(({ source }) => source === 'live')
  }

  /** Starts again for a new connection: nothing is in flight, and the frame numbers begin again. */
  restart(): void {
    this.queue = []
    this.queuedBytes = 0
    this.sentLive.forgetAll()
    this.inFlight = 0
    this.number = 0
  }

  /**
   * The next batch, or null when nothing may leave now. The caller calls `received` when the other side has the
   * batch.
   */
  take(head: SessionHead, published: PublishedRoot | null = null, bytesMax = batchBytesMax): Batch | null {
    const patches = published && this.patches ? this.patches.begin(published) : null
    const parts: Uint8Array[] = []
    let bytes = 0
    while (this.queue.length > 0) {
      const entry = this.queue[0]!
      if (entry.isBarrier && (this.inFlight > 0 || parts.length > 0)) break
      if (bytes > 0 && (bytes + entry.bytes > bytesMax || patches?.isSpent)) break
      this.queue.shift()
      this.queuedBytes -= entry.bytes
      const before = bytes
      for (const part of this.encode(entry, head, patches)) {
        parts.push(part)
        bytes += part.length
      }
      if (!entry.body) this.onTaken(entry.source, entry.cp, entry.bytes / blockBytes, bytes - before)
      else if (entry.body.kind === 'offer') this.onTaken(null, entry.cp, 0, bytes - before)
      if (entry.source !== 'live') continue
      for (const run of entry.runs) this.sentLive.add(entry.cp, run.address, run.bytes.length / blockBytes)
    }
    if (parts.length === 0) return null
    this.inFlight++
    return { parts, bytes }
  }

  received(): void {
    if (this.inFlight > 0) this.inFlight--
  }

  private keep(isKept: (entry: Entry) => boolean): void {
    this.queue = this.queue.filter(isKept)
    this.queuedBytes = this.queue.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Yields a message; or the runs that can be patched, and then the other runs whole. */
  private *encode(entry: Entry, head: SessionHead, patches: BatchPatches | null): Generator<Uint8Array> {
    const { cp, base, body, source } = entry
    const frame = (of: FrameBody, at: Position) =>
      encodeFrame({ ...head, cp, base: at, number: this.number++, ...of })
    if (body) {
      yield frame(body, base)
      return
    }
    const { patched, whole } = split(entry, patches)
    for (const runs of patched) yield frame({ kind: 'patches', source, runs }, positionOf(patches!.base))
    if (whole.length === 0) return
    yield frame({ kind: 'blocks', source, runs: whole.map(wireRun) }, base)
    for (const { bytes } of whole) yield bytes
  }
}

/** A wanted run travels whole: the mirror wants the run because the first copy was missing or wrong. */
function split(
  { source, runs }: Entry,
  patches: BatchPatches | null,
): { readonly patched: readonly PatchedRun[][]; readonly whole: readonly OutgoingRun[] } {
  if (!patches || source === 'want') return { patched: [], whole: runs }
  const patched: PatchedRun[][] = []
  const whole: OutgoingRun[] = []
  let room = 0
  let baseBlocks = 0
  for (const run of runs) {
    const made = patches.of(run)
    if (!made) {
      whole.push(run)
      continue
    }
    room -= patchedRunBytes(made)
    baseBlocks += made.base?.blocks ?? 0
    if (room < 0 || baseBlocks > patchedBlocksMax) {
      patched.push([])
      room = patchesBytesMax - patchedRunBytes(made)
      baseBlocks = made.base?.blocks ?? 0
    }
    patched.at(-1)!.push(made)
  }
  return { patched, whole }
}

function wireRun({ address, bytes, claim }: OutgoingRun): WireRun {
  return { address, blocks: bytes.length / blockBytes, claim, wireSum: wireSumOf(bytes) }
}

/** Every command fits a run of a frame: records are the longest commands. */
function outgoingRun({ address, bytes, sum, payloadBytes }: WriteCommand): OutgoingRun {
  const kind: ChecksumKind = sum.length === xxh3Bytes ? 'xxh3' : 'sha256'
  return { address, bytes, claim: { payloadBytes, kind, sum } }
}
