/**
 * What waits to leave for one mirror. Pure: whoever owns the connection takes batches from it.
 *
 * - Bounded in bytes: live commands that find no room are refused (the mirror then gets them as difference), and whoever
 *   sends a difference asks for room first. So a slow mirror never delays the primary, and costs at most this much.
 * - Live commands of a published CP can be dropped; what has left has left.
 * - Order is kept within the queue. A message behind a barrier leaves only when everything before it has been received,
 *   because batches in flight may overtake each other.
 */
import type { WriteCommand } from '../cp-engine/contract.ts'
import { blockBytes } from '../format/geometry.ts'
import { encodeFrame, wireSumOf } from '../format/wire.ts'
import {
  type BlockSource,
  type Body,
  type Claim,
  type FrameHead,
  type Position,
  type WireRun,
  dataBytesMax,
  runsPerFrameMax,
} from '../format/wire-messages.ts'
import type { ChecksumKind } from '../format/pointer.ts'
import { xxh3Bytes } from '../lib/checksum.ts'
import { SentBlocks } from './sent-blocks.ts'

export const outboxBytesMax = 32 * 2 ** 20
/** What one request carries at most, unless a single frame is larger. */
export const batchBytesMax = 4 * 2 ** 20

export interface OutgoingRun {
  readonly address: number
  readonly bytes: Uint8Array
  readonly claim: Claim | null
}

/** What all frames of a session have in common. */
export type SessionHead = Pick<FrameHead, 'volume' | 'session' | 'epoch'>

interface Entry {
  readonly cp: number
  readonly base: Position
  readonly body: Exclude<Body, { kind: 'blocks' }> | null
  readonly source: BlockSource
  readonly runs: readonly OutgoingRun[]
  readonly bytes: number
  readonly isBarrier: boolean
}

export interface Batch {
  readonly parts: readonly Uint8Array[]
  readonly bytes: number
}

/** What left, for the table of transfers. */
export type OnTaken = (source: BlockSource, cp: number, blocks: number, bytes: number) => void

export class Outbox {
  private queue: Entry[] = []
  private queuedBytes = 0
  private inFlight = 0
  private number = 0
  readonly sentLive = new SentBlocks()

  constructor(
    private readonly bytesMax: number,
    private readonly onTaken: OnTaken,
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

  message(cp: number, base: Position, body: Exclude<Body, { kind: 'blocks' }>, isBarrier = false): void {
    this.queue.push({ cp, base, body, source: 'live', runs: [], bytes: 0, isBarrier })
  }

  /** False when there is no room. */
  live(cp: number, base: Position, commands: readonly WriteCommand[]): boolean {
    const bytes = commands.reduce((sum, command) => sum + command.bytes.length, 0)
    if (this.queuedBytes + bytes > this.bytesMax) return false
    this.runs('live', cp, base, commands.map(outgoingRun))
    return true
  }

  runs(source: BlockSource, cp: number, base: Position, runs: readonly OutgoingRun[]): void {
    let from = 0
    while (from < runs.length) {
      let bytes = 0
      let end = from
      for (; end < runs.length && end - from < runsPerFrameMax; end++) {
        const length = runs[end]!.bytes.length
        if (bytes + length > dataBytesMax) break
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
  take(head: SessionHead, bytesMax = batchBytesMax): Batch | null {
    const parts: Uint8Array[] = []
    let bytes = 0
    while (this.queue.length > 0) {
      const entry = this.queue[0]!
      if (entry.isBarrier && (this.inFlight > 0 || parts.length > 0)) break
      if (bytes > 0 && bytes + entry.bytes > bytesMax) break
      this.queue.shift()
      this.queuedBytes -= entry.bytes
      const frame = this.encode(entry, head)
      parts.push(frame)
      for (const run of entry.runs) {
        parts.push(run.bytes)
        if (entry.source === 'live') this.sentLive.add(entry.cp, run.address, run.bytes.length / blockBytes)
      }
      bytes += frame.length + entry.bytes
      if (!entry.body)
        this.onTaken(entry.source, entry.cp, entry.bytes / blockBytes, frame.length + entry.bytes)
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

  private encode({ cp, base, body, source, runs }: Entry, head: SessionHead): Uint8Array {
    const frameHead = { ...head, cp, base, number: this.number++ }
    return encodeFrame({ ...frameHead, ...(body ?? { kind: 'blocks', source, runs: runs.map(wireRun) }) })
  }
}

function wireRun({ address, bytes, claim }: OutgoingRun): WireRun {
  return { address, blocks: bytes.length / blockBytes, claim, wireSum: wireSumOf(bytes) }
}

/** A command that is too long for a run of a frame does not exist: records are the longest. */
function outgoingRun({ address, bytes, sum, payloadBytes }: WriteCommand): OutgoingRun {
  const kind: ChecksumKind = sum.length === xxh3Bytes ? 'xxh3' : 'sha256'
  return { address, bytes, claim: { payloadBytes, kind, sum } }
}
