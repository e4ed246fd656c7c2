import { type Blocks } from './blocks.ts'
import { Bytes, equal, greatest, isZero } from './bytes.ts'
import { Damage, type Findings } from './damage.ts'
import { type NodePointer, nodePointer } from './pointers.ts'
import { decodeRoot, type Root } from './root.ts'
import { sha256 } from './sums.ts'

/** Where the four copies lie: block, slot. */
const places = [
  { address: 0, slot: 0 },
  { address: 256, slot: 0 },
  { address: 512, slot: 1 },
  { address: 768, slot: 1 },
] as const

const superblockBlocks = 4

export interface Superblock {
  readonly address: number
  readonly bytes: Uint8Array
  readonly slot: number
  readonly isMirror: boolean
  readonly generation: number
  readonly volumeUuid: Uint8Array
  readonly rootAddress: number
  readonly root: Root | undefined
  /** Root nodes that are kept for mirrors. */
  readonly holds: readonly NodePointer[]
  readonly logNonce: Uint8Array
  readonly logPosition: number
  readonly logChain: Uint8Array
  readonly logAddress: number
  readonly logBlocks: number
}

/** The superblocks of both slots, the newest first. What is wrong with copies and slots is among the findings. */
export function readSuperblocks(blocks: Blocks, findings: Findings): [Superblock, ...Superblock[]] {
  const best: Superblock[] = []
  for (const slot of [0, 1]) {
    const copies = places.filter((place) => place.slot === slot)
    const found = copies.flatMap(({ address }) => readCopy(blocks, address, slot, findings) ?? [])
    const [first, second] = found.toSorted((a, b) => b.generation - a.generation)
    if (first === undefined) {
      findings.add('error', 'superblock-slot', `slot ${slot} has lost its root, perhaps the newest`)
      continue
    }
    if (second !== undefined && second.generation < first.generation) {
      findings.add('warning', 'superblock-copy', 'the copy is older than the other one', second.address)
    }
    best.push(first)
  }
  const [newest, ...older] = best.toSorted((a, b) => b.generation - a.generation)
  if (newest === undefined) throw new Damage('superblock-slot', 'no copy of the superblock is right')
  return [newest, ...older]
}

function readCopy(blocks: Blocks, address: number, slot: number, findings: Findings): Superblock | undefined {
  try {
    return decodeSuperblock(blocks.read(address, superblockBlocks), address, slot)
  } catch (error) {
    if (!(error instanceof Damage)) throw error
    if (error.kind === 'newer-format' || error.kind === 'older-format') throw error
    findings.add('warning', 'superblock-copy', error.message, address)
    return undefined
  }
}

function decodeSuperblock(copy: Uint8Array, address: number, slot: number): Superblock {
  const bytes = new Bytes(copy, 'superblock', address)
  bytes.want(bytes.u8(0) === 1, 'the kind is not that of a superblock')
  bytes.want(Buffer.from(bytes.slice(8, 8)).toString('latin1') === 'STILLPNT', 'the magic is wrong')
  const sum = sha256(bytes.slice(0, 16), new Uint8Array(32), bytes.slice(48, copy.length - 48))
  bytes.want(equal(sum, bytes.slice(16, 32)), 'the sum is wrong')
  bytes.want(bytes.u8(2) === slot, 'the copy belongs to the other slot')
  checkFormat(bytes)
  checkFields(bytes)
  const hasRoot = (bytes.u8(4) & 4) !== 0
  const rootBytes = bytes.slice(512, 4096)
  bytes.want(hasRoot || isZero(rootBytes), 'there is a root without the flag for it')
  const root = hasRoot ? decodeRoot(rootBytes, address) : undefined
  bytes.want((bytes.u64(120) !== 0) === hasRoot, 'the address of the root does not fit the flag')
  bytes.want(root === undefined || root.volumeUuid === bytes.hex(48, 16), 'the root is of another volume')
  return {
    address,
    bytes: copy,
    slot,
    isMirror: bytes.u8(3) === 2,
    generation: bytes.u64(80),
    volumeUuid: bytes.slice(48, 16),
    rootAddress: bytes.u64(120),
    root,
    holds: holds(bytes),
    logNonce: bytes.slice(128, 8),
    logPosition: bytes.u64(136),
    logChain: bytes.slice(144, 32),
    logAddress: bytes.u64(192),
    logBlocks: bytes.u64(200),
  }
}

function holds(bytes: Bytes): NodePointer[] {
  const count = bytes.u8(6)
  const list: NodePointer[] = []
  for (let i = 0; i < 128; i += 1) {
    const at = i < 96 ? 4608 + i * 64 : 12864 + (i - 96) * 64
    if (i >= count) {
      bytes.zeros(at, 64, 'an unused hold')
      continue
    }
    bytes.upTo(at + 16, greatest.cp)
    const root = nodePointer(bytes, at + 24)
    bytes.want(root.address !== 0, 'a hold has no root')
    list.push(root)
  }
  return list
}

function checkFormat(bytes: Bytes): void {
  const format = bytes.u32(208)
  if (format === 0) throw new Damage('older-format', 'the superblock has format number 0', bytes.address)
  const isKnown = format === 1 && bytes.u32(212) === 0 && bytes.u8(1) <= 1
  if (!isKnown || bytes.u32(176) !== 4096 || bytes.u32(180) !== 512) {
    throw new Damage('newer-format', 'the superblock has an unknown format', bytes.address)
  }
}

function checkFields(bytes: Bytes): void {
  const members = bytes.u8(5)
  bytes.want(bytes.u8(1) === 1, 'the version is 0')
  bytes.want(bytes.u8(3) === 1 || bytes.u8(3) === 2, 'the role is unknown')
  bytes.want(bytes.u8(4) < 16, 'a flag is unknown')
  bytes.want(members <= 8 && bytes.u8(6) <= 128, 'too many members or holds')
  bytes.zeros(7, 1)
  bytes.zeros(224, 288)
  bytes.zeros(14912, 1472)
  for (let i = 0; i < 8; i += 1) checkMember(bytes, 10752 + i * 264, i < members)
  const uuids = Array.from({ length: members }, (_, i) => bytes.hex(10752 + i * 264, 16))
  bytes.want(new Set(uuids).size === members, 'a member is there twice')
  bytes.upTo(96, 8999)
  bytes.upTo(104, greatest.opening)
  bytes.upTo(112, greatest.cp)
  bytes.want(bytes.u64(136) % 4096 === 0, 'the position of the log is inside of a block')
  checkGeometry(bytes)
}

function checkGeometry(bytes: Bytes): void {
  const ring = { from: bytes.u64(192), count: bytes.u64(200) }
  bytes.want(bytes.u64(184) > 0, 'the step of growth is 0')
  bytes.want(ring.from === 1024, 'the ring of the log is not behind the superblocks')
  bytes.want(ring.count * 4096 >= 1_048_576 && ring.count < 2 ** 32, 'the length of the ring is out of range')
  const hasRoot = (bytes.u8(4) & 4) !== 0
  bytes.want(hasRoot || bytes.u8(3) === 2, 'a primary has no root')
  const address = bytes.u64(120)
  const isInRing = address >= ring.from && address < ring.from + ring.count
  const isInSuperblock = address < 1024 && address % 256 < 4
  bytes.want(!hasRoot || !(isInRing || isInSuperblock), 'the root lies where no tree may lie')
}

function checkMember(bytes: Bytes, at: number, isUsed: boolean): void {
  if (!isUsed) {
    bytes.zeros(at, 264, 'an unused member')
    return
  }
  const urlBytes = bytes.u8(at + 16)
  bytes.want(urlBytes >= 1 && urlBytes <= 240, 'the length of a URL is out of range')
  bytes.zeros(at + 17, 7)
  bytes.text(at + 24, urlBytes)
  bytes.zeros(at + 24 + urlBytes, 240 - urlBytes, 'behind a URL')
}
