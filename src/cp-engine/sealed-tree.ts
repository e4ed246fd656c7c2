/**
 * The nodes that one CP changed, as they were when it was sealed: the open tree copies them before it changes them.
 *
 * seal → encode, to its end → written (the CP has been published) → the next seal.
 */
import { assert } from '../lib/assert.ts'
import { sha256 } from '../lib/checksum.ts'
import { blockBytes } from '../format/geometry.ts'
import type { TreeRoot } from '../format/root.ts'
import type { BlockRun } from './contract.ts'
import { NodeBuffers } from './node-buffers.ts'
import { frameState, type NodeCache } from './node-cache.ts'
import {
  addressAt,
  countOf,
  fillSums,
  isBlank,
  levelOf,
  packNode,
  pointerAt,
  scratchFrame,
} from './node-frame.ts'

export interface EncodedNode {
  readonly address: number
  readonly bytes: Uint8Array
  readonly sum: Uint8Array
  /** The node that this one was copied or split from. */
  readonly replaces: BlockRun | null
}

export class SealedTree {
  readonly dirtyCount: number
  readonly #cache: NodeCache
  readonly #generation: number
  #root: TreeRoot
  /** Address of a node → that of the older one that it was made from. */
  readonly #copied: ReadonlyMap<number, number>
  readonly #published: (frames: readonly number[]) => void
  readonly #frames: number[] = []
  #state: 'sealed' | 'encoded' | 'written' = 'sealed'

  constructor(
    cache: NodeCache,
    generation: number,
    root: TreeRoot,
    dirtyCount: number,
    copied: ReadonlyMap<number, number>,
    published: (frames: readonly number[]) => void,
  ) {
    this.#copied = copied
    this.#cache = cache
    this.#generation = generation
    this.#root = root
    this.dirtyCount = dirtyCount
    this.#published = published
  }

  /**
   * Children before parents, in key order. The caller may do other things between two nodes, and change the open tree.
   * The bytes are taken from `buffers` and belong to the caller.
   */
  *encode(buffers: NodeBuffers = new NodeBuffers()): Generator<EncodedNode> {
    assert(this.#state === 'sealed', 'a sealed tree is encoded once')
    const cache = this.#cache
    for (const frame of this.#bottomUp()) {
      assert(fillSums(cache, frame), 'the checksums of all children are known')
      packNode(cache, frame, scratchFrame)
      const bytes = buffers.take()
      bytes.set(cache.bytes.subarray(scratchFrame * blockBytes, (scratchFrame + 1) * blockBytes))
      const sum = sha256(bytes)
      cache.setSum(frame, sum)
      cache.setState(frame, frameState.encoded)
      this.#frames.push(frame)
      const address = cache.addressOf(frame)
      const before = this.#copied.get(address)
      yield { address, bytes, sum, replaces: before === undefined ? null : { address: before, blocks: 1 } }
    }
    assert(this.#frames.length === this.dirtyCount, 'every dirty node is reached')
    if (this.dirtyCount > 0) {
      const { address } = this.#root.pointer
      this.#root = { pointer: { address, sum: cache.sum(cache.find(address)) }, level: this.#root.level }
    }
    this.#state = 'encoded'
  }

  /** Once `encode` is exhausted. */
  root(): TreeRoot {
    assert(this.#state !== 'sealed', 'the root is known after encoding')
    return this.#root
  }

  /** The CP has been published. */
  written(): void {
    assert(this.#state === 'encoded', 'what is written was encoded')
    this.#state = 'written'
    for (const frame of this.#frames) this.#cache.setState(frame, frameState.recent)
    this.#published(this.#frames)
  }

  /** Only ways to dirty nodes are walked: a child of this CP has no checksum in its parent yet. */
  *#bottomUp(): Generator<number> {
    const cache = this.#cache
    if (this.dirtyCount === 0) return
    const root = cache.find(this.#root.pointer.address)
    const frames = [root]
    const next = [0]
    while (frames.length > 0) {
      const top = frames.length - 1
      const frame = frames[top]!
      const child = levelOf(cache, frame) === 0 ? 0 : this.#nextDirty(frame, next, top)
      if (child !== 0) {
        frames.push(child)
        next.push(0)
      } else {
        yield frame
        frames.pop()
        next.pop()
      }
    }
  }

  #nextDirty(frame: number, next: number[], top: number): number {
    const cache = this.#cache
    if (!cache.mayBeBlank(frame)) return 0
    const count = countOf(cache, frame)
    while (next[top]! < count) {
      const pointer = pointerAt(cache, frame, next[top]!++)
      if (!isBlank(cache.bytes, pointer)) continue
      const child = cache.find(addressAt(cache.bytes, pointer))
      assert(child !== 0, 'a node without a checksum is in memory')
      if (cache.stateOf(child) === frameState.dirty && cache.generationOf(child) === this.#generation)
        return child
    }
    return 0
  }
}
