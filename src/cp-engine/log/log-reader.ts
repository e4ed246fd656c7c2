/**
 * The reader of the log finds the groups that continue a root without a gap, and judges the place where the groups
 * end.
 *
 * | bytes behind the last good group                               | meaning                                       |
 * |----------------------------------------------------------------|-----------------------------------------------|
 * | nothing of this opening                                        | the end of the log                            |
 * | one group that is not whole, and nothing behind the group      | torn by the crash, or damaged while unsealed  |
 * | a later group, written when the broken group had been synced   | corruption: refused, or lost when accepted    |
 *
 * - Only the last group can be torn, because the log writes one group at a time.
 * - The reader believes no bytes before their sums are checked, and a group counts only when the group continues the
 *   chain.
 * - The reader makes a damaged empty group again from the chain before the group. The next good group proves that the
 *   empty group was there.
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
  /** Place where the next group would begin. */
  readonly end: LogStart
  /** Damage that has cost nothing: bytes behind the records, or an empty group that the reader made again. */
  readonly damage: 'padding' | 'empty group' | null
}

/** State of the place where the next group would begin. The head is null when the head cannot be read. */
export type LogEnd =
  | { readonly isWhole: true }
  | { readonly isWhole: false; readonly head: LogGroupHead | null; readonly isReadable: boolean }

/** Place of the ring in a volume, and the identity of the volume. */
interface LogPlace {
  readonly geometry: Geometry
  readonly volumeUuid: Uint8Array
  readonly sums: ChecksumKind
  /**
   * True: blocks that the device cannot read count as damaged. False: such a block is a DeviceError, since the next
   * try may read the block.
   */
  readonly acceptsUnreadable: boolean
}

/** Number of blocks that the reader reads ahead. */
const aheadBlocks = 256
/**
 * Number of blocks per read when the reader scans the whole ring: a device reads so many at once, and a core keeps
 * them in its cache.
 */
const scanBlocks = 16

export class LogReader {
  private readonly ringBytes: number
  /** Bytes of the ring from `offset` on. Groups are views of these bytes, and most reads are answered from here. */
  private ahead = { offset: 0, bytes: new Uint8Array(0) }
  /** Addresses of blocks that the device could not read. */
  private readonly unreadable = new Set<number>()

  constructor(
    private readonly device: BlockDevice,
    private readonly place: LogPlace,
  ) {
    this.ringBytes = place.geometry.logBlocks * blockBytes
  }

  /** Yields the good groups from `start` on, in order. */
  async *groups(start: LogStart): AsyncGenerator<LogGroup> {
    let end = start
    for (;;) {
      const group = await this.groupAt(end, start.position)
      if (!group) return
      end = group.end
      yield group
    }
  }

  /**
   * Finds heads of the same opening that stand behind `end` and know more than `end` to be synced. Any such head
   * proves that the group at `end` was synced, and is damaged.
   */
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

  /** Tells whether a group of this opening begins at `end` and is not whole: torn by a crash, or damaged later. */
  async endAt(end: LogStart): Promise<LogEnd> {
    const block = await this.read(end.position, blockBytes)
    if (this.unreadable.has(this.addressOf(end.position)))
      return { isWhole: false, head: null, isReadable: false }
    const head = this.headAt(block, 0, end.nonce)
    if (head?.position === end.position)
      return head.recordCount === 0 ? { isWhole: true } : { isWhole: false, head, isReadable: true }
    // A head fits a sector, so no crash tears a head: a head that is nearly of this opening was damaged later.
    const isDamaged = !head && isNearly(block.subarray(logGroupLayout.at.nonce), end.nonce)
    return isDamaged ? { isWhole: false, head: null, isReadable: true } : { isWhole: true }
  }

  /** Address of the block at a position. */
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
    // All groups together never exceed the ring.
    if (position + length - first > this.ringBytes) return null
    try {
      const bytes = await this.read(position, length)
      const records = decodeLogGroup(head, bytes, this.place.sums)
      const damage = hasZerosBehind(head, bytes) ? null : 'padding'
      return { position, records, end: { nonce, position: position + length, chain: head.sum }, damage }
    } catch (error) {
      if (hasCode(error, 'corrupt')) return null
      throw error
    }
  }

  /** Makes an unreadable empty group again, when the next group is chained to exactly the sum of this empty group. */
  private async emptyGroupAt(at: LogStart, first: number): Promise<LogGroup | null> {
    const { position, nonce } = at
    const { bytes, sum } = emptyLogGroup({ volumeUuid: this.place.volumeUuid, ...at })
    const next = position + bytes.length
    if (next + blockBytes - first > this.ringBytes) return null
    const head = this.headAt(await this.read(next, blockBytes), 0, nonce)
    if (!head || head.position !== next || !equalBytes(head.chain, sum)) return null
    return { position, records: [], end: { nonce, position: next, chain: sum }, damage: 'empty group' }
  }

  /** Reads whole blocks. Bytes that were given to a caller never change. */
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

  /** Reads from a block of the ring on. Unreadable blocks become zeros, where the place accepts such blocks. */
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

  /** The head of a group of this opening that begins at `start`; null for any other bytes. Throws `newer-format`. */
  private headAt(bytes: Uint8Array, start: number, nonce: Uint8Array): LogGroupHead | null {
    const { at } = logGroupLayout
    // Most blocks have no head of this opening: the quick tests spare an error and a view for each block.
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

/**
 * True when few bits differ. Two nonces that have nothing to do with each other differ in about half of their bits.
 */
function isNearly(bytes: Uint8Array, nonce: Uint8Array): boolean {
  const differences = nonce.map((byte, i) => byte ^ bytes[i]!)
  return countBits(differences) <= nonce.length
}
