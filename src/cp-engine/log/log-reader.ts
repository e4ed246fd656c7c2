/**
 * Reading the log at open: the groups that continue a root without a gap, and what to think of where they end.
 *
 * | what stands behind the last good group                        | it is                                          |
 * |---------------------------------------------------------------|------------------------------------------------|
 * | nothing of this opening                                       | the end, or one group torn by the crash        |
 * | a group of this opening that knew more to be synced           | corruption: refused, or lost when accepted     |
 *
 * Only the last group can be torn, because one group is written at a time. Nothing that is read is believed before its
 * sums are checked, and a group counts only when it continues the chain.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { hasCode } from '../../lib/errors.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { Geometry } from '../../format/geometry.ts'
import { structures } from '../../format/kinds.ts'
import {
  cutLogGroup,
  decodeLogGroupHead,
  logGroupBytes,
  logGroupHeadBytes,
  logGroupLayout,
} from '../../format/disk/log-group.ts'
import type { LogGroupHead } from '../../format/disk/log-group.ts'
import { decodeLogRecord } from '../../format/disk/log-record.ts'
import type { LogRecord } from '../../format/disk/log-record.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import type { LogStart } from '../../format/disk/superblock.ts'
import { countBits } from '../space/space-map.ts'

interface LogGroup {
  readonly records: readonly LogRecord[]
  /** Where the next group would begin. */
  readonly end: LogStart
}

export interface LostGroup {
  readonly position: number
  readonly firstSequence: number
  readonly operations: number
}

/** Groups are read so many blocks at a time. */
const aheadBlocks = 256
/** All of the ring is looked at in parts that a device reads at once and a core keeps in its cache. */
const scanBlocks = 16

export class LogReader {
  private readonly ringBytes: number
  /** Of the ring, from this offset on: groups are views of it, and most reads find theirs here. */
  private ahead = { offset: 0, bytes: new Uint8Array(0) }

  constructor(
    private readonly device: BlockDevice,
    private readonly geometry: Geometry,
    private readonly kind: ChecksumKind,
  ) {
    this.ringBytes = geometry.logBlocks * blockBytes
  }

  /** The good groups from `start`, in order. */
  async *groups(start: LogStart): AsyncGenerator<LogGroup> {
    let end = start
    for (;;) {
      const group = await this.groupAt(end, start.position)
      if (!group) return
      end = group.end
      yield group
    }
  }

  /** Groups of the same opening that stand behind `end`: what is lost when the group at `end` is damaged. */
  async lostBehind(end: LogStart): Promise<LostGroup[]> {
    const lost: LostGroup[] = []
    const { logAddress, logBlocks } = this.geometry
    const buffer = new Uint8Array(Math.min(scanBlocks, logBlocks) * blockBytes)
    for (let from = 0; from < logBlocks; from += scanBlocks) {
      const part = buffer.subarray(0, Math.min(scanBlocks, logBlocks - from) * blockBytes)
      await this.device.read(logAddress + from, part)
      for (let at = 0; at < part.length; at += blockBytes) {
        const head = headAt(part, at, end.nonce)
        if (!head || head.position % this.ringBytes !== from * blockBytes + at) continue
        if (head.position <= end.position || head.synced <= end.position) continue
        lost.push({
          position: head.position,
          firstSequence: head.firstSequence,
          operations: head.recordCount,
        })
      }
    }
    return lost.sort((a, b) => a.position - b.position)
  }

  /** A group of this opening begins at `end` and is not whole: torn by a crash, or damaged since. */
  async isTornAt(end: LogStart): Promise<boolean> {
    const block = await this.read(end.position, blockBytes)
    const head = headAt(block, 0, end.nonce)
    // A head fits a sector, so no crash tears it: one that is nearly of this opening was whole before it was damaged.
    return head
      ? head.position === end.position
      : isNearly(block.subarray(logGroupLayout.at.nonce), end.nonce)
  }

  private async groupAt(at: LogStart, first: number): Promise<LogGroup | null> {
    const head = headAt(await this.read(at.position, blockBytes), 0, at.nonce)
    if (!head || head.position !== at.position || !equalBytes(head.chain, at.chain)) return null
    const length = logGroupBytes(head.payloadBytes)
    // A ring never holds more than itself.
    if (head.position + length - first > this.ringBytes) return null
    try {
      const bytes = await this.read(at.position, length)
      const records = cutLogGroup(head, bytes).map((record) => decodeLogRecord(record, this.kind))
      return { records, end: { nonce: at.nonce, position: at.position + length, chain: head.sum } }
    } catch (error) {
      if (hasCode(error, 'corrupt')) return null
      throw error
    }
  }

  /** Whole blocks. What is given out never changes. */
  private async read(position: number, length: number): Promise<Uint8Array> {
    const { logAddress } = this.geometry
    const offset = position % this.ringBytes
    const first = Math.min(length, this.ringBytes - offset)
    let at = offset - this.ahead.offset
    if (at < 0 || at + first > this.ahead.bytes.length) {
      const size = Math.max(first, Math.min(aheadBlocks * blockBytes, this.ringBytes - offset))
      const bytes = new Uint8Array(size)
      await this.device.read(logAddress + offset / blockBytes, bytes)
      this.ahead = { offset, bytes }
      at = 0
    }
    if (first === length) return this.ahead.bytes.subarray(at, at + length)
    const bytes = new Uint8Array(length)
    bytes.set(this.ahead.bytes.subarray(at, at + first))
    await this.device.read(logAddress, bytes.subarray(first))
    return bytes
  }
}

/** The head of a group of this opening that begins at `start`; null for anything else. */
function headAt(bytes: Uint8Array, start: number, nonce: Uint8Array): LogGroupHead | null {
  const { at } = logGroupLayout
  // Most blocks are something else: do not pay for an error or a view for each.
  if (bytes[start + at.kind] !== structures.logGroup.kind) return null
  for (let i = 0; i < nonce.length; i++) if (bytes[start + at.nonce + i] !== nonce[i]) return null
  try {
    return decodeLogGroupHead(bytes.subarray(start, start + logGroupHeadBytes))
  } catch (error) {
    if (hasCode(error, 'corrupt')) return null
    throw error
  }
}

/** A few bits differ: two nonces that have nothing to do with each other differ in about half of theirs. */
function isNearly(bytes: Uint8Array, nonce: Uint8Array): boolean {
  const differences = nonce.map((byte, i) => byte ^ bytes[i]!)
  return countBits(differences) <= nonce.length
}
