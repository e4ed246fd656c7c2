/**
 * Codec for the root node, the block from which everything of a consistency point is reached and verified. The root
 * has the same bytes on both sides, and its SHA-256 names the CP's content.
 *
 * - cp lies in the last epoch of the list, at or after that epoch's first cp; epochs ascend.
 * - Every address is below blockCount; a pointer without an address has no checksum.
 * - Unused epochs, the rest of the snapshot's name, and reserved bytes are zero, so that a root has one form.
 */
import { assert } from '../../lib/assert.ts'
import { encodeUtf8 } from '../../lib/bytes.ts'
import type { Features } from '../features.ts'
import { Reader, Writer, isZero, layout } from '../fields.ts'
import {
  blockBytes,
  countersMax,
  epochMax,
  epochsMax,
  snapshotNameBytesMax,
  volumeBytesLimit,
} from '../geometry.ts'
import { structures } from '../kinds.ts'
import { readFormat, writeFormat } from './format-words.ts'
import { type NodePointer, type RecordSums, checksumKinds, nodePointerBytes } from '../pointer.ts'
import { cpMax, epochOfCp, openingMax, sequenceMax, timeMsMax } from '../position.ts'

export interface TreeRoot {
  /** Address 0 means that the tree is empty. */
  readonly pointer: NodePointer
  /** Level 0 means that the root of the tree is a leaf. */
  readonly level: number
}

interface EpochEntry {
  readonly number: number
  /** Eight random bytes, which distinguish two sides that both took the same number. */
  readonly id: Uint8Array
  readonly firstCp: number
  /** Hash of the root that the epoch continues; zeros in the first epoch. */
  readonly rootHashBefore: Uint8Array
}

export interface Root {
  readonly features: Features
  readonly volumeUuid: Uint8Array
  readonly cp: number
  /** Size of the volume at this CP, in blocks. */
  readonly blockCount: number
  /**
   * Limit for the volume, in blocks; never falls from root to root. The levels of the maps follow from this limit.
   */
  readonly blocksMax: number
  /** Checksums of records: properties of the volume. */
  readonly sums: RecordSums
  readonly fileTree: TreeRoot
  readonly snapshotsTree: TreeRoot
  /** The top nodes of the maps' indexes, at the level that `blocksMax` needs. */
  readonly liveMap: NodePointer
  readonly usedMap: NodePointer
  /**
   * 1 to epochsMax epochs, ascending; the last epoch is current. When there were more epochs, the oldest have been
   * dropped.
   */
  readonly epochs: readonly EpochEntry[]
  /** Exactly countersMax numbers; only the owner of the items knows their meaning. */
  readonly counters: readonly number[]
  readonly committedAtMs: number
  /** The last operation that the root contains, and the opening that gave that number. */
  readonly sequence: number
  readonly opening: number
  readonly previousHash: Uint8Array
  /** Name of a snapshot that was taken at this very CP. */
  readonly snapshotName: string | null
}

/** A tree of the smallest fan-out over the largest volume stays far below this level. */
export const treeLevelMax = 31
const blockCountMax = volumeBytesLimit / blockBytes

export const epochLayout = layout('epoch entry', 50, [
  ['firstCp', 0, 8, 'the first cp of the epoch'],
  ['id', 8, 8, 'random; equal numbers with different ids are two histories'],
  ['rootHashBefore', 16, 32, 'SHA-256 of the root that the epoch continues; zeros in the first'],
  ['number', 48, 2, 'the epoch; firstCp lies in it'],
])

const counterLayout = layout('counter', 8, [['value', 0, 8, 'below 2⁵³']])

export const rootLayout = layout('root node', blockBytes, [
  ['kind', 0, 1, 'root'],
  ['version', 1, 1, 'of this layout'],
  ['checksumKind', 2, 1, 'of records: 1 XXH3-64, 2 SHA-256'],
  ['epochCount', 3, 1, '1 to 64'],
  ['fileTreeLevel', 4, 1, '0: its root is a leaf'],
  ['snapshotsTreeLevel', 5, 1, '0: its root is a leaf'],
  ['snapshotNameBytes', 6, 1, '0: no snapshot at this CP'],
  ['reserved', 7, 1, 'zero'],
  ['format', 8, 4, 'of all that is written; 1'],
  ['incompat', 12, 4, 'feature bits: whoever does not know one cannot read it'],
  ['readOnlyCompat', 16, 4, 'feature bits: whoever does not know one may read and not write'],
  ['compat', 20, 4, 'feature bits: whoever does not know one keeps it'],
  ['volumeUuid', 24, 16, 'of the volume, the same on every side'],
  ['cp', 40, 8, 'epoch × 10¹² + n'],
  ['blockCount', 48, 8, 'size of the volume at this CP, in blocks; every address is below'],
  ['blocksMax', 56, 8, 'the volume does not grow beyond, in blocks; it can be raised, and never falls'],
  ['seed', 64, 4, 'the secret seed of XXH3-64'],
  ['reserved2', 68, 4, 'zero'],
  ['sequence', 72, 8, 'the last operation that it contains'],
  ['opening', 80, 8, 'of that sequence'],
  ['committedAtMs', 88, 8, 'wall clock, milliseconds since 1970: a label'],
  ['previousHash', 96, 32, 'SHA-256 of the root before; zeros in the first'],
  ['fileTree', 128, nodePointerBytes, 'root of the file tree'],
  ['snapshotsTree', 168, nodePointerBytes, 'root of the snapshots tree'],
  ['liveMap', 208, nodePointerBytes, 'top of the live map'],
  ['usedMap', 248, nodePointerBytes, 'top of the used map'],
  ['counters', 288, 8 * countersMax, '8 integers for the owner of the items'],
  ['snapshotName', 352, snapshotNameBytesMax, 'UTF-8, zeros behind it'],
  ['reserved3', 607, 1, 'zero'],
  ['epochs', 608, epochLayout.bytes * epochsMax, 'up to 64 epoch entries, ascending; unused ones are zero'],
  ['reserved4', 3808, 288, 'zero'],
])

export function encodeRoot(root: Root): Uint8Array {
  const bytes = new Uint8Array(blockBytes)
  const w = new Writer(rootLayout, bytes)
  const name = encodeUtf8(root.snapshotName ?? '')
  assert(root.snapshotName === null || name.length > 0, 'a snapshot has a name')
  assert(root.counters.length === countersMax, 'a root has all counters')
  w.head(structures.root)
  w.number('checksumKind', 1 + checksumKinds.indexOf(root.sums.kind))
  w.number('epochCount', root.epochs.length, epochsMax)
  w.number('fileTreeLevel', root.fileTree.level, treeLevelMax)
  w.number('snapshotsTreeLevel', root.snapshotsTree.level, treeLevelMax)
  w.number('snapshotNameBytes', name.length, snapshotNameBytesMax)
  writeFormat(w, root.features)
  w.put('volumeUuid', root.volumeUuid)
  w.number('cp', root.cp, cpMax)
  w.number('blockCount', root.blockCount, blockCountMax)
  w.number('blocksMax', root.blocksMax, blockCountMax)
  w.number('seed', root.sums.seed)
  w.number('sequence', root.sequence, sequenceMax)
  w.number('opening', root.opening, openingMax)
  w.number('committedAtMs', root.committedAtMs, timeMsMax)
  w.put('previousHash', root.previousHash)
  w.pointer('fileTree', root.fileTree.pointer)
  w.pointer('snapshotsTree', root.snapshotsTree.pointer)
  w.pointer('liveMap', root.liveMap)
  w.pointer('usedMap', root.usedMap)
  for (const [i, value] of root.counters.entries()) {
    new Writer(counterLayout, bytes, rootLayout.at.counters + 8 * i).number('value', value)
  }
  w.text('snapshotName', name)
  for (const [i, epoch] of root.epochs.entries()) {
    const e = new Writer(epochLayout, bytes, rootLayout.at.epochs + epochLayout.bytes * i)
    e.number('firstCp', epoch.firstCp, cpMax)
    e.put('id', epoch.id)
    e.put('rootHashBefore', epoch.rootHashBefore)
    e.number('number', epoch.number, epochMax)
  }
  const problem = contradiction(root)
  assert(problem === null, `root node: ${problem?.join(' ')}`)
  return bytes
}

/**
 * Throws `corrupt` with the name of the field, or `newer-format`. A caller that trusts the returned root has verified
 * the bytes before, and a caller that changes the volume asks `assertWritable` as well.
 */
export function decodeRoot(bytes: Uint8Array): Root {
  const r = new Reader(rootLayout, bytes)
  if (bytes.length !== blockBytes) throw r.problem('kind', 'begins a structure that is not one block')
  r.head(structures.root)
  const features = readFormat(r)
  for (const reserved of ['reserved', 'reserved2', 'reserved3', 'reserved4'] as const) r.zero(reserved)
  const nameBytes = r.number('snapshotNameBytes', snapshotNameBytesMax)
  const name = r.text('snapshotName', nameBytes)
  const root: Root = {
    features,
    volumeUuid: r.copy('volumeUuid'),
    cp: r.number('cp', cpMax),
    blockCount: r.number('blockCount', blockCountMax, 1),
    blocksMax: r.number('blocksMax', blockCountMax, 1),
    sums: {
      kind: checksumKinds[r.number('checksumKind', checksumKinds.length, 1) - 1]!,
      seed: r.number('seed'),
    },
    fileTree: { pointer: r.pointer('fileTree'), level: r.number('fileTreeLevel', treeLevelMax) },
    snapshotsTree: {
      pointer: r.pointer('snapshotsTree'),
      level: r.number('snapshotsTreeLevel', treeLevelMax),
    },
    liveMap: r.pointer('liveMap'),
    usedMap: r.pointer('usedMap'),
    epochs: decodeEpochs(bytes, r.number('epochCount', epochsMax, 1)),
    counters: Array.from({ length: countersMax }, (_, i) =>
      new Reader(counterLayout, bytes, rootLayout.at.counters + 8 * i).number('value'),
    ),
    committedAtMs: r.number('committedAtMs', timeMsMax),
    sequence: r.number('sequence', sequenceMax),
    opening: r.number('opening', openingMax),
    previousHash: r.copy('previousHash'),
    snapshotName: nameBytes === 0 ? null : name,
  }
  const problem = contradiction(root)
  if (problem) throw r.problem(...problem)
  return root
}

function decodeEpochs(bytes: Uint8Array, count: number): EpochEntry[] {
  const from = rootLayout.at.epochs
  const epochs: EpochEntry[] = []
  for (let i = 0; i < count; i++) {
    const e = new Reader(epochLayout, bytes, from + epochLayout.bytes * i)
    epochs.push({
      number: e.number('number', epochMax),
      id: e.copy('id'),
      firstCp: e.number('firstCp', cpMax),
      rootHashBefore: e.copy('rootHashBefore'),
    })
  }
  if (!isZero(bytes, from + epochLayout.bytes * count, rootLayout.at.reserved4)) {
    throw new Reader(rootLayout, bytes).problem('epochs', 'has bytes after its end')
  }
  return epochs
}

type RootField = keyof typeof rootLayout.at

/** Returns the first field that contradicts another field, and how. No single field shows such a fault. */
function contradiction(root: Root): [field: RootField, why: string] | null {
  const current = root.epochs.at(-1)
  if (!current) return ['epochs', 'is empty']
  for (const [i, epoch] of root.epochs.entries()) {
    if (epochOfCp(epoch.firstCp) !== epoch.number) return ['epochs', 'has a first cp of another epoch']
    if (i > 0 && epoch.number <= root.epochs[i - 1]!.number) return ['epochs', 'does not ascend']
  }
  if (epochOfCp(root.cp) !== current.number) return ['cp', 'is not of the current epoch']
  if (root.cp < current.firstCp) return ['cp', 'is before the first of its epoch']
  if (root.blockCount > root.blocksMax) return ['blockCount', 'is larger than the volume can be']
  const pointers = {
    fileTree: root.fileTree.pointer,
    snapshotsTree: root.snapshotsTree.pointer,
    liveMap: root.liveMap,
    usedMap: root.usedMap,
  }
  for (const [field, pointer] of Object.entries(pointers)) {
    if (pointer.address >= root.blockCount) return [field as RootField, 'points beyond the volume']
  }
  if (root.fileTree.pointer.address === 0 && root.fileTree.level !== 0)
    return ['fileTreeLevel', 'is of no tree']
  if (root.snapshotsTree.pointer.address === 0 && root.snapshotsTree.level !== 0) {
    return ['snapshotsTreeLevel', 'is of no tree']
  }
  return null
}
