import { type Blocks } from './blocks.ts'
import { Bytes, equal, isZero } from './bytes.ts'
import { Damage, type Findings } from './damage.ts'
import { nodePointer } from './pointers.ts'
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
  readonly logNonce: Uint8Array
  readonly logPosition: number
  readonly logChain: Uint8Array
  readonly logAddress: number
  readonly logBlocks: number
}

/** The newest superblock. Copies that do not count, and slots that are lost, are among the findings. */
export function newestSuperblock(blocks: Blocks, findings: Findings): Superblock {
  const slots: Superblock[][] = [[], []]
  for (const place of places) {
    const copy = readCopy(blocks, place.address, place.slot, findings)
    if (copy !== undefined) slots[place.slot]?.push(copy)
  }
  const best: Superblock[] = []
  for (const [slot, copies] of slots.entries()) {
    const [first, second] = copies.toSorted((a, b) => b.generation - a.generation)
    if (first === undefined) {
      findings.add('error', 'superblock', `slot ${slot} has lost its root, perhaps the newest`)
      continue
    }
    if (second !== undefined && !equal(first.bytes, second.bytes)) {
      const stale = first.generation > second.generation
      findings.add(
        stale ? 'warning' : 'error',
        'superblock',
        `the copies of slot ${slot} differ`,
        second.address,
      )
    }
    best.push(first)
  }
  const newest = best.toSorted((a, b) => b.generation - a.generation)[0]
  if (newest === undefined) throw new Damage('superblock', 'no copy of the superblock is right')
  return newest
}

function readCopy(blocks: Blocks, address: number, slot: number, findings: Findings): Superblock | undefined {
  try {
    return decodeSuperblock(blocks.read(address, superblockBlocks), address, slot)
  } catch (error) {
    if (!(error instanceof Damage)) throw error
    if (error.kind === 'newer-format' || error.kind === 'older-format') throw error
    findings.add('error', error.kind, error.message, address)
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
    logNonce: bytes.slice(128, 8),
    logPosition: bytes.u64(136),
    logChain: bytes.slice(144, 32),
    logAddress: bytes.u64(192),
    logBlocks: bytes.u64(200),
  }
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
  const holds = bytes.u8(6)
  bytes.want(bytes.u8(1) === 1, 'the version is 0')
  bytes.want(bytes.u8(3) === 1 || bytes.u8(3) === 2, 'the role is unknown')
  bytes.want(bytes.u8(4) < 16, 'a flag is unknown')
  bytes.want(members <= 8 && holds <= 128, 'too many members or holds')
  bytes.zeros(7, 1)
  bytes.zeros(224, 288)
  bytes.zeros(14912, 1472)
  for (let i = 0; i < 128; i += 1) {
    const at = i < 96 ? 4608 + i * 64 : 12864 + (i - 96) * 64
    if (i >= holds) bytes.zeros(at, 64, 'an unused hold')
    else bytes.want(nodePointer(bytes, at + 24).address !== 0, 'a hold has no root')
  }
  for (let i = 0; i < 8; i += 1) checkMember(bytes, 10752 + i * 264, i < members)
  for (const offset of [80, 96, 104, 112, 120, 136, 184, 192, 200]) bytes.u64(offset)
  bytes.want(bytes.u64(136) % 4096 === 0, 'the position of the log is inside of a block')
  bytes.want(bytes.u64(200) * 4096 >= 1_048_576, 'the ring of the log is too small')
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
