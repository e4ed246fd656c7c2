/**
 * What waits to leave for one mirror. Pure: whoever owns the connection takes batches from it.
 *
 * - Bounded in bytes: live commands that find no room are refused (the mirror then gets them as difference), and whoever
 *   sends a difference asks for room first. So a slow mirror never delays the primary, and costs at most this much.
 * - Live commands of a published CP can be dropped; what has left has left.
 * - What a batch may carry as patches is decided when it leaves: later is cheaper, because less is left to send.
 * - Order is kept within the queue. A message behind a barrier leaves only when everything before it has been received,
 *   because batches in flight may overtake each other.
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
import { xxh3Bytes } from '../../lib/checksum.ts'
import { positionOf } from '../link/positions.ts'
import type { Batch } from '../link/transport.ts'
import { SentBlocks } from './sent-blocks.ts'

/** What one request carries at most, unless a single frame is larger. */
const batchBytesMax = 4 * 2 ** 20

/** What one frame carries at most, unless a single run is longer: so that the work of a batch can be bounded. */
const frameBytesMax = 512 * 1024

export interface OutgoingRun {
  readonly address: number
  readonly bytes: Uint8Array
  readonly claim: Claim | null
}

export interface PatchSource {
  /** Patches for one batch, against blocks of this root; null when it is not held any more. */
  begin(base: PublishedRoot): BatchPatches | null
}

export interface BatchPatches {
  readonly base: PublishedRoot
  /** Enough work has been done: the rest is for the next batch. */
  readonly isSpent: boolean
  /** Null: it travels whole. */
  of(run: OutgoingRun): PatchedRun | null
}

/** What all frames of a session have in common. */
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

/** What left, for the table of transfers. Source null: an offer. */
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

  hasRoom(bytes: number): boolean {
    return this.queuedBytes + bytes <= this.bytesMax || this.queue.length === 0
  }

  message(cp: number, base: Position, body: Exclude<FrameBody, { kind: 'blocks' }>, isBarrier = false): void {
    this.queue.push({ cp, base, body, source: 'live', runs: [], bytes: 0, isBarrier })
  }

  /** False when there is no room. The root is left out: it is in its offer. */
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
      for (; end < runs.length && end - from < runsPerFrameMax; end++) {
        const length = runs[end]!.bytes.length
        if (bytes + length > frameBytesMax && end > from) break
        bytes += length
      }
      this.queue.push({ cp, base, body: null, source, runs: runs.slice(from, end), bytes, isBarrier: false })
      this.queuedBytes += bytes
      from = end
    }
  }

  /** Drops live commands up to a cp that have not left; the cps that lost some. */
  dropLive(cpMax: number): ReadonlySet<number> {
    const cps = new Set<number>()
    this.keep(({ body, source, cp }) => {
      const isDropped = body === null && source === 'live' && cp <= cpMax
      if (isDropped) cps.add(cp)
      return !isDropped
    })
    return cps
  }

  /** Drops what was read for a target that is no target any more. */
  dropSent(): void {
    this.keep(({ body, source }) => body !== null || source === 'live')
  }

  /** A new connection: nothing is in flight any more, and numbers begin again. */
  restart(): void {
    this.queue = []
    this.queuedBytes = 0
    this.sentLive.forgetAll()
    this.inFlight = 0
    this.number = 0
  }

  /** The next batch, or null when nothing may leave now. `received` must be called when the other side has it. */
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

  /** A message; or what of the runs can be patched, and then the rest. */
  private *encode(entry: Entry, head: SessionHead, patches: BatchPatches | null): Generator<Uint8Array> {
    const { cp, base, body, source } = entry
    const frame = (of: FrameBody, at: Position) =>
      encodeFrame({ ...head, cp, base: at, number: this.number++, ...of })
    if (body) {
      yield frame(body, base)
      return
    }
    const { patched, whole } = split(entry, patches)
    if (patches)
      for (const runs of patched) yield frame({ kind: 'patches', source, runs }, positionOf(patches.base))
    if (whole.length === 0) return
    yield frame({ kind: 'blocks', source, runs: whole.map(wireRun) }, base)
    for (const { bytes } of whole) yield bytes
  }
}

/** What is wanted was not right the first time: it goes whole. */
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

/** A command that is too long for a run of a frame does not exist: records are the longest. */
function outgoingRun({ address, bytes, sum, payloadBytes }: WriteCommand): OutgoingRun {
  const kind: ChecksumKind = sum.length === xxh3Bytes ? 'xxh3' : 'sha256'
  return { address, bytes, claim: { payloadBytes, kind, sum } }
}
