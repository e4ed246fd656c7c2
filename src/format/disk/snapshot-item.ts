/**
 * Codec for items of the snapshots tree. The key is the snapshot's cp (big-endian), and the value names that CP's
 * root. Like every value, the value begins with a count of block pointers, here 0: a node pointer names the root, and
 * the engine reads that pointer.
 */
import { assert } from '../../lib/assert.ts'
import { encodeUtf8, readU64BigEndian, writeU64BigEndian } from '../../lib/bytes.ts'
import { Reader, Writer, corrupt, layout, textOf } from '../fields.ts'
import { snapshotNameBytesMax } from '../geometry.ts'
import { structures } from '../kinds.ts'
import { type NodePointer, nodePointerBytes } from '../pointer.ts'
import { cpMax } from '../position.ts'

interface SnapshotItem {
  readonly cp: number
  readonly root: NodePointer
  readonly name: string
}

export const snapshotItemLayout = layout(
  'snapshot item',
  44,
  [
    ['kind', 0, 1, 'snapshot item'],
    ['version', 1, 1, 'of this layout'],
    ['nameBytes', 2, 1, '1 to 255'],
    ['reserved', 3, 1, 'zero'],
    ['root', 4, nodePointerBytes, 'the root node of the snapshot'],
  ],
  [['name', 'UTF-8']],
)

function snapshotKey(cp: number): Uint8Array {
  assert(cp <= cpMax, 'a cp is below its bound')
  const key = new Uint8Array(8)
  writeU64BigEndian(key, 0, cp)
  return key
}

export function encodeSnapshotItem(item: SnapshotItem): {
  readonly key: Uint8Array
  readonly value: Uint8Array
} {
  const name = encodeUtf8(item.name)
  const value = new Uint8Array(1 + snapshotItemLayout.bytes + name.length)
  const w = new Writer(snapshotItemLayout, value, 1)
  assert(name.length > 0 && item.root.address > 0, 'a snapshot has a name and a root')
  w.head(structures.snapshotItem)
  w.number('nameBytes', name.length, snapshotNameBytesMax)
  w.pointer('root', item.root)
  value.set(name, 1 + snapshotItemLayout.bytes)
  return { key: snapshotKey(item.cp), value }
}

/** Throws `corrupt`. */
export function decodeSnapshotItem(key: Uint8Array, value: Uint8Array): SnapshotItem {
  const cp = key.length === 8 ? readU64BigEndian(key, 0) : Number.NaN
  if (!(cp <= cpMax)) throw corrupt(snapshotItemLayout.title, 'key', 'is not a cp')
  if (value[0] !== 0) throw corrupt(snapshotItemLayout.title, 'pointers', 'are not expected')
  const r = new Reader(snapshotItemLayout, value, 1)
  r.head(structures.snapshotItem)
  r.zero('reserved')
  const nameBytes = r.number('nameBytes', snapshotNameBytesMax, 1)
  const from = 1 + snapshotItemLayout.bytes
  const name = value.length === from + nameBytes ? textOf(value, from, nameBytes) : null
  if (name === null) throw corrupt(snapshotItemLayout.title, 'name', 'is not text of its length')
  const root = r.pointer('root')
  if (root.address === 0) throw r.problem('root', 'is missing')
  return { cp, root, name }
}
