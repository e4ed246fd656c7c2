/**
 * Reading the log: the groups that continue a root without a gap, and what to think of where they end.
 *
 * | what stands behind the last good group                         | it is                                         |
 * |----------------------------------------------------------------|-----------------------------------------------|
 * | nothing of this opening                                        | the end                                       |
 * | one group that is not whole, and nothing behind                | torn by the crash, or damaged while unsealed  |
 * | a group of this opening that knew more to be synced            | corruption: refused, or lost when accepted    |
 *
 * Only the last group can be torn, because one group is written at a time. Nothing that is read is believed before its
 * sums are checked, and a group counts only when it continues the chain. An empty group that is damaged is made again
 * from what is before it: the group behind it proves that it was there.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { hasCode } from '../../lib/errors.ts'
import { DeviceError } from '../../blockdev/block-device.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { Geometry } from '../../format/geometry.ts'
import { structures } from '../../format/kinds.ts'
import {
  decodeLogGroup,
  decodeLogGroupHead,
  emptyLogGroup,
  hasZerosBehind,
  logGroupBytes,
  logGroupHeadBytes,
  logGroupLayout,
} from '../../format/disk/log-group.ts'
import type { LogGroupHead } from '../../format/disk/log-group.ts'
import type { LogRecord } from '../../format/disk/log-record.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import type { LogStart } from '../../format/disk/superblock.ts'
import { countBits } from '../space/space-map.ts'

export interface LogGroup {
  readonly position: number
  readonly records: readonly LogRecord[]
  /** Where the next group would begin. */
  readonly end: LogStart
  /** Damage that has cost nothing: bytes behind the records, or an empty group that was made again. */
  readonly damage: 'padding' | 'empty group' | null
}

/** What stands where the next group would begin; a head only when it can be read. */
export type LogEnd =
  | { readonly isWhole: true }
  | { readonly isWhole: false; readonly head: LogGroupHead | null; readonly isReadable: boolean }

/** Where the ring is in a volume, and whose. */
interface LogPlace {
  readonly geometry: Geometry
  readonly volumeUuid: Uint8Array
  readonly kind: ChecksumKind
  /** What the device cannot read counts as damaged. Otherwise DeviceError: the next try may read it. */
  readonly acceptsUnreadable: boolean
}

/** Groups are read so many blocks at a time. */
const aheadBlocks = 256
/** All of the ring is looked at in parts that a device reads at once and a core keeps in its cache. */
const scanBlocks = 16

export class LogReader {
  private readonly ringBytes: number
  /** Of the ring, from this offset on: groups are views of it, and most reads find theirs here. */
  private ahead = { offset: 0, bytes: new Uint8Array(0) }
  /** Addresses of blocks that the device could not read. */
  private readonly unreadable = new Set<number>()

  constructor(
    private readonly device: BlockDevice,
    private readonly place: LogPlace,
  ) {
    this.ringBytes = place.geometry.logBlocks * blockBytes
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

  /** Heads of the same opening that stand behind `end`: the group at `end` was synced, and is damaged. */
  async headsBehind(end: LogStart): Promise<LogGroupHead[]> {
    const found: LogGroupHead[] = []
    const { logBlocks } = this.place.geometry
    const buffer = new Uint8Array(Math.min(scanBlocks, logBlocks) * blockBytes)
    for (let from = 0; from < logBlocks; from += scanBlocks) {
      const part = buffer.subarray(0, Math.min(scanBlocks, logBlocks - from) * blockBytes)
      await this.readRing(from, part)
      for (let at = 0; at < part.length; at += blockBytes) {
        const head = this.headAt(part, at, end.nonce)
        if (!head || head.position % this.ringBytes !== from * blockBytes + at) continue
        if (head.position > end.position && head.synced > end.position) found.push(head)
      }
    }
    return found.sort((a, b) => a.position - b.position)
  }

  /** Whether a group of this opening begins at `end` and is not whole: torn by a crash, or damaged since. */
  async endAt(end: LogStart): Promise<LogEnd> {
    const block = await this.read(end.position, blockBytes)
    if (this.unreadable.has(this.addressOf(end.position)))
      return { isWhole: false, head: null, isReadable: false }
    const head = this.headAt(block, 0, end.nonce)
    if (head?.position === end.position)
      return head.recordCount === 0 ? { isWhole: true } : { isWhole: false, head, isReadable: true }
    // A head fits a sector, so no crash tears it: one that is nearly of this opening was whole before it was damaged.
    const isDamaged = !head && isNearly(block.subarray(logGroupLayout.at.nonce), end.nonce)
    return isDamaged ? { isWhole: false, head: null, isReadable: true } : { isWhole: true }
  }

  /** Of the block at a position. */
  addressOf(position: number): number {
    return this.place.geometry.logAddress + (position % this.ringBytes) / blockBytes
  }

  private async groupAt(at: LogStart, first: number): Promise<LogGroup | null> {
    return (await this.wholeGroupAt(at, first)) ?? this.emptyGroupAt(at, first)
  }

  private async wholeGroupAt(at: LogStart, first: number): Promise<LogGroup | null> {
    const { position, nonce } = at
    const head = this.headAt(await this.read(position, blockBytes), 0, nonce)
    if (!head || head.position !== position || !equalBytes(head.chain, at.chain)) return null
    const length = logGroupBytes(head.payloadBytes)
    // A ring never holds more than itself.
    if (position + length - first > this.ringBytes) return null
    try {
      const bytes = await this.read(position, length)
      const records = decodeLogGroup(head, bytes, this.place.kind)
      const damage = hasZerosBehind(head, bytes) ? null : 'padding'
      return { position, records, end: { nonce, position: position + length, chain: head.sum }, damage }
    } catch (error) {
      if (hasCode(error, 'corrupt')) return null
      throw error
    }
  }

  /** One that cannot be read any more, when the group behind it is chained to exactly what it must have been. */
  private async emptyGroupAt(at: LogStart, first: number): Promise<LogGroup | null> {
    const { position, nonce } = at
    const { bytes, sum } = emptyLogGroup({ volumeUuid: this.place.volumeUuid, ...at })
    const next = position + bytes.length
    if (next + blockBytes - first > this.ringBytes) return null
    const head = this.headAt(await this.read(next, blockBytes), 0, nonce)
    if (!head || head.position !== next || !equalBytes(head.chain, sum)) return null
    return { position, records: [], end: { nonce, position: next, chain: sum }, damage: 'empty group' }
  }

  /** Whole blocks. What is given out never changes. */
  private async read(position: number, length: number): Promise<Uint8Array> {
    const offset = position % this.ringBytes
    const first = Math.min(length, this.ringBytes - offset)
    let at = offset - this.ahead.offset
    if (at < 0 || at + first > this.ahead.bytes.length) {
      const size = Math.max(first, Math.min(aheadBlocks * blockBytes, this.ringBytes - offset))
      const bytes = new Uint8Array(size)
      await this.readRing(offset / blockBytes, bytes)
      this.ahead = { offset, bytes }
      at = 0
    }
    if (first === length) return this.ahead.bytes.subarray(at, at + length)
    const bytes = new Uint8Array(length)
    bytes.set(this.ahead.bytes.subarray(at, at + first))
    await this.readRing(0, bytes.subarray(first))
    return bytes
  }

  /** From a block of the ring on. One that cannot be read is zeros, where that is accepted. */
  private async readRing(block: number, target: Uint8Array): Promise<void> {
    const address = this.place.geometry.logAddress + block
    try {
      await this.device.read(address, target)
    } catch (error) {
      if (!(error instanceof DeviceError) || !this.place.acceptsUnreadable) throw error
      if (target.length > blockBytes)
        for (let at = 0; at < target.length; at += blockBytes)
          await this.readRing(block + at / blockBytes, target.subarray(at, at + blockBytes))
      else {
        target.fill(0)
        this.unreadable.add(address)
      }
    }
  }

  /** The head of a group of this opening that begins at `start`; null for anything else. Throws `newer-format`. */
  private headAt(bytes: Uint8Array, start: number, nonce: Uint8Array): LogGroupHead | null {
    const { at } = logGroupLayout
    // Most blocks are something else: do not pay for an error or a view for each.
    if (bytes[start + at.kind] !== structures.logGroup.kind) return null
    for (let i = 0; i < nonce.length; i++) if (bytes[start + at.nonce + i] !== nonce[i]) return null
    try {
      const head = decodeLogGroupHead(bytes.subarray(start, start + logGroupHeadBytes))
      return equalBytes(head.volumeUuid, this.place.volumeUuid) ? head : null
    } catch (error) {
      if (hasCode(error, 'corrupt')) return null
      throw error
    }
  }
}

/** A few bits differ: two nonces that have nothing to do with each other differ in about half of theirs. */
function isNearly(bytes: Uint8Array, nonce: Uint8Array): boolean {
  const differences = nonce.map((byte, i) => byte ^ bytes[i]!)
  return countBits(differences) <= nonce.length
}
