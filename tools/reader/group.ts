import { blockBytes } from './blocks.ts'
import { Bytes, equal, isZero } from './bytes.ts'
import { Damage } from './damage.ts'
import { sha256, xxh3 } from './sums.ts'

export const groupHeadBytes = 144

/** What every group of one opening's log has in common. */
export interface LogIdentity {
  readonly volumeUuid: Uint8Array
  readonly nonce: Uint8Array
}

export interface GroupHead {
  readonly recordCount: number
  readonly position: number
  readonly synced: number
  readonly firstSequence: number
  readonly payloadBytes: number
  readonly payloadSum: Uint8Array
  readonly chain: Uint8Array
  readonly sum: Uint8Array
}

/** The head at the beginning of a block, when it is whole and of this opening; else `undefined`. Fails for a newer format. */
export function groupHead(block: Uint8Array, identity: LogIdentity): GroupHead | undefined {
  if (block[0] !== 6 || Buffer.from(block.subarray(8, 16)).toString('latin1') !== 'STILLLOG') return undefined
  if (!equal(block.subarray(16, 32), identity.volumeUuid)) return undefined
  if (!equal(block.subarray(32, 40), identity.nonce)) return undefined
  if (!equal(sha256(block.subarray(0, 112)), block.subarray(112, 144))) return undefined
  const bytes = new Bytes(block, 'log')
  if (bytes.u8(1) > 1 || (bytes.u32(68) & 0xffff) !== 0) {
    throw new Damage('newer-format', 'a group of the log is of a newer format')
  }
  try {
    return {
      recordCount: bytes.u32(4),
      position: bytes.u64(40),
      synced: bytes.u64(48),
      firstSequence: bytes.u64(56),
      payloadBytes: bytes.u32(64),
      payloadSum: bytes.slice(72, 8),
      chain: bytes.slice(80, 32),
      sum: bytes.slice(112, 32),
    }
  } catch (error) {
    if (error instanceof Damage) return undefined
    throw error
  }
}

/** Says what the page asks of the fields of a head beside its sum. */
export function isConsistent(head: GroupHead, block: Uint8Array): boolean {
  if (block[1] !== 1 || !isZero(block.subarray(2, 4))) return false
  if (head.payloadBytes + groupHeadBytes > 33_554_432 || head.synced > head.position) return false
  if (head.recordCount > 0) return head.payloadBytes > 0 && head.firstSequence > 0
  return head.payloadBytes === 0 && head.firstSequence === 0 && head.synced === head.position
}

/** The seed of a group's payload sum: the first 32 bits of the nonce, as a little-endian number. */
export function payloadSeed(nonce: Uint8Array): number {
  return new Bytes(nonce, 'log').u32(0)
}

/** The sum of the empty group that an idle log writes at a position. All of its bytes follow from these. */
export function emptyGroupSum(identity: LogIdentity, position: number, chain: Uint8Array): Uint8Array {
  const head = Buffer.alloc(112)
  head.writeUInt8(6, 0)
  head.writeUInt8(1, 1)
  head.write('STILLLOG', 8, 'latin1')
  head.set(identity.volumeUuid, 16)
  head.set(identity.nonce, 32)
  head.writeBigUInt64LE(BigInt(position), 40)
  head.writeBigUInt64LE(BigInt(position), 48)
  head.set(xxh3(new Uint8Array(0), payloadSeed(identity.nonce)), 72)
  head.set(chain, 80)
  return sha256(head)
}

/** How many blocks a group has, with its padding. */
export function groupBlocks(head: GroupHead): number {
  return Math.ceil((groupHeadBytes + head.payloadBytes) / blockBytes)
}
