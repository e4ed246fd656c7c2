/**
 * Codec for one node of a tree, which is an address block of 4 KiB.
 *
 * These rules always hold on disk (`verifyNode` checks the rules), so equal content means equal bytes:
 * - Items are packed from the end of the block in key order, without gaps. Free bytes are zero.
 * - Keys ascend strictly and lie in [lower, upper), the bounds that the parent gives.
 * - A node has at least one item. An empty tree has no node.
 * - The value of an inner item is a node pointer with a known checksum, and the key is the lower bound of the child.
 *   The first key of every inner node is empty: the first child has the lower bound of the node itself.
 */
import { assert } from '../../lib/assert.ts'
import { compareBytes, readU16, readU48, writeU16 } from '../../lib/bytes.ts'
import { corrupt, isZero, layout, verifyHead } from '../fields.ts'
import { blockBytes, itemBytesMax, keyBytesMax } from '../geometry.ts'
import { structures } from '../kinds.ts'
import { nodePointerBytes, readNodePointer, type NodePointer } from '../pointer.ts'
import { treeLevelMax } from './root.ts'

export const treeNodeLayout = layout(
  'tree node',
  16,
  [
    ['kind', 0, 1, 'tree node'],
    ['version', 1, 1, 'of this layout'],
    ['level', 2, 1, '0 is a leaf; a child has one less than its parent'],
    ['reserved', 3, 1, 'zero'],
    ['count', 4, 2, 'items, at least 1'],
    ['heapStart', 6, 2, 'offset of the lowest byte of an item'],
    ['garbage', 8, 2, 'bytes of removed items while in memory; zero on disk'],
    ['reserved2', 10, 6, 'zero'],
  ],
  [
    ['slots', 'count × 2 bytes: the offset of each item, in key order'],
    ['free', 'zeros'],
    [
      'items',
      'from the end of the block downwards in key order: key length, value length (2 each), key, value',
    ],
  ],
)

const at = treeNodeLayout.at
export const nodeHeaderBytes = treeNodeLayout.bytes
export const slotBytes = 2
/** Two lengths stand in front of every item. */
export const itemHeadBytes = 4
/** Bytes that the slots and items of a node may take. */
export const nodeRoomBytes = blockBytes - nodeHeaderBytes
assert(
  4 * (itemBytesMax + itemHeadBytes + slotBytes) <= nodeRoomBytes,
  'four of the largest items fit a node',
)

export interface NodeItem {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Facts that a parent states about a node. `lower` is inclusive, `upper` is exclusive; null means no bound. */
export interface NodePlace {
  readonly level: number
  readonly lower: Uint8Array | null
  readonly upper: Uint8Array | null
}

/** A node whose bytes `verifyNode` has accepted. All returned keys and values are copies. */
export class VerifiedNode {
  readonly level: number
  readonly count: number
  constructor(readonly bytes: Uint8Array) {
    this.level = bytes[at.level]!
    this.count = readU16(bytes, at.count)
  }

  key(index: number): Uint8Array {
    const item = this.itemAt(index)
    return this.bytes.slice(item + itemHeadBytes, item + itemHeadBytes + readU16(this.bytes, item))
  }

  value(index: number): Uint8Array {
    const item = this.itemAt(index)
    const from = item + itemHeadBytes + readU16(this.bytes, item)
    return this.bytes.slice(from, from + readU16(this.bytes, item + 2))
  }

  /** Pointer to a child; the node must be an inner node. */
  child(index: number): NodePointer {
    const item = this.itemAt(index)
    return readNodePointer(this.bytes, item + itemHeadBytes + readU16(this.bytes, item))
  }

  /** Facts that this node, which is in `place`, states about its child. */
  childPlace(index: number, place: NodePlace): NodePlace {
    return {
      level: this.level - 1,
      lower: index === 0 ? place.lower : this.key(index),
      upper: index + 1 === this.count ? place.upper : this.key(index + 1),
    }
  }

  private itemAt(index: number): number {
    assert(index >= 0 && index < this.count, 'an item of the node')
    return readU16(this.bytes, nodeHeaderBytes + index * slotBytes)
  }
}

/** Encodes a node in the canonical form; `items` ascend. */
export function encodeNode(level: number, items: readonly NodeItem[]): Uint8Array {
  const bytes = new Uint8Array(blockBytes)
  let heapStart = blockBytes
  items.forEach(({ key, value }, index) => {
    heapStart -= itemHeadBytes + key.length + value.length
    assert(heapStart >= nodeHeaderBytes + (index + 1) * slotBytes, 'items that fit one node')
    writeU16(bytes, nodeHeaderBytes + index * slotBytes, heapStart)
    writeU16(bytes, heapStart, key.length)
    writeU16(bytes, heapStart + 2, value.length)
    bytes.set(key, heapStart + itemHeadBytes)
    bytes.set(value, heapStart + itemHeadBytes + key.length)
  })
  bytes[at.kind] = structures.treeNode.kind
  bytes[at.version] = structures.treeNode.version
  bytes[at.level] = level
  writeU16(bytes, at.count, items.length)
  writeU16(bytes, at.heapStart, heapStart)
  return bytes
}

function refuse(field: string, why: string): never {
  throw corrupt(treeNodeLayout.title, field, why)
}

/**
 * Checks every rule of a node. Throws `corrupt`, or `newer-format` for an unknown version. The caller has verified
 * the sum before.
 */
export function verifyNode(bytes: Uint8Array, place: NodePlace): VerifiedNode {
  if (bytes.length !== blockBytes) refuse('kind', 'begins a structure that is not one block')
  verifyHead(treeNodeLayout.title, bytes[at.kind]!, bytes[at.version]!, structures.treeNode)
  if (bytes[at.level] !== place.level || place.level > treeLevelMax)
    refuse('level', 'is not what its parent says')
  if (bytes[at.reserved] !== 0) refuse('reserved', 'is not zero')
  if (!isZero(bytes, at.garbage, nodeHeaderBytes)) refuse('garbage', 'is not zero')
  verifyItems(bytes, place)
  return new VerifiedNode(bytes)
}

function verifyItems(bytes: Uint8Array, place: NodePlace): void {
  const count = readU16(bytes, at.count)
  const slotsEnd = nodeHeaderBytes + count * slotBytes
  if (count === 0 || slotsEnd > blockBytes) refuse('count', `is ${count}`)
  const inner = place.level > 0
  let end = blockBytes
  for (let index = 0; index < count; index++) {
    const item = readU16(bytes, nodeHeaderBytes + index * slotBytes)
    if (item < slotsEnd || item + itemHeadBytes > end) refuse('slots', 'leave their place')
    const keyLength = readU16(bytes, item)
    const valueLength = readU16(bytes, item + 2)
    if (item + itemHeadBytes + keyLength + valueLength !== end) refuse('items', 'are not packed')
    if (keyLength > keyBytesMax || keyLength + valueLength > itemBytesMax) refuse('items', 'are too large')
    if ((keyLength === 0) !== (inner && index === 0))
      refuse('items', 'have an empty key, or none where it belongs')
    if (inner) verifyPointer(bytes, item + itemHeadBytes + keyLength, valueLength)
    // The item before begins where this item ends.
    if (index > 0 && compareKeys(bytes, end, item) >= 0) refuse('items', 'are not in the order of their keys')
    end = item
  }
  if (end !== readU16(bytes, at.heapStart)) refuse('heapStart', 'is not where the items begin')
  if (!isZero(bytes, slotsEnd, end)) refuse('free', 'is not zero')
  verifyBounds(bytes, count, place)
}

function verifyPointer(bytes: Uint8Array, from: number, length: number): void {
  if (length !== nodePointerBytes) refuse('items', 'of an inner node are pointers')
  if (readU48(bytes, from) === 0 || bytes[from + 6] !== 0 || bytes[from + 7] !== 0) {
    refuse('items', 'have a pointer to nothing')
  }
  // In memory a checksum of zeros says "not known yet": such a pointer would be followed unchecked.
  if (isZero(bytes, from + 8, from + nodePointerBytes)) refuse('items', 'have a pointer without a checksum')
}

function verifyBounds(bytes: Uint8Array, count: number, { level, lower, upper }: NodePlace): void {
  const keyAt = (index: number) => {
    const item = readU16(bytes, nodeHeaderBytes + index * slotBytes)
    return bytes.subarray(item + itemHeadBytes, item + itemHeadBytes + readU16(bytes, item))
  }
  // The first key of an inner node is empty; the second must leave room for the first child.
  const first = level === 0 ? 0 : 1
  if (first >= count) return
  if (lower && compareBytes(keyAt(first), lower) < first) refuse('items', 'have a key below their bound')
  if (upper && compareBytes(keyAt(count - 1), upper) >= 0) refuse('items', 'have a key above their bound')
}

function compareKeys(bytes: Uint8Array, a: number, b: number): number {
  const aLength = readU16(bytes, a)
  const bLength = readU16(bytes, b)
  const length = Math.min(aLength, bLength)
  for (let i = itemHeadBytes; i < itemHeadBytes + length; i++) {
    const difference = bytes[a + i]! - bytes[b + i]!
    if (difference !== 0) return difference
  }
  return aLength - bLength
}
