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
import { equalBytes } from '../lib/bytes.ts'
import { hasCode } from '../lib/errors.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import { blockBytes } from '../format/geometry.ts'
import type { Geometry } from '../format/geometry.ts'
import { structures } from '../format/kinds.ts'
import {
  cutLogGroup,
  decodeLogGroupHead,
  logGroupBytes,
  logGroupHeadBytes,
  logGroupLayout,
} from '../format/log-group.ts'
import type { LogGroupHead } from '../format/log-group.ts'
import { decodeLogRecord } from '../format/log-record.ts'
import type { LogRecord } from '../format/log-record.ts'
import type { ChecksumKind } from '../format/pointer.ts'
import type { LogStart } from '../format/superblock.ts'
import { countBits } from './space-map.ts'

export interface LogGroup {
  readonly records: readonly LogRecord[]
  /** Where the next group would begin. */
  readonly end: LogStart
}

export interface LostGroup {
  readonly position: number
  readonly firstSequence: number
  readonly operations: number
}

/** A megabyte at a time. */
const scanBlocks = 256

export class LogReader {
  private readonly ringBytes: number

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
    for (let from = 0; from < logBlocks; from += scanBlocks) {
      const part = new Uint8Array(Math.min(scanBlocks, logBlocks - from) * blockBytes)
      await this.device.read(logAddress + from, part)
      for (let at = 0; at < part.length; at += blockBytes) {
        const head = headOf(part.subarray(at, at + blockBytes), end.nonce)
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
    const head = headOf(block, end.nonce)
    // A head fits a sector, so no crash tears it: one that is nearly of this opening was whole before it was damaged.
    return head
      ? head.position === end.position
      : isNearly(block.subarray(logGroupLayout.at.nonce), end.nonce)
  }

  private async groupAt(at: LogStart, first: number): Promise<LogGroup | null> {
    const head = headOf(await this.read(at.position, blockBytes), at.nonce)
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

  private async read(position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    const offset = position % this.ringBytes
    const first = Math.min(length, this.ringBytes - offset)
    await this.device.read(this.geometry.logAddress + offset / blockBytes, bytes.subarray(0, first))
    if (first < length) await this.device.read(this.geometry.logAddress, bytes.subarray(first))
    return bytes
  }
}

/** The head of a group of this opening that begins in the block; null for anything else. */
function headOf(block: Uint8Array, nonce: Uint8Array): LogGroupHead | null {
  const { at } = logGroupLayout
  // Most blocks are something else: do not pay for an error for each.
  if (block[at.kind] !== structures.logGroup.kind) return null
  if (!equalBytes(block.subarray(at.nonce, at.nonce + nonce.length), nonce)) return null
  try {
    return decodeLogGroupHead(block.subarray(0, logGroupHeadBytes))
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
