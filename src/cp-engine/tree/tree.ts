/**
 * The open copy-on-write B+tree. Nodes of the open CP are changed in place; older nodes are copied to a fresh address
 * first, so a sealed or published tree never changes.
 *
 * Always true:
 * - A node of the open generation has only ancestors of the open generation.
 * - A parent names its child by address. The parent gets the checksum of the child when the checksum is known, at the
 *   latest when the parent is encoded.
 * - Every address that `allocate` gave is in the tree or was given to `freed`; the same is true of the addresses of
 *   the tree that the open tree began with.
 * - No node is empty. The first key of an inner node is empty: the first child's range begins where the node's range
 *   begins.
 */
import { assert } from '../../lib/assert.ts'
import { sha256Bytes } from '../../lib/checksum.ts'
import { blockBytes, itemBytesMax, keyBytesMax } from '../../format/geometry.ts'
import { nodePointerBytes, noNode, readNodePointer } from '../../format/pointer.ts'
import type { TreeRoot } from '../../format/disk/root.ts'
import { itemHeadBytes, nodeRoomBytes, slotBytes } from '../../format/disk/tree-node.ts'
import type { ItemReader } from '../contract.ts'
import { frameState, type NodeCache } from './node-cache.ts'
import {
  countOf,
  equalValueAt,
  fillSums,
  fits,
  initNode,
  insertItem,
  itemAt,
  joinNodes,
  keyOf,
  levelOf,
  pointerAt,
  removeItem,
  replaceValue,
  setPointer,
  stripFirstKey,
  usedOf,
} from './node-frame.ts'
import { SealedTree } from './sealed-tree.ts'
import { TreePath } from './tree-path.ts'
import { TreeReader } from './tree-reader.ts'
import { splitNode } from './tree-split.ts'

const noKey = new Uint8Array(0)
const unknownSum = new Uint8Array(sha256Bytes)
/** A node that uses fewer bytes joins a neighbour, if the result leaves room to grow. */
const joinBelowBytes = nodeRoomBytes / 4
const joinedBytesMax = (nodeRoomBytes * 3) / 4
/** Upper limit for the children of an inner node. */
const childrenMax = Math.ceil(nodeRoomBytes / (itemHeadBytes + slotBytes + nodePointerBytes))

/** Reads the tree of one root, or of the root that the function names at that moment. */
export function treeReader(cache: NodeCache, root: TreeRoot | (() => TreeRoot)): ItemReader {
  return new TreeReader(cache, typeof root === 'function' ? root : () => root)
}

export class OpenTree {
  readonly reader: ItemReader
  private readonly cache: NodeCache
  private readonly allocate: () => number
  private readonly freed: (address: number, bornInThisCp: boolean) => void
  private readonly path: TreePath
  private readonly pointer = new Uint8Array(nodePointerBytes)
  private openRoot: TreeRoot
  private generation: number
  /** Frames of the open generation. */
  private dirty = new Set<number>()
  private changeCount = 0
  /** Frames of the CP that was published last. */
  private recent: readonly number[] = []
  private sealing = false
  /** Address of each node made since the last seal → address of the older node that was copied or split. */
  private copied = new Map<number, number>()

  /**
   * The tree calls `freed` for each node that leaves the tree, and tells whether its birth was after the last seal.
   */
  constructor(
    cache: NodeCache,
    root: TreeRoot,
    allocate: () => number,
    freed: (address: number, bornInThisCp: boolean) => void,
  ) {
    this.cache = cache
    this.openRoot = root
    this.allocate = allocate
    this.freed = freed
    this.path = new TreePath(cache)
    this.generation = cache.nextGeneration()
    this.reader = new TreeReader(cache, () => this.openRoot, this.path)
  }

  /** The present root; its checksum is zeros while the root node is dirty. */
  root(): TreeRoot {
    return this.openRoot
  }

  /** Number that differs after every change: while the number is the same, every look sees the same tree. */
  get changes(): number {
    return this.changeCount
  }

  /** Number of nodes that are dirty since the last seal. */
  get dirtyNodes(): number {
    return this.dirty.size
  }

  /** Makes sure of the ways to the keys, so that a change of the items needs no other node. Throws NotLoaded. */
  ready(keys: readonly Uint8Array[]): void {
    if (this.openRoot.pointer.address === 0) return
    for (const key of keys) this.path.descend(this.openRoot, key)
  }

  /** Puts an item, and never fails half-way: NotLoaded is thrown before anything has changed. */
  put(key: Uint8Array, value: Uint8Array): void {
    assert(key.length > 0 && key.length <= keyBytesMax, 'a key within its limits')
    assert(key.length + value.length <= itemBytesMax, 'an item within its limits')
    const path = this.path
    if (this.openRoot.pointer.address === 0) this.newRoot(0)
    let slot = path.descend(this.openRoot, key)
    if (slot >= 0) {
      if (equalValueAt(this.cache.bytes, itemAt(this.cache, path.leaf, slot), value)) return
      this.makeDirty()
      if (replaceValue(this.cache, path.leaf, slot, key, value)) return
    } else {
      this.makeDirty()
      slot = ~slot
    }
    this.insert(path.depth, slot, key, value)
  }

  /** Deletes an item. False when there was no such item; nothing has changed then. */
  delete(key: Uint8Array): boolean {
    if (this.openRoot.pointer.address === 0) return false
    const path = this.path
    const slot = path.descend(this.openRoot, key)
    if (slot < 0) return false
    this.makeDirty()
    removeItem(this.cache, path.leaf, slot)
    this.shrink()
    return true
  }

  /**
   * Upper limit for the nodes that changing `keys` keys allocates; `puts` of these changes are not deletions. The
   * tree allocates copies of the ways to the keys, and splits, which a deletion never needs. On each level at most
   * twice the touched nodes split (a bulk load leaves a full node behind), and beyond that one node for two splits on
   * the level below.
   */
  nodesWorstCase(keys: number, puts = keys): number {
    if (keys === 0) return 0
    const height = this.openRoot.level + 1
    let nodes = 0
    let splits = puts
    for (let level = 0; level < height; level++) {
      const touched = Math.min(keys, childrenMax ** (height - 1 - level))
      if (level > 0) splits = Math.min(splits, 2 * touched + Math.ceil(splits / 2))
      nodes += touched + splits
    }
    // Roots above the present root.
    for (; splits > 0; splits = Math.floor(splits / 2)) nodes += 1 + Math.floor(splits / 2)
    return nodes
  }

  /** Seals the tree in O(1). The CP before must have been published. */
  seal(): SealedTree {
    assert(!this.sealing, 'one CP is written at a time')
    this.sealing = true
    this.openRoot = this.resolved(this.openRoot)
    const sealed = new SealedTree(
      this.cache,
      this.generation,
      this.openRoot,
      this.dirty,
      this.copied,
      (frames) => {
        for (const frame of this.recent) this.cache.setState(frame, frameState.clean)
        this.recent = frames
        this.sealing = false
      },
    )
    this.generation = this.cache.nextGeneration()
    this.dirty = new Set()
    this.copied = new Map()
    return sealed
  }

  /** Copies the path's nodes that are older than the open CP, from the root down; comes before any change. */
  private makeDirty(): void {
    this.changeCount++
    this.path.forget()
    const { frames, slots, depth } = this.path
    const cache = this.cache
    if (cache.generationOf(frames[depth]!) === this.generation) return
    for (let d = 0; d <= depth; d++) {
      const old = frames[d]!
      if (cache.generationOf(old) === this.generation) continue
      const frame = this.newFrame()
      cache.bytes.copyWithin(frame * blockBytes, old * blockBytes, (old + 1) * blockBytes)
      cache.setMayBeBlank(frame, cache.mayBeBlank(old))
      cache.copyInsertRun(old, frame)
      // A child whose checksum is known now may leave memory before this copy is encoded.
      fillSums(cache, frame)
      frames[d] = frame
      const address = cache.addressOf(frame)
      if (d === 0) this.openRoot = { pointer: { address, sum: unknownSum }, level: depth }
      else setPointer(cache, frames[d - 1]!, slots[d - 1]!, address)
      this.copied.set(address, cache.addressOf(old))
      this.freed(cache.addressOf(old), false)
    }
  }

  private insert(depth: number, slot: number, key: Uint8Array, value: Uint8Array): void {
    const cache = this.cache
    const { frames, slots } = this.path
    const frame = frames[depth]!
    if (fits(cache, frame, itemHeadBytes + key.length + value.length)) {
      insertItem(cache, frame, slot, key, value)
      if (depth < this.path.depth) cache.setMayBeBlank(frame, true)
      return
    }
    const right = this.newFrame()
    const separator = splitNode(cache, frame, right, slot, key, value)
    const copied = this.copied.get(cache.addressOf(frame))
    if (copied !== undefined) this.copied.set(cache.addressOf(right), copied)
    if (depth < this.path.depth) {
      cache.setMayBeBlank(frame, true)
      cache.setMayBeBlank(right, true)
    }
    if (depth > 0) {
      this.insert(depth - 1, slots[depth - 1]! + 1, separator, this.blankPointer(right))
      return
    }
    const root = this.newRoot(levelOf(cache, frame) + 1)
    insertItem(cache, root, 0, noKey, this.blankPointer(frame))
    insertItem(cache, root, 1, separator, this.blankPointer(right))
    cache.setMayBeBlank(root, true)
  }

  /** Removes empty nodes, joins small nodes, and lowers the root after an item has left the leaf of the path. */
  private shrink(): void {
    const cache = this.cache
    const { frames, slots } = this.path
    let depth = this.path.depth
    while (countOf(cache, frames[depth]!) === 0) {
      this.drop(frames[depth]!)
      if (depth === 0) {
        this.openRoot = { pointer: noNode, level: 0 }
        return
      }
      depth--
      removeItem(cache, frames[depth]!, slots[depth]!)
      if (slots[depth] === 0 && countOf(cache, frames[depth]!) > 0) stripFirstKey(cache, frames[depth]!)
    }
    while (depth > 0 && usedOf(cache, frames[depth]!) < joinBelowBytes && this.join(depth)) depth--
    this.lowerRoot()
  }

  /** Joins a node with its right or left neighbour, if that is in memory: a delete never needs another node. */
  private join(depth: number): boolean {
    const cache = this.cache
    const parent = this.path.frames[depth - 1]!
    const frame = this.path.frames[depth]!
    const slot = this.path.slots[depth - 1]!
    for (const leftSlot of [slot, slot - 1]) {
      if (leftSlot < 0 || leftSlot + 1 >= countOf(cache, parent)) continue
      const other = this.path.childInMemory(parent, leftSlot === slot ? slot + 1 : leftSlot)
      if (other === 0 || levelOf(cache, other) !== levelOf(cache, frame)) continue
      const separator = levelOf(cache, frame) > 0 ? keyOf(cache, parent, leftSlot + 1) : null
      const bytes = usedOf(cache, frame) + usedOf(cache, other) + (separator?.length ?? 0)
      if (bytes > joinedBytesMax) continue
      const [left, right] = leftSlot === slot ? [frame, other] : [other, frame]
      joinNodes(cache, left, right, separator, frame)
      cache.setMayBeBlank(frame, levelOf(cache, frame) > 0)
      fillSums(cache, frame)
      removeItem(cache, parent, leftSlot + 1)
      setPointer(cache, parent, leftSlot, cache.addressOf(frame))
      this.drop(other)
      return true
    }
    return false
  }

  /** Replaces an inner root that has one child by this child. */
  private lowerRoot(): void {
    const cache = this.cache
    for (;;) {
      const { pointer, level } = this.openRoot
      if (level === 0) return
      const frame = cache.find(pointer.address)
      if (frame === 0 || countOf(cache, frame) > 1) return
      if (cache.generationOf(frame) !== this.generation && !cache.sumIs(frame, pointer.sum, 0)) return
      const child = readNodePointer(cache.bytes, pointerAt(cache, frame, 0))
      this.openRoot = { pointer: child, level: level - 1 }
      this.drop(frame)
    }
  }

  private drop(frame: number): void {
    const address = this.cache.addressOf(frame)
    const born = this.cache.generationOf(frame) === this.generation
    if (born) {
      this.copied.delete(address)
      this.cache.release(frame)
      this.dirty.delete(frame)
    }
    this.freed(address, born)
  }

  private newFrame(): number {
    const frame = this.cache.allocate(this.allocate(), frameState.dirty, this.generation)
    this.dirty.add(frame)
    return frame
  }

  private newRoot(level: number): number {
    const frame = this.newFrame()
    initNode(this.cache, frame, level)
    this.openRoot = { pointer: { address: this.cache.addressOf(frame), sum: unknownSum }, level }
    return frame
  }

  private blankPointer(frame: number): Uint8Array {
    const pointer = this.pointer
    pointer.fill(0)
    let rest = this.cache.addressOf(frame)
    for (let i = 0; i < 6; i++) {
      pointer[i] = rest % 256
      rest = Math.floor(rest / 256)
    }
    return pointer
  }

  /** The root with its checksum, if the checksum is known by now. */
  private resolved(root: TreeRoot): TreeRoot {
    const { address, sum } = root.pointer
    if (address === 0 || sum.some((byte) => byte !== 0)) return root
    const frame = this.cache.find(address)
    assert(frame !== 0, 'a root without a checksum is in memory')
    if (!this.cache.hasSum(frame)) return { pointer: { address, sum: unknownSum }, level: root.level }
    return { pointer: { address, sum: this.cache.sum(frame) }, level: root.level }
  }
}
