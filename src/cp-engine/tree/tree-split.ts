/**
 * Splits a node that one more item must go into. A split always makes two nodes: an item is at most a quarter of a
 * node, so after a cut in the middle by bytes each half has room.
 */
import { assert } from '../../lib/assert.ts'
import { itemHeadBytes, nodeRoomBytes, slotBytes } from '../../format/disk/tree-node.ts'
import type { NodeCache } from './node-cache.ts'
import {
  appendItem,
  compareKeyAt,
  countOf,
  initNode,
  insertItem,
  itemAt,
  itemBytes,
  keyOf,
  levelOf,
  stripFirstKey,
  truncateItems,
  usedOf,
} from './node-frame.ts'

/** Number of inserts in a row, each to the right of the one before, that count as a bulk load. */
const runMin = 3

/** Moves the upper part of `left`, with the new item, to the empty frame `right`. Returns the separating key. */
export function splitNode(
  cache: NodeCache,
  left: number,
  right: number,
  index: number,
  key: Uint8Array,
  value: Uint8Array,
): Uint8Array {
  const count = countOf(cache, left)
  const run = cache.insertRun(left)
  const more = itemHeadBytes + slotBytes + key.length + value.length
  const stay = cutOf(cache, left, index, more)
  assert(stay >= 1 && stay <= count, 'both halves have an item')
  const intoLeft = index < stay
  const from = intoLeft ? stay - 1 : stay
  const level = levelOf(cache, left)
  initNode(cache, right, level)
  for (let i = from; i < count; i++) appendItem(cache, right, left, i)
  truncateItems(cache, left, from)
  if (intoLeft) insertItem(cache, left, index, key, value)
  else insertItem(cache, right, index - from, key, value)
  cache.setInsertRun(left, intoLeft ? run : 0)
  cache.setInsertRun(right, intoLeft ? 0 : run)
  return level > 0 ? stripFirstKey(cache, right) : separatorOf(cache, left, right)
}

/** Number of items that stay left, the new item at `index` included. */
function cutOf(cache: NodeCache, frame: number, index: number, more: number): number {
  const count = countOf(cache, frame)
  const sizeAt = (i: number) => itemBytes(cache.bytes, itemAt(cache, frame, i)) + slotBytes
  if (cache.insertRun(frame) >= runMin) {
    // No more items are expected below the run: the items there stay packed, and the run leaves packed nodes behind.
    if (index === count) return count
    let below = more
    for (let i = 0; i < index; i++) below += sizeAt(i)
    return below <= nodeRoomBytes || index === 0 ? index + 1 : index
  }
  const half = (usedOf(cache, frame) + more) / 2
  let bytes = 0
  for (let i = 0; i <= count; i++) {
    const size = i < index ? sizeAt(i) : i === index ? more : sizeAt(i - 1)
    // The cut goes where the halves differ least.
    if (bytes + size / 2 > half) return Math.max(1, i)
    bytes += size
  }
  return count
}

/** The shortest key that is above all keys in `left` and not above any key in `right`. */
function separatorOf(cache: NodeCache, left: number, right: number): Uint8Array {
  const key = keyOf(cache, right, 0)
  const last = itemAt(cache, left, countOf(cache, left) - 1)
  let length = 0
  while (cache.bytes[last + itemHeadBytes + length] === key[length] && length < key.length) length++
  const separator = key.slice(0, length + 1)
  assert(compareKeyAt(cache.bytes, last, separator) < 0, 'a separator separates')
  return separator
}
