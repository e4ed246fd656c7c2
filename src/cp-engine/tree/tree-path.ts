/**
 * A way down a tree: the frame at each depth, and the index of the child (in the leaf: of the item) that was taken
 * there. A path is valid until the tree is changed or a frame is given to another node, so a path lives within one
 * synchronous call.
 *
 * An operation looks at its key, makes sure of the way to the key, and changes the item: the path is kept as long as
 * the path is valid and the key is the same. Code that changes a node in place calls `forget`; the cache counts all
 * other moves.
 */
import { assert } from '../../lib/assert.ts'
import { StillpointError } from '../../lib/errors.ts'
import { isZero } from '../../format/fields.ts'
import { keyBytesMax } from '../../format/geometry.ts'
import { type NodePointer, readNodePointer } from '../../format/pointer.ts'
import { type TreeRoot, treeLevelMax } from '../../format/disk/root.ts'
import { NotLoaded, type NodeCache } from './node-cache.ts'
import {
  addressAt,
  countOf,
  keyOf,
  levelOf,
  pointerAt,
  search,
  searchChild,
  sumMatches,
} from './node-frame.ts'

export class TreePath {
  readonly frames = new Int32Array(treeLevelMax + 1)
  readonly slots = new Int32Array(treeLevelMax + 1)
  /** Depth of the leaf. */
  depth = 0
  private readonly cache: NodeCache
  /**
   * Key that the path leads to. `rootAddress` and `moves` are the root and the cache's move count at that time; a
   * negative `keyLength` means that the path leads nowhere.
   */
  private readonly key = new Uint8Array(keyBytesMax)
  private keyLength = -1
  private rootAddress = 0
  private moves = 0

  constructor(cache: NodeCache) {
    this.cache = cache
  }

  get leaf(): number {
    return this.frames[this.depth]!
  }

  /**
   * Goes down to the leaf whose range holds the key, and returns the last slot: the index of the item with the key,
   * or ~(index where the item would be). Throws NotLoaded. The tree must not be empty.
   */
  descend(root: TreeRoot, key: Uint8Array): number {
    if (this.leadsTo(root, key)) return this.slots[this.depth]!
    this.forget()
    let frame = this.enter(root)
    for (let depth = 0; depth < this.depth; depth++) {
      this.frames[depth] = frame
      this.slots[depth] = searchChild(this.cache, frame, key)
      frame = this.child(depth)
    }
    this.frames[this.depth] = frame
    const found = search(this.cache, frame, key, 0)
    this.slots[this.depth] = found
    this.remember(root, key)
    return found
  }

  /** Called when something on the path has changed. */
  forget(): void {
    this.keyLength = -1
  }

  /** Goes to the first item of the next leaf; false when there is none. */
  nextLeaf(): boolean {
    this.forget()
    let depth = this.depth - 1
    while (depth >= 0 && this.slots[depth]! + 1 >= countOf(this.cache, this.frames[depth]!)) depth--
    if (depth < 0) return false
    this.slots[depth]!++
    this.follow(depth, 'first')
    return true
  }

  /** Goes to the last item of the previous leaf; false when there is none. */
  previousLeaf(): boolean {
    this.forget()
    let depth = this.depth - 1
    while (depth >= 0 && this.slots[depth] === 0) depth--
    if (depth < 0) return false
    this.slots[depth]!--
    this.follow(depth, 'last')
    return true
  }

  /** Lower bound of the child that the path has taken at this depth; `this.depth − 1` gives the bound of the leaf. */
  lowerBound(depth: number): Uint8Array | null {
    for (let d = depth; d >= 0; d--) {
      if (this.slots[d]! > 0) return keyOf(this.cache, this.frames[d]!, this.slots[d]!)
    }
    return null
  }

  upperBound(depth: number): Uint8Array | null {
    for (let d = depth; d >= 0; d--) {
      const next = this.slots[d]! + 1
      if (next < countOf(this.cache, this.frames[d]!)) return keyOf(this.cache, this.frames[d]!, next)
    }
    return null
  }

  /** The frame of a child that is in memory and has the checksum in its parent's pointer; 0 otherwise. */
  childInMemory(frame: number, slot: number): number {
    const cache = this.cache
    const pointer = pointerAt(cache, frame, slot)
    const child = cache.find(addressAt(cache.bytes, pointer))
    if (child === 0 || !sumMatches(cache, pointer, child)) return 0
    cache.touch(child)
    return child
  }

  private leadsTo(root: TreeRoot, key: Uint8Array): boolean {
    const length = this.keyLength
    if (length !== key.length || this.moves !== this.cache.moves) return false
    if (this.rootAddress !== root.pointer.address) return false
    for (let i = 0; i < length; i++) if (this.key[i] !== key[i]) return false
    return true
  }

  private remember(root: TreeRoot, key: Uint8Array): void {
    if (key.length > this.key.length) return
    for (let i = 0; i < key.length; i++) this.key[i] = key[i]!
    this.keyLength = key.length
    this.rootAddress = root.pointer.address
    this.moves = this.cache.moves
  }

  private follow(from: number, side: 'first' | 'last'): void {
    let frame = this.child(from)
    for (let depth = from + 1; ; depth++) {
      this.frames[depth] = frame
      this.slots[depth] = side === 'first' ? 0 : countOf(this.cache, frame) - 1
      if (depth === this.depth) return
      frame = this.child(depth)
    }
  }

  private enter(root: TreeRoot): number {
    const { pointer, level } = root
    const cache = this.cache
    if (level > treeLevelMax) throw misplaced(pointer.address)
    this.depth = level
    let frame = cache.find(pointer.address)
    if (frame === 0 || (!cache.sumIs(frame, pointer.sum, 0) && hasSum(pointer))) {
      cache.bring(missing(pointer, level, null, null))
      frame = cache.find(pointer.address)
    }
    if (levelOf(cache, frame) !== level) throw misplaced(pointer.address)
    cache.touch(frame)
    return frame
  }

  private child(depth: number): number {
    const cache = this.cache
    const parent = this.frames[depth]!
    let child = this.childInMemory(parent, this.slots[depth]!)
    const level = this.depth - depth - 1
    if (child === 0) {
      const pointer = readNodePointer(cache.bytes, pointerAt(cache, parent, this.slots[depth]!))
      cache.bring(missing(pointer, level, this.lowerBound(depth), this.upperBound(depth)))
      child = cache.find(pointer.address)
    }
    // The child was verified under some parent, perhaps not under this one: a foreign tree may name a node twice.
    if (levelOf(cache, child) !== level) throw misplaced(cache.addressOf(child))
    return child
  }
}

const hasSum = ({ sum }: NodePointer): boolean => !isZero(sum, 0, sum.length)

function missing(
  pointer: NodePointer,
  level: number,
  lower: Uint8Array | null,
  upper: Uint8Array | null,
): NotLoaded {
  assert(hasSum(pointer), 'a node that was never written is in memory')
  return new NotLoaded(pointer, level, lower, upper)
}

function misplaced(address: number): StillpointError {
  return new StillpointError('corrupt', `address block ${address} is not of the level where it is used`, {
    address,
  })
}
