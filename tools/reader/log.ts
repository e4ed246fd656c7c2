import { type Blocks, blockBytes } from './blocks.ts'
import { equal, isZero } from './bytes.ts'
import { Damage } from './damage.ts'
import {
  emptyGroupSum,
  type GroupHead,
  groupBlocks,
  groupHead,
  groupHeadBytes,
  isConsistent,
  type LogIdentity,
  payloadSeed,
} from './group.ts'
import { decodeRecords, type LogRecord } from './logrecord.ts'
import type { Root } from './root.ts'
import type { Superblock } from './superblock.ts'
import { xxh3 } from './sums.ts'

/** One operation, and the position of its group. */
export interface Logged {
  readonly record: LogRecord
  readonly position: number
}

/** What stands where the log ends: nothing, a write that was under way, or something that was safe once. */
export type Ending = 'clean' | 'torn' | 'damaged'

/** The groups of an opening's log behind a root, and where they end. */
export class Log {
  operations: Logged[] = []
  /** Of the last good group. */
  lastPosition: number | undefined
  private isCut = false
  /** Positions of groups with something behind their records. */
  readonly padded: number[] = []
  /** Positions of empty groups that cannot be read, and that the next group speaks for. */
  readonly lostEmpty: number[] = []
  private end: number
  private readonly blocks: Blocks
  private readonly superblock: Superblock
  private readonly root: Root
  private readonly identity: LogIdentity

  constructor(blocks: Blocks, superblock: Superblock, root: Root) {
    this.blocks = blocks
    this.superblock = superblock
    this.root = root
    this.identity = { volumeUuid: superblock.volumeUuid, nonce: superblock.logNonce }
    this.end = superblock.logPosition
    this.scan()
  }

  /** The block that a position of the endless numbering stands for. */
  address(position: number): number {
    const { logAddress, logBlocks } = this.superblock
    return logAddress + ((position / blockBytes) % logBlocks)
  }

  get endPosition(): number {
    return this.end
  }

  /** Takes an operation and all that follow out of the log: what it needs is not there. That is damage. */
  cutAt(sequence: number): void {
    this.isCut = true
    this.operations = this.operations.filter(({ record }) => record.sequence < sequence)
  }

  ending(): Ending {
    if (this.isCut) return 'damaged'
    for (let i = 0; i < this.superblock.logBlocks; i += 1) {
      const address = this.superblock.logAddress + i
      const head = this.head(address)
      if (head === undefined || this.address(head.position) !== address) continue
      if (head.position > this.end && head.synced > this.end) return 'damaged'
    }
    const block = this.blocks.read(this.address(this.end), 1)
    const head = groupHead(block, this.identity)
    if (head !== undefined) return head.position === this.end && head.recordCount > 0 ? 'torn' : 'clean'
    return differingBits(block.subarray(32, 40), this.identity.nonce) <= 8 ? 'torn' : 'clean'
  }

  private head(address: number): GroupHead | undefined {
    return groupHead(this.blocks.read(address, 1), this.identity)
  }

  private scan(): void {
    let chain = this.superblock.logChain
    const last = this.end + this.superblock.logBlocks * blockBytes
    while (this.end < last) {
      const head = this.head(this.address(this.end))
      const records = head === undefined ? undefined : this.records(head, chain)
      if (head !== undefined && records !== undefined) {
        this.operations.push(...records.map((record) => ({ record, position: this.end })))
        this.lastPosition = this.end
        this.end += groupBlocks(head) * blockBytes
        chain = head.sum
        continue
      }
      const skipped = emptyGroupSum(this.identity, this.end, chain)
      const behind = this.head(this.address(this.end + blockBytes))
      if (behind?.position !== this.end + blockBytes || !equal(behind.chain, skipped)) return
      this.lostEmpty.push(this.end)
      this.lastPosition = this.end
      chain = skipped
      this.end += blockBytes
    }
  }

  /** The records of the group at the end, when its head is the expected one and its bytes are right. */
  private records(head: GroupHead, chain: Uint8Array): LogRecord[] | undefined {
    if (head.position !== this.end || !equal(head.chain, chain)) return undefined
    if (groupBlocks(head) > this.superblock.logBlocks) return undefined
    const group = this.group(groupBlocks(head))
    if (!isConsistent(head, group)) return undefined
    const end = groupHeadBytes + head.payloadBytes
    const payload = group.subarray(groupHeadBytes, end)
    if (!equal(xxh3(payload, payloadSeed(this.identity.nonce)), head.payloadSum)) return undefined
    try {
      const records = decodeRecords(payload, head.recordCount, this.root.checksumKind)
      const first = records[0]
      if (first !== undefined && first.sequence - first.sequenceCount + 1 !== head.firstSequence)
        return undefined
      if (!isZero(group.subarray(end))) this.padded.push(this.end)
      return records
    } catch (error) {
      if (error instanceof Damage && error.kind !== 'newer-format') return undefined
      throw error
    }
  }

  /** The blocks of a group, which may go on at the beginning of the ring. */
  private group(count: number): Uint8Array {
    const { logAddress, logBlocks } = this.superblock
    const first = this.address(this.end)
    const toTheEnd = Math.min(count, logAddress + logBlocks - first)
    const head = this.blocks.read(first, toTheEnd)
    if (toTheEnd === count) return head
    return new Uint8Array(Buffer.concat([head, this.blocks.read(logAddress, count - toTheEnd)]))
  }
}

function differingBits(a: Uint8Array, b: Uint8Array): number {
  let count = 0
  for (const [i, byte] of a.entries()) {
    for (let bits = byte ^ (b[i] ?? 0); bits !== 0; bits &= bits - 1) count += 1
  }
  return count
}
