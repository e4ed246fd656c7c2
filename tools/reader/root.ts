import { Damage } from './damage.ts'
import { Bytes, greatest } from './bytes.ts'
import { type NodePointer, nodePointer } from './pointers.ts'

const cpsOfAnEpoch = 1e12
const epochBytes = 50

export interface Epoch {
  readonly firstCp: number
  readonly id: string
  readonly rootHashBefore: string
  readonly number: number
}

/** The root node of one consistency point. */
export interface Root {
  readonly bytes: Uint8Array
  readonly checksumKind: number
  readonly fileTreeLevel: number
  readonly snapshotsTreeLevel: number
  readonly snapshotName: string
  readonly volumeUuid: string
  readonly cp: number
  readonly blockCount: number
  readonly blocksMax: number
  readonly seed: number
  readonly sequence: number
  readonly opening: number
  readonly committedAtMs: number
  readonly previousHash: string
  readonly fileTree: NodePointer
  readonly snapshotsTree: NodePointer
  readonly liveMap: NodePointer
  readonly usedMap: NodePointer
  readonly counters: readonly number[]
  readonly epochs: readonly Epoch[]
}

/** Checks a root's format number and feature bits, which stay where they are in every later format. */
function checkFormat(bytes: Bytes): void {
  const format = bytes.u32(8)
  if (format === 0) throw new Damage('older-format', 'the root has format number 0', bytes.address)
  if (format > 1 || bytes.u32(12) !== 0) {
    throw new Damage('newer-format', 'the root has an unknown format', bytes.address)
  }
}

export function decodeRoot(block: Uint8Array, address?: number): Root {
  const bytes = new Bytes(block, 'root', address)
  bytes.want(bytes.length === 4096, 'a root has 4,096 bytes')
  bytes.head(2)
  checkFormat(bytes)
  const nameBytes = bytes.u8(6)
  for (const [offset, length] of [
    [7, 1],
    [68, 4],
    [607, 1],
    [3808, 288],
  ] as const) {
    bytes.zeros(offset, length)
  }
  bytes.zeros(352 + nameBytes, 255 - nameBytes, 'behind the snapshot name')
  const root: Root = {
    bytes: block,
    checksumKind: bytes.u8(2),
    fileTreeLevel: bytes.u8(4),
    snapshotsTreeLevel: bytes.u8(5),
    snapshotName: bytes.text(352, nameBytes),
    volumeUuid: bytes.hex(24, 16),
    cp: bytes.upTo(40, greatest.cp),
    blockCount: bytes.u64(48),
    blocksMax: bytes.u64(56),
    seed: bytes.u32(64),
    sequence: bytes.upTo(72, greatest.sequence),
    opening: bytes.upTo(80, greatest.opening),
    committedAtMs: bytes.upTo(88, greatest.ms),
    previousHash: bytes.hex(96, 32),
    fileTree: nodePointer(bytes, 128),
    snapshotsTree: nodePointer(bytes, 168),
    liveMap: nodePointer(bytes, 208),
    usedMap: nodePointer(bytes, 248),
    counters: Array.from({ length: 8 }, (_, i) => bytes.u64(288 + i * 8)),
    epochs: epochs(bytes),
  }
  checkRoot(bytes, root)
  return root
}

function epochs(bytes: Bytes): Epoch[] {
  const count = bytes.u8(3)
  bytes.want(count >= 1 && count <= 64, 'the count of epochs is out of range')
  bytes.zeros(608 + count * epochBytes, (64 - count) * epochBytes, 'behind the epochs')
  const list = Array.from({ length: count }, (_, i) => {
    const at = 608 + i * epochBytes
    return {
      firstCp: bytes.u64(at),
      id: bytes.hex(at + 8, 8),
      rootHashBefore: bytes.hex(at + 16, 32),
      number: bytes.u16(at + 48),
    }
  })
  for (const [i, epoch] of list.entries()) {
    bytes.want(epoch.number <= 8999, 'the number of an epoch is out of range')
    bytes.want(Math.floor(epoch.firstCp / cpsOfAnEpoch) === epoch.number, 'the first cp is not in its epoch')
    const before = list[i - 1]
    bytes.want(before === undefined || before.number < epoch.number, 'the epochs do not ascend')
  }
  return list
}

function checkRoot(bytes: Bytes, root: Root): void {
  bytes.want(root.checksumKind === 1 || root.checksumKind === 2, 'the kind of checksum is unknown')
  bytes.want(root.fileTreeLevel <= 31 && root.snapshotsTreeLevel <= 31, 'the level of a tree is out of range')
  bytes.want(root.fileTree.address !== 0 || root.fileTreeLevel === 0, 'an empty file tree has a level')
  bytes.want(
    root.snapshotsTree.address !== 0 || root.snapshotsTreeLevel === 0,
    'an empty snapshots tree has a level',
  )
  bytes.want(root.blockCount > 0 && root.blockCount <= root.blocksMax, 'the count of blocks is out of range')
  bytes.want(root.blocksMax <= 2 ** 32, 'the volume is greater than its limit')
  bytes.want(root.liveMap.address !== 0 && root.usedMap.address !== 0, 'a map is missing')
  for (const pointer of [root.fileTree, root.snapshotsTree, root.liveMap, root.usedMap]) {
    bytes.want(pointer.address < root.blockCount, 'an address is behind the end of the volume')
  }
  const last = root.epochs.at(-1)
  bytes.want(
    last !== undefined && Math.floor(root.cp / cpsOfAnEpoch) === last.number && root.cp >= last.firstCp,
    'the cp is not in the last epoch',
  )
}
