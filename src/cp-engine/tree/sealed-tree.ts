/**
 * The nodes that one CP changed, in the state of the seal: the open tree copies these nodes before it changes them.
 *
 * seal → encode, to its end → written (the CP has been published) → the next seal.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { assert } from '../../lib/assert.ts'
import { sha256 } from '../../lib/checksum.ts'
import type { TreeRoot } from '../../format/disk/root.ts'
import { NodeBuffers } from './node-buffers.ts'
import { frameState, type NodeCache } from './node-cache.ts'
import { fillSums, levelOf, packNode } from './node-frame.ts'

export interface EncodedNode {
  readonly address: number
  readonly bytes: Uint8Array
  readonly sum: Uint8Array
  /** The node that this node was copied or split from. */
  readonly replaces: BlockRun | null
}

interface DirtyNode {
  readonly frame: number
  readonly address: number
  readonly level: number
}

/** Nodes that get their buffers together. */
export const batchNodes = 2048

export class SealedTree {
  private readonly cache: NodeCache
  private readonly generation: number
  private sealedRoot: TreeRoot
  /** All frames of the generation that the tree has. */
  private readonly dirty: ReadonlySet<number>
  /** Address of a node → address of the older node that the node was made from. */
  private readonly copied: ReadonlyMap<number, number>
  private readonly published: (frames: readonly number[]) => void
  private readonly frames: number[] = []
  private state: 'sealed' | 'encoded' | 'written' = 'sealed'

  constructor(
    cache: NodeCache,
    generation: number,
    root: TreeRoot,
    dirty: ReadonlySet<number>,
    copied: ReadonlyMap<number, number>,
    published: (frames: readonly number[]) => void,
  ) {
    this.copied = copied
    this.cache = cache
    this.generation = generation
    this.sealedRoot = root
    this.dirty = dirty
    this.published = published
  }

  get dirtyCount(): number {
    return this.dirty.size
  }

  /**
   * Encodes children before parents: level by level, each level in the order of addresses. The caller may do other
   * things between two nodes, and may change the open tree. The bytes are taken from `buffers` and belong to the
   * caller.
   */
  *encode(buffers: NodeBuffers = new NodeBuffers()): Generator<EncodedNode> {
    assert(this.state === 'sealed', 'a sealed tree is encoded once')
    const cache = this.cache
    const nodes = this.inOrder()
    let children = 0
    for (let start = 0; start < nodes.length; start += batchNodes) {
      const batch = nodes.slice(start, start + batchNodes)
      const bufferOf = inAddressOrder(batch, buffers.take(batch.length))
      for (const { frame, address } of batch) {
        children += fillSums(cache, frame, this.generation)
        assert(!cache.mayBeBlank(frame), 'the checksums of all children are known')
        const bytes = bufferOf.get(address)!
        packNode(cache, frame, bytes, 0)
        const sum = sha256(bytes)
        cache.setSum(frame, sum)
        cache.setState(frame, frameState.encoded)
        this.frames.push(frame)
        const before = this.copied.get(address)
        yield { address, bytes, sum, replaces: before === undefined ? null : { address: before, blocks: 1 } }
      }
    }
    if (nodes.length > 0) {
      // A parent of this CP names each node except the root.
      assert(children === nodes.length - 1, 'every dirty node is reached')
      const { address } = this.sealedRoot.pointer
      this.sealedRoot = {
        pointer: { address, sum: cache.sum(cache.find(address)) },
        level: this.sealedRoot.level,
      }
    }
    this.state = 'encoded'
  }

  /** The root; known once `encode` is exhausted. */
  root(): TreeRoot {
    assert(this.state !== 'sealed', 'the root is known after encoding')
    return this.sealedRoot
  }

  /** Called when the CP has been published. */
  written(): void {
    assert(this.state === 'encoded', 'what is written was encoded')
    this.state = 'written'
    for (const frame of this.frames) this.cache.setState(frame, frameState.recent)
    this.published(this.frames)
  }

  private inOrder(): DirtyNode[] {
    const cache = this.cache
    const nodes: DirtyNode[] = []
    for (const frame of this.dirty) {
      assert(cache.generationOf(frame) === this.generation, 'a node of the sealed generation')
      nodes.push({ frame, address: cache.addressOf(frame), level: levelOf(cache, frame) })
    }
    return nodes.sort((a, b) => a.level - b.level || a.address - b.address)
  }
}

/** Gives nodes that are neighbours on the device buffers that are neighbours in memory. */
function inAddressOrder(
  nodes: readonly DirtyNode[],
  buffers: readonly Uint8Array[],
): ReadonlyMap<number, Uint8Array> {
  const addresses = Float64Array.from(nodes, ({ address }) => address).sort()
  const bufferOf = new Map<number, Uint8Array>()
  for (const [i, address] of addresses.entries()) bufferOf.set(address, buffers[i]!)
  return bufferOf
}
