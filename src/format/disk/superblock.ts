/**
 * Codec for the superblock, where an open begins. A superblock is local to a side, and is the only structure besides
 * the log that is written in place.
 *
 * - A slot is written as two equal copies. Each copy has the slot's number inside, so a misdirected copy is not taken
 *   for a copy of the other slot.
 * - The checksum covers every byte of the copy, with its own field as zeros. No other field is looked at before the
 *   checksum is right.
 * - Sum, magic, format number and feature words keep their places in every later format. So a copy of a later program
 *   differs from a damaged copy, and from a copy from before the format number.
 * - A superblock at its limits still fits its copy: the layout below has room for every hold and every member.
 * - Only an empty mirror has no root.
 */
import { assert } from '../../lib/assert.ts'
import { encodeUtf8, equalBytes, toHex } from '../../lib/bytes.ts'
import { sha256, sha256Bytes } from '../../lib/checksum.ts'
import { StillpointError, hasCode } from '../../lib/errors.ts'
import { type Features, newerFormat } from '../features.ts'
import { Reader, Writer, isZero, layout } from '../fields.ts'
import {
  type FixedGeometry,
  blockBytes,
  epochMax,
  holdsMax,
  isDataRun,
  isValidFixedGeometry,
  memberUrlBytesMax,
  membersMax,
  sectorBytes,
  superblockCopyBlocks,
  superblockSlots,
  volumeBlocksLimit,
} from '../geometry.ts'
import { structures } from '../kinds.ts'
import { type NodePointer, nodePointerBytes } from '../pointer.ts'
import { cpMax, openingMax } from '../position.ts'
import { readFormat, writeFormat } from './format-words.ts'
import { decodeRoot } from './root.ts'

interface Hold {
  /** Owner of the hold: a member, or another holder that needs the root for a while. */
  readonly memberUuid: Uint8Array
  readonly cp: number
  readonly root: NodePointer
}

interface SuperblockMember {
  readonly uuid: Uint8Array
  readonly url: string
}

/** Place in the log from which replay of the superblock's root starts. */
export interface LogStart {
  /** Nonce of the opening: a group of an earlier opening can never continue this opening's groups. */
  readonly nonce: Uint8Array
  /** A byte position in the ring's endless numbering; groups begin on block boundaries. */
  readonly position: number
  /** Chain value that the first group must name. */
  readonly chain: Uint8Array
}

export type Role = 'primary' | 'mirror'

export interface Superblock {
  readonly features: Features
  readonly volumeUuid: Uint8Array
  readonly sideUuid: Uint8Array
  /** The generation only grows, and orders the slots. */
  readonly generation: number
  readonly role: Role
  readonly epoch: { readonly number: number; readonly id: Uint8Array }
  /** True for a primary that has met a higher epoch. */
  readonly fenced: boolean
  /** True for a primary whose mirror has seen this volume newer: an old copy has replaced the volume. */
  readonly outdated: boolean
  readonly opening: number
  /** The first cp that this opening may give. */
  readonly firstCp: number
  readonly root: { readonly address: number; readonly bytes: Uint8Array } | null
  readonly holds: readonly Hold[]
  readonly members: readonly SuperblockMember[]
  readonly log: LogStart
  readonly geometry: FixedGeometry
  /** True while a return to an older root is unfinished; the next open finishes the return. */
  readonly goingBack: boolean
}

const roles: readonly Role[] = ['primary', 'mirror']
const flagFenced = 1
const flagGoingBack = 2
const flagRoot = 4
const flagOutdated = 8
const flagsMax = flagFenced | flagGoingBack | flagRoot | flagOutdated
const magic = encodeUtf8('STILLPNT')

const superblockBytes = superblockCopyBlocks * blockBytes

export const holdLayout = layout('hold', 64, [
  ['memberUuid', 0, 16, 'who holds'],
  ['cp', 16, 8, 'of the root that is held'],
  ['root', 24, nodePointerBytes, 'the root node'],
])

export const memberLayout = layout('member', 264, [
  ['uuid', 0, 16, 'side UUID of the mirror'],
  ['urlBytes', 16, 1, '1 to 240'],
  ['reserved', 17, 7, 'zero'],
  ['url', 24, memberUrlBytesMax, 'UTF-8, zeros behind it'],
])

/** Holds above this number stand behind the members. */
const firstHoldsMax = 96

export const superblockLayout = layout('superblock', superblockBytes, [
  ['kind', 0, 1, 'superblock'],
  ['version', 1, 1, 'of this layout'],
  ['slot', 2, 1, '0 or 1: a misdirected copy is recognised'],
  ['role', 3, 1, '1 primary, 2 mirror'],
  ['flags', 4, 1, '1 fenced, 2 going back, 4 has a root, 8 outdated'],
  ['memberCount', 5, 1, 'up to 8'],
  ['holdCount', 6, 1, 'up to 128'],
  ['reserved', 7, 1, 'zero'],
  ['magic', 8, 8, '`STILLPNT`: for whoever looks at the file'],
  ['sum', 16, sha256Bytes, 'SHA-256 of the whole copy with this field as zeros'],
  ['volumeUuid', 48, 16, 'the same on every side'],
  ['sideUuid', 64, 16, 'of this side'],
  ['generation', 80, 8, 'only grows: it orders the slots'],
  ['epochId', 88, 8, 'random, of the epoch'],
  ['epochNumber', 96, 8, 'the highest epoch that this side has met'],
  ['opening', 104, 8, 'runs of a process on this volume, counted'],
  ['firstCp', 112, 8, 'the first cp that this opening may give'],
  ['rootAddress', 120, 8, 'of the root node; 0: there is none'],
  ['logNonce', 128, 8, 'of the opening that writes the log'],
  ['logPosition', 136, 8, 'where replay of this root starts, in bytes, in the endless numbering of the ring'],
  ['logChain', 144, 32, 'what the first group of the replay is chained to'],
  ['blockBytes', 176, 4, 'geometry: 4,096'],
  ['sectorBytes', 180, 4, 'geometry: what a device is trusted to write whole, 512'],
  ['growBlocks', 184, 8, 'geometry: step of growth, in blocks'],
  ['logAddress', 192, 8, 'geometry: first block of the ring'],
  ['logBlocks', 200, 8, 'geometry: blocks of the ring'],
  ['format', 208, 4, 'of all that is written; 1. Volumes of before there was a number have 0'],
  ['incompat', 212, 4, 'feature bits: whoever does not know one cannot read it'],
  ['readOnlyCompat', 216, 4, 'feature bits: whoever does not know one may read and not write'],
  ['compat', 220, 4, 'feature bits: whoever does not know one keeps it'],
  ['reserved2', 224, 288, 'zero'],
  ['root', 512, blockBytes, 'the bytes of the root node; zeros when there is none'],
  ['holds', 4608, holdLayout.bytes * firstHoldsMax, '96 holds; unused ones are zero'],
  ['members', 10752, memberLayout.bytes * membersMax, '8 members; unused ones are zero'],
  ['moreHolds', 12864, holdLayout.bytes * (holdsMax - firstHoldsMax), '32 more holds'],
  ['reserved3', 14912, 1472, 'zero'],
])

const flagsOf = ({ fenced, goingBack, root, outdated }: Superblock): number =>
  (fenced ? flagFenced : 0) |
  (goingBack ? flagGoingBack : 0) |
  (root ? flagRoot : 0) |
  (outdated ? flagOutdated : 0)

/** Encodes one copy; both copies of a slot are equal. */
export function encodeSuperblock(s: Superblock, slot: number): Uint8Array {
  assert(slot >= 0 && slot < superblockSlots, 'a slot is 0 or 1')
  assert(s.holds.length <= holdsMax && s.members.length <= membersMax, 'holds and members fit a superblock')
  const bytes = new Uint8Array(superblockBytes)
  const w = new Writer(superblockLayout, bytes)
  w.head(structures.superblock)
  w.number('slot', slot)
  w.number('role', 1 + roles.indexOf(s.role))
  w.number('flags', flagsOf(s))
  w.number('memberCount', s.members.length)
  w.number('holdCount', s.holds.length)
  w.put('magic', magic)
  writeFormat(w, s.features)
  w.put('volumeUuid', s.volumeUuid)
  w.put('sideUuid', s.sideUuid)
  w.number('generation', s.generation)
  w.put('epochId', s.epoch.id)
  w.number('epochNumber', s.epoch.number, epochMax)
  w.number('opening', s.opening, openingMax)
  w.number('firstCp', s.firstCp, cpMax)
  w.put('logNonce', s.log.nonce)
  w.number('logPosition', s.log.position)
  w.put('logChain', s.log.chain)
  w.number('blockBytes', blockBytes)
  w.number('sectorBytes', sectorBytes)
  w.number('growBlocks', s.geometry.growBlocks)
  w.number('logAddress', s.geometry.logAddress)
  w.number('logBlocks', s.geometry.logBlocks)
  if (s.root) {
    w.number('rootAddress', s.root.address)
    w.put('root', s.root.bytes)
  }
  for (const [i, hold] of s.holds.entries()) {
    const h = new Writer(holdLayout, bytes, offsetOfHold(i))
    h.put('memberUuid', hold.memberUuid)
    h.number('cp', hold.cp, cpMax)
    h.pointer('root', hold.root)
  }
  for (const [i, member] of s.members.entries()) {
    const m = new Writer(memberLayout, bytes, superblockLayout.at.members + memberLayout.bytes * i)
    const url = encodeUtf8(member.url)
    m.put('uuid', member.uuid)
    m.number('urlBytes', url.length, memberUrlBytesMax)
    m.text('url', url)
  }
  const problem = contradiction(s)
  assert(problem === null, `superblock: ${problem?.join(' ')}`)
  w.put('sum', sha256(bytes))
  return bytes
}

/**
 * Returns null for a copy that is not readable: a wrong checksum, kind or slot, or any value out of its bounds.
 * Garbage never throws. Throws `newer-format` for a sound copy of a later program, and `older-format` for a copy from
 * before the format number. A copy whose root this program cannot read is a copy of a later program, too.
 */
export function decodeSuperblock(bytes: Uint8Array, slot: number): Superblock | null {
  if (bytes.length !== superblockBytes || !hasSum(bytes)) return null
  try {
    return read(bytes, slot)
  } catch (error) {
    if (hasCode(error, 'corrupt')) return null
    throw error
  }
}

function hasSum(bytes: Uint8Array): boolean {
  const at = superblockLayout.at.sum
  const copy = bytes.slice()
  copy.fill(0, at, at + sha256Bytes)
  return equalBytes(sha256(copy), bytes.subarray(at, at + sha256Bytes))
}

function read(bytes: Uint8Array, slot: number): Superblock {
  const r = new Reader(superblockLayout, bytes)
  if (!equalBytes(r.copy('magic'), magic)) throw r.problem('magic', 'is another')
  if (r.number('kind') === structures.superblock.kind && r.number('format') === 0)
    throw new StillpointError(
      'older-format',
      'this is a volume of before version 1 of the format (its format number is 0): it cannot be opened any more',
    )
  r.head(structures.superblock)
  const features = readFormat(r)
  sizeOf(r, 'blockBytes', blockBytes)
  sizeOf(r, 'sectorBytes', sectorBytes)
  r.number('slot', slot, slot)
  r.zero('reserved')
  r.zero('reserved2')
  r.zero('reserved3')
  const flags = r.number('flags', flagsMax)
  const hasRoot = (flags & flagRoot) !== 0
  if (!hasRoot) r.zero('root')
  const rootAddress = r.number('rootAddress')
  if (rootAddress > 0 !== hasRoot) throw r.problem('rootAddress', 'contradicts the flags')
  const s: Superblock = {
    features,
    volumeUuid: r.copy('volumeUuid'),
    sideUuid: r.copy('sideUuid'),
    generation: r.number('generation'),
    role: roles[r.number('role', roles.length, 1) - 1]!,
    epoch: { number: r.number('epochNumber', epochMax), id: r.copy('epochId') },
    fenced: (flags & flagFenced) !== 0,
    outdated: (flags & flagOutdated) !== 0,
    opening: r.number('opening', openingMax),
    firstCp: r.number('firstCp', cpMax),
    root: hasRoot ? { address: rootAddress, bytes: r.copy('root') } : null,
    holds: readHolds(bytes, r.number('holdCount', holdsMax)),
    members: readMembers(bytes, r.number('memberCount', membersMax)),
    log: {
      nonce: r.copy('logNonce'),
      position: r.number('logPosition'),
      chain: r.copy('logChain'),
    },
    geometry: {
      growBlocks: r.number('growBlocks'),
      logAddress: r.number('logAddress'),
      logBlocks: r.number('logBlocks'),
    },
    goingBack: (flags & flagGoingBack) !== 0,
  }
  const problem = contradiction(s)
  if (problem) throw r.problem(...problem)
  if (s.root) assertRootReadable(s.root.bytes)
  return s
}

/** Throws only for a root of a later program. The reader of the root finds damage. */
function assertRootReadable(bytes: Uint8Array): void {
  try {
    decodeRoot(bytes)
  } catch (error) {
    if (!hasCode(error, 'corrupt')) throw error
  }
}

/** This program knows one value for each size. A sound copy with another size belongs to a later program. */
function sizeOf(r: Reader<SuperblockField>, field: 'blockBytes' | 'sectorBytes', known: number): void {
  const size = r.number(field)
  if (size !== known) throw newerFormat(superblockLayout.title, `${field} is ${size}, and ${known} is known`)
}

const offsetOfHold = (index: number): number =>
  index < firstHoldsMax
    ? superblockLayout.at.holds + holdLayout.bytes * index
    : superblockLayout.at.moreHolds + holdLayout.bytes * (index - firstHoldsMax)

function readHolds(bytes: Uint8Array, count: number): Hold[] {
  const holds: Hold[] = []
  for (let i = 0; i < count; i++) {
    const h = new Reader(holdLayout, bytes, offsetOfHold(i))
    holds.push({ memberUuid: h.copy('memberUuid'), cp: h.number('cp', cpMax), root: h.pointer('root') })
  }
  for (let i = count; i < holdsMax; i++) {
    const at = offsetOfHold(i)
    if (!isZero(bytes, at, at + holdLayout.bytes)) {
      throw new Reader(superblockLayout, bytes).problem('holds', 'has bytes after its end')
    }
  }
  return holds
}

function readMembers(bytes: Uint8Array, count: number): SuperblockMember[] {
  const from = superblockLayout.at.members
  const end = from + memberLayout.bytes * count
  const members: SuperblockMember[] = []
  for (let at = from; at < end; at += memberLayout.bytes) {
    const m = new Reader(memberLayout, bytes, at)
    m.zero('reserved')
    members.push({ uuid: m.copy('uuid'), url: m.text('url', m.number('urlBytes', memberUrlBytesMax)) })
  }
  if (!isZero(bytes, end, superblockLayout.at.moreHolds)) {
    throw new Reader(superblockLayout, bytes).problem('members', 'has bytes after its end')
  }
  return members
}

type SuperblockField = keyof typeof superblockLayout.at

/** Returns the first field that contradicts another field, and how. No single field shows such a fault. */
function contradiction(s: Superblock): [field: SuperblockField, why: string] | null {
  if (!isValidFixedGeometry(s.geometry)) return ['growBlocks', 'begins a geometry that cannot be']
  // The root, which is read later, says how large the volume may be.
  const geometry = { ...s.geometry, blocksMax: volumeBlocksLimit }
  if (!s.root && s.role === 'primary') return ['root', 'is missing on a primary']
  if (s.root && !isDataRun(geometry, s.root.address, 1)) return ['rootAddress', 'is not of a data block']
  if (s.log.position % blockBytes !== 0) return ['logPosition', 'is inside a block']
  for (const hold of s.holds) {
    if (!isDataRun(geometry, hold.root.address, 1))
      return ['holds', 'names something that is not a data block']
  }
  if (s.members.some(({ url }) => url === '')) return ['members', 'names one without a URL']
  const uuids = new Set(s.members.map((member) => toHex(member.uuid)))
  if (uuids.size !== s.members.length) return ['members', 'names one twice']
  return null
}
