/**
 * One frame of the cache as a node: search in the node, and changes in place. `format/disk/tree-node.ts` has the
 * layout and the invariants; the node may have holes between the items, and `garbage` counts their bytes.
 *
 * The hot loops are here: they compare bytes in the one large buffer, and make no views.
 */
import { assert } from '../../lib/assert.ts'
import { writeU16 } from '../../lib/bytes.ts'
import { blockBytes } from '../../format/geometry.ts'
import { structures } from '../../format/kinds.ts'
import { nodePointerBytes } from '../../format/pointer.ts'
import {
  itemHeadBytes,
  nodeHeaderBytes,
  nodeRoomBytes,
  slotBytes,
  treeNodeLayout,
} from '../../format/disk/tree-node.ts'
import { type NodeCache, wordsPerFrame } from './node-cache.ts'

const countWord = treeNodeLayout.at.count / 2
const heapWord = treeNodeLayout.at.heapStart / 2
const garbageWord = treeNodeLayout.at.garbage / 2
const slotsWord = nodeHeaderBytes / 2
const kindWord = structures.treeNode.kind | (structures.treeNode.version << 8)
const none = new Uint8Array(0)
/** Frame that any function may use while the function runs; the bytes of this frame do not last. */
const scratchFrame = 0

export function initNode(cache: NodeCache, frame: number, level: number): void {
  const words = cache.words
  const first = frame * wordsPerFrame
  for (let i = 0; i < slotsWord; i++) words[first + i] = 0
  words[first] = kindWord
  words[first + 1] = level
  words[first + heapWord] = blockBytes
}

export const levelOf = (cache: NodeCache, frame: number): number =>
  cache.bytes[frame * blockBytes + treeNodeLayout.at.level]!

export const countOf = (cache: NodeCache, frame: number): number =>
  cache.words[frame * wordsPerFrame + countWord]!

/** Bytes that slots and items take, without the holes. */
export function usedOf(cache: NodeCache, frame: number): number {
  const words = cache.words
  const first = frame * wordsPerFrame
  return (
    blockBytes -
    words[first + heapWord]! -
    words[first + garbageWord]! +
    words[first + countWord]! * slotBytes
  )
}

/** Offset in the cache's bytes where an item begins. */
export const itemAt = (cache: NodeCache, frame: number, index: number): number =>
  frame * blockBytes + cache.words[frame * wordsPerFrame + slotsWord + index]!

const keyLengthAt = (bytes: Uint8Array, item: number): number => bytes[item]! | (bytes[item + 1]! << 8)
const valueLengthAt = (bytes: Uint8Array, item: number): number => bytes[item + 2]! | (bytes[item + 3]! << 8)

export function itemBytes(bytes: Uint8Array, item: number): number {
  return itemHeadBytes + keyLengthAt(bytes, item) + valueLengthAt(bytes, item)
}

export function keyOf(cache: NodeCache, frame: number, index: number): Uint8Array {
  const item = itemAt(cache, frame, index)
  return cache.bytes.slice(item + itemHeadBytes, item + itemHeadBytes + keyLengthAt(cache.bytes, item))
}

export function valueOf(cache: NodeCache, frame: number, index: number): Uint8Array {
  const item = itemAt(cache, frame, index)
  const from = item + itemHeadBytes + keyLengthAt(cache.bytes, item)
  return cache.bytes.slice(from, from + valueLengthAt(cache.bytes, item))
}

/**
 * Index of the item with this key, or ~(index where the item would be). `from` is 1 for an inner node, whose first
 * key is empty.
 */
export function search(cache: NodeCache, frame: number, key: Uint8Array, from: number): number {
  const bytes = cache.bytes
  const words = cache.words
  const base = frame * blockBytes
  const slots = frame * wordsPerFrame + slotsWord
  const length = key.length
  let low = from
  let high = words[frame * wordsPerFrame + countWord]!
  // All keys between two others share with the wanted key at least the prefix that both others share with the wanted
  // key, so the loop does not compare this prefix again.
  let lowPrefix = 0
  let highPrefix = 0
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = base + words[slots + middle]!
    const itemLength = bytes[item]! | (bytes[item + 1]! << 8)
    const shorter = itemLength < length ? itemLength : length
    const start = item + itemHeadBytes
    let i = lowPrefix < highPrefix ? lowPrefix : highPrefix
    while (i < shorter && bytes[start + i] === key[i]) i++
    const order = i < shorter ? bytes[start + i]! - key[i]! : itemLength - length
    if (order === 0) return middle
    if (order < 0) {
      low = middle + 1
      lowPrefix = i
    } else {
      high = middle
      highPrefix = i
    }
  }
  return ~low
}

/** Index of the child whose range holds the key. */
export function searchChild(cache: NodeCache, frame: number, key: Uint8Array): number {
  const found = search(cache, frame, key, 1)
  return found >= 0 ? found : ~found - 1
}

/** Negative when the item's key sorts before `key`. */
export function compareKeyAt(bytes: Uint8Array, item: number, key: Uint8Array): number {
  const itemLength = keyLengthAt(bytes, item)
  const shorter = itemLength < key.length ? itemLength : key.length
  const start = item + itemHeadBytes
  for (let i = 0; i < shorter; i++) {
    const order = bytes[start + i]! - key[i]!
    if (order !== 0) return order
  }
  return itemLength - key.length
}

export function equalValueAt(bytes: Uint8Array, item: number, value: Uint8Array): boolean {
  const length = valueLengthAt(bytes, item)
  if (length !== value.length) return false
  const from = item + itemHeadBytes + keyLengthAt(bytes, item)
  for (let i = 0; i < length; i++) if (bytes[from + i] !== value[i]) return false
  return true
}

export const fits = (cache: NodeCache, frame: number, bytesMore: number): boolean =>
  usedOf(cache, frame) + slotBytes + bytesMore <= nodeRoomBytes

/** Makes room for an item of `length` bytes at `index`, and returns its offset. The item must fit. */
function open(cache: NodeCache, frame: number, index: number, length: number): number {
  const words = cache.words
  const first = frame * wordsPerFrame
  const count = words[first + countWord]!
  if (words[first + heapWord]! - nodeHeaderBytes - (count + 1) * slotBytes < length) compact(cache, frame)
  const start = words[first + heapWord]! - length
  assert(start >= nodeHeaderBytes + (count + 1) * slotBytes, 'an item that fits')
  const slots = first + slotsWord
  if (index < count) words.copyWithin(slots + index + 1, slots + index, slots + count)
  words[slots + index] = start
  words[first + heapWord] = start
  words[first + countWord] = count + 1
  return frame * blockBytes + start
}

export function insertItem(
  cache: NodeCache,
  frame: number,
  index: number,
  key: Uint8Array,
  value: Uint8Array,
): void {
  const item = open(cache, frame, index, itemHeadBytes + key.length + value.length)
  const bytes = cache.bytes
  bytes[item] = key.length
  bytes[item + 1] = key.length >>> 8
  bytes[item + 2] = value.length
  bytes[item + 3] = value.length >>> 8
  bytes.set(key, item + itemHeadBytes)
  bytes.set(value, item + itemHeadBytes + key.length)
  cache.noteInsert(frame, index)
}

/** Appends a copy of an item of another frame. */
export function appendItem(cache: NodeCache, target: number, source: number, index: number): void {
  const item = itemAt(cache, source, index)
  const length = itemBytes(cache.bytes, item)
  cache.bytes.copyWithin(open(cache, target, countOf(cache, target), length), item, item + length)
}

export function removeItem(cache: NodeCache, frame: number, index: number): void {
  const words = cache.words
  const first = frame * wordsPerFrame
  const slots = first + slotsWord
  const count = words[first + countWord]!
  const length = itemBytes(cache.bytes, itemAt(cache, frame, index))
  words.copyWithin(slots + index, slots + index + 1, slots + count)
  words[first + countWord] = count - 1
  words[first + garbageWord] = words[first + garbageWord]! + length
  cache.setInsertRun(frame, 0)
}

/** Keeps the first `count` items. */
export function truncateItems(cache: NodeCache, frame: number, count: number): void {
  const words = cache.words
  const first = frame * wordsPerFrame
  let garbage = words[first + garbageWord]!
  for (let i = count; i < words[first + countWord]!; i++) {
    garbage += itemBytes(cache.bytes, itemAt(cache, frame, i))
  }
  words[first + garbageWord] = garbage
  words[first + countWord] = count
}

/**
 * Replaces in place when the length is the same. False when a longer value does not fit: the item is removed then.
 */
export function replaceValue(
  cache: NodeCache,
  frame: number,
  index: number,
  key: Uint8Array,
  value: Uint8Array,
): boolean {
  const item = itemAt(cache, frame, index)
  if (valueLengthAt(cache.bytes, item) === value.length) {
    cache.bytes.set(value, item + itemHeadBytes + key.length)
    return true
  }
  removeItem(cache, frame, index)
  if (!fits(cache, frame, itemHeadBytes + key.length + value.length)) return false
  insertItem(cache, frame, index, key, value)
  return true
}

/** Makes the first key of an inner node empty, and returns the key that was there. */
export function stripFirstKey(cache: NodeCache, frame: number): Uint8Array {
  const bytes = cache.bytes
  const item = itemAt(cache, frame, 0)
  const length = keyLengthAt(bytes, item)
  if (length === 0) return none
  const key = bytes.slice(item + itemHeadBytes, item + itemHeadBytes + length)
  const value = item + itemHeadBytes + length
  bytes.copyWithin(item + itemHeadBytes, value, value + valueLengthAt(bytes, item))
  bytes[item] = 0
  bytes[item + 1] = 0
  const words = cache.words
  words[frame * wordsPerFrame + garbageWord] = words[frame * wordsPerFrame + garbageWord]! + length
  return key
}

/**
 * Writes the node in canonical form, without holes, as a block of `target` from `base` on. The block lies apart from
 * the node's frame. Items that lie together in key order already are copied together, since most nodes have hardly
 * changed.
 */
export function packNode(cache: NodeCache, frame: number, target: Uint8Array, base: number): void {
  const { bytes, words } = cache
  const first = frame * blockBytes
  const slots = frame * wordsPerFrame + slotsWord
  const count = words[slots - slotsWord + countWord]!
  copyBytes(bytes, first, first + nodeHeaderBytes, target, base)
  let start = blockBytes
  // The bytes from `from` to `end` are the items that are not copied yet; these bytes go to `start`.
  let from = blockBytes
  let end = blockBytes
  for (let i = 0; i < count; i++) {
    const offset = words[slots + i]!
    const length = itemBytes(bytes, first + offset)
    if (offset + length !== from) {
      copyBytes(bytes, first + from, first + end, target, base + start)
      end = offset + length
    }
    from = offset
    start -= length
    writeU16(target, base + nodeHeaderBytes + i * slotBytes, start)
  }
  copyBytes(bytes, first + from, first + end, target, base + start)
  target.fill(0, base + nodeHeaderBytes + count * slotBytes, base + start)
  writeU16(target, base + treeNodeLayout.at.heapStart, start)
  writeU16(target, base + treeNodeLayout.at.garbage, 0)
}

function copyBytes(source: Uint8Array, from: number, end: number, target: Uint8Array, at: number): void {
  if (from === end) return
  if (source === target) target.copyWithin(at, from, end)
  else target.set(source.subarray(from, end), at)
}

function compact(cache: NodeCache, frame: number): void {
  packNode(cache, frame, cache.bytes, scratchFrame * blockBytes)
  cache.bytes.copyWithin(frame * blockBytes, scratchFrame * blockBytes, (scratchFrame + 1) * blockBytes)
}

/**
 * Joins two nodes in scratch and puts the result in `target`, which is one of them. In an inner node, `separator`
 * becomes the first key of the right node.
 */
export function joinNodes(
  cache: NodeCache,
  left: number,
  right: number,
  separator: Uint8Array | null,
  target: number,
): void {
  packNode(cache, left, cache.bytes, scratchFrame * blockBytes)
  let index = 0
  if (separator) {
    const item = itemAt(cache, right, 0)
    const value = item + itemHeadBytes + keyLengthAt(cache.bytes, item)
    const pointer = cache.bytes.slice(value, value + nodePointerBytes)
    insertItem(cache, scratchFrame, countOf(cache, scratchFrame), separator, pointer)
    index = 1
  }
  for (; index < countOf(cache, right); index++) appendItem(cache, scratchFrame, right, index)
  cache.bytes.copyWithin(target * blockBytes, 0, blockBytes)
  cache.setInsertRun(target, 0)
}

/** Offset in the cache's bytes where the node pointer of an inner item begins. */
export function pointerAt(cache: NodeCache, frame: number, index: number): number {
  const item = itemAt(cache, frame, index)
  return item + itemHeadBytes + keyLengthAt(cache.bytes, item)
}

export function addressAt(bytes: Uint8Array, pointer: number): number {
  const low = bytes[pointer]! | (bytes[pointer + 1]! << 8) | (bytes[pointer + 2]! << 16)
  return low + (bytes[pointer + 3]! + bytes[pointer + 4]! * 256 + bytes[pointer + 5]! * 65536) * 2 ** 24
}

function isBlank(bytes: Uint8Array, pointer: number): boolean {
  for (let i = pointer + 8; i < pointer + nodePointerBytes; i++) if (bytes[i] !== 0) return false
  return true
}

/** Names a child whose checksum is not known yet. */
export function setPointer(cache: NodeCache, frame: number, index: number, address: number): void {
  const pointer = pointerAt(cache, frame, index)
  const bytes = cache.bytes
  let rest = address
  for (let i = 0; i < 6; i++) {
    bytes[pointer + i] = rest % 256
    rest = Math.floor(rest / 256)
  }
  bytes.fill(0, pointer + 6, pointer + nodePointerBytes)
  cache.setMayBeBlank(frame, true)
}

/** True when the frame has the checksum in the pointer, or when the pointer has none yet. */
export const sumMatches = (cache: NodeCache, pointer: number, frame: number): boolean =>
  cache.sumIs(frame, cache.bytes, pointer + 8) || isBlank(cache.bytes, pointer)

/**
 * Fills in the checksums of children that are known by now, and returns how many of these children were born in
 * `generation`. When no checksum is missing, the frame is marked as having no blank pointers.
 */
export function fillSums(cache: NodeCache, frame: number, generation = 0): number {
  if (!cache.mayBeBlank(frame)) return 0
  const { bytes, words } = cache
  const first = frame * blockBytes
  const slots = frame * wordsPerFrame + slotsWord
  let isComplete = true
  let ofGeneration = 0
  for (let index = words[slots - slotsWord + countWord]! - 1; index >= 0; index--) {
    const item = first + words[slots + index]!
    const pointer = item + itemHeadBytes + keyLengthAt(bytes, item)
    // Nearly all pointers have a sum, and most sums do not begin with zero.
    if (bytes[pointer + 8] !== 0 || !isBlank(bytes, pointer)) continue
    const child = cache.find(addressAt(bytes, pointer))
    if (child !== 0 && cache.hasSum(child)) {
      cache.copySum(child, bytes, pointer + 8)
      if (cache.generationOf(child) === generation) ofGeneration++
    } else isComplete = false
  }
  if (isComplete) cache.setMayBeBlank(frame, false)
  return ofGeneration
}
