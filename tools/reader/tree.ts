import { binary, Bytes } from './bytes.ts'
import { Damage } from './damage.ts'
import type { Nodes } from './nodes.ts'
import { type NodePointer, nodePointer } from './pointers.ts'

/** A tree's items: keys as binary strings, which sort as the bytes do. */
export interface Item {
  readonly key: string
  readonly value: Uint8Array
}

interface Bounds {
  readonly from: string
  /** Keys are below; `undefined` at the right edge. */
  readonly to: string | undefined
}

/**
 * Every item of a tree in the order of keys. Damage of one node goes to `onDamage`, and the walk goes on behind the
 * node; without `onDamage` the walk ends with it.
 */
export function* walkTree(
  nodes: Nodes,
  pointer: NodePointer,
  level: number,
  onDamage?: (damage: Damage) => void,
): Generator<Item> {
  if (pointer.address !== 0) yield* walkNode(nodes, pointer, level, { from: '', to: undefined }, onDamage)
}

function* walkNode(
  nodes: Nodes,
  pointer: NodePointer,
  level: number,
  bounds: Bounds,
  onDamage: ((damage: Damage) => void) | undefined,
): Generator<Item> {
  let items: Item[]
  try {
    items = decodeNode(nodes, pointer, level, bounds)
  } catch (error) {
    if (!(error instanceof Damage) || onDamage === undefined) throw error
    onDamage(error)
    return
  }
  if (level === 0) {
    yield* items
    return
  }
  for (const [i, item] of items.entries()) {
    const child = nodePointer(new Bytes(item.value, 'node', pointer.address), 0)
    const inner = { from: i === 0 ? bounds.from : item.key, to: items[i + 1]?.key ?? bounds.to }
    yield* walkNode(nodes, child, level - 1, inner, onDamage)
  }
}

function decodeNode(nodes: Nodes, pointer: NodePointer, level: number, bounds: Bounds): Item[] {
  const bytes = new Bytes(nodes.read(pointer, 'node'), 'node', pointer.address)
  bytes.head(3)
  bytes.want(bytes.u8(2) === level, `the level is ${bytes.u8(2)}, not ${level}`)
  bytes.zeros(3, 1)
  bytes.zeros(8, 8, 'garbage or reserved')
  const count = bytes.u16(4)
  bytes.want(count >= 1, 'a node is empty')
  bytes.want(16 + count * 2 <= bytes.length, 'too many slots')
  const items: Item[] = []
  let end = bytes.length
  for (let i = 0; i < count; i += 1) {
    const item = decodeItem(bytes, bytes.u16(16 + i * 2), end)
    end -= 4 + item.key.length + item.value.length
    checkKey(bytes, item, items.at(-1), level, bounds)
    items.push(item)
  }
  bytes.want(bytes.u16(6) === end, 'the start of the heap is wrong')
  const slotsEnd = 16 + count * 2
  bytes.want(slotsEnd <= end, 'slots and items overlap')
  bytes.zeros(slotsEnd, end - slotsEnd, 'the gap')
  return items
}

function decodeItem(bytes: Bytes, offset: number, end: number): Item {
  const keyBytes = bytes.u16(offset)
  const valueBytes = bytes.u16(offset + 2)
  bytes.want(keyBytes <= 264 && keyBytes + valueBytes <= 1008, 'an item is too long')
  bytes.want(offset + 4 + keyBytes + valueBytes === end, 'the items are not packed')
  return {
    key: binary(bytes.slice(offset + 4, keyBytes)),
    value: bytes.slice(offset + 4 + keyBytes, valueBytes),
  }
}

function checkKey(bytes: Bytes, item: Item, before: Item | undefined, level: number, bounds: Bounds): void {
  bytes.want(before === undefined || before.key < item.key, 'the keys do not ascend')
  const isFirstOfInner = level > 0 && before === undefined
  bytes.want((item.key === '') === isFirstOfInner, 'an empty key, or a first key that is not empty')
  if (level > 0) {
    bytes.want(item.value.length === 40, 'the value is not a node pointer')
    bytes.want(
      nodePointer(new Bytes(item.value, 'node', bytes.address), 0).address !== 0,
      'a child is missing',
    )
  }
  if (isFirstOfInner) return
  bytes.want(
    item.key >= bounds.from && (bounds.to === undefined || item.key < bounds.to),
    'a key is out of bounds',
  )
}
