/**
 * A tree with a device of its own: addresses come from a counter, published nodes lie in a MemoryDevice, and what the
 * retained root (the one published last) uses is checked to stay as it is.
 */
import { expect } from 'bun:test'
import { compareBytes, concatBytes, equalBytes } from '../../../src/lib/bytes.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { type CacheOptions, NodeCache, NotLoaded } from '../../../src/cp-engine/tree/node-cache.ts'
import { NodeLoader } from '../../../src/cp-engine/tree/node-loader.ts'
import type { SealedTree } from '../../../src/cp-engine/tree/sealed-tree.ts'
import { OpenTree, treeReader } from '../../../src/cp-engine/tree/tree.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { noNode, type NodePointer } from '../../../src/format/pointer.ts'
import type { TreeRoot } from '../../../src/format/disk/root.ts'
import { type NodePlace, verifyNode } from '../../../src/format/disk/tree-node.ts'

export const emptyRoot: TreeRoot = { pointer: noNode, level: 0 }
/** Everything but 16 frames and 24 clean ones is evicted all the time. */
export const tinyCache: CacheOptions = { bytesMax: 16 * blockBytes, slackBytes: 2 ** 26, cleanFramesMin: 24 }
export const deviceBlocks = 2 ** 32

export type Pairs = [key: Uint8Array, value: Uint8Array][]

export class TreeHarness {
  readonly device = new MemoryDevice(deviceBlocks)
  readonly cache: NodeCache
  readonly loader: NodeLoader
  tree: OpenTree
  allocated = 0
  published = emptyRoot
  loads = 0
  readonly used = new Set<number>()
  /** Freed since the last seal, and by the CP before: addresses of the latter two are given out again. */
  private freedNow: number[] = []
  private freedBefore: number[] = []
  private readonly writable: number[] = []
  private next = 7

  constructor(options: CacheOptions, root: TreeRoot = emptyRoot) {
    this.cache = new NodeCache(options)
    this.loader = new NodeLoader(this.device, this.cache)
    this.tree = this.open(root)
  }

  private open(root: TreeRoot): OpenTree {
    return new OpenTree(
      this.cache,
      root,
      () => {
        this.allocated++
        const address = this.writable.pop() ?? (this.next += 3)
        expect(this.used.has(address)).toBe(false)
        this.used.add(address)
        return address
      },
      (address, born) => {
        expect(this.used.delete(address)).toBe(true)
        if (born) this.writable.push(address)
        else this.freedNow.push(address)
      },
    )
  }

  /** Loads whatever is missing, until the look succeeds. */
  async with<T>(look: () => T): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return look()
      } catch (error) {
        if (!(error instanceof NotLoaded) || tries > 10_000) throw error
        this.loads++
        this.loader.load(error)
      }
    }
  }

  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.with(() => this.tree.ready([key]))
    // Whoever remembers what it saw believes in this number.
    const before = this.tree.reader.get(key)
    const { changes } = this.tree
    this.tree.put(key, value)
    const isSame = before !== null && equalBytes(before, value)
    expect(this.tree.changes === changes).toBe(isSame)
  }

  async delete(key: Uint8Array): Promise<boolean> {
    await this.with(() => this.tree.ready([key]))
    const { changes } = this.tree
    const isDeleted = this.tree.delete(key)
    expect(this.tree.changes !== changes).toBe(isDeleted)
    return isDeleted
  }

  seal(): SealedTree {
    this.freedBefore.push(...this.freedNow)
    this.freedNow = []
    return this.tree.seal()
  }

  /** Writes the rest of a sealed tree and publishes it. */
  async publish(sealed: SealedTree, encoding = sealed.encode()): Promise<void> {
    for (const { address, bytes } of encoding) await this.device.write([{ address, bytes }])
    sealed.written()
    this.published = sealed.root()
    this.writable.push(...this.freedBefore)
    this.freedBefore = []
  }

  async cp(): Promise<void> {
    await this.publish(this.seal())
  }

  /** Everything in the tree of a published root, read through a cache of its own. */
  async contents(root = this.published): Promise<Pairs> {
    const cache = new NodeCache(tinyCache)
    const loader = new NodeLoader(this.device, cache)
    const reader = treeReader(cache, root)
    const pairs: Pairs = []
    let from: Uint8Array = new Uint8Array(0)
    for (;;) {
      try {
        // A scan must fit the cache: it starts again whenever a node was missing.
        const items = reader.scan(from, new Uint8Array(300).fill(255), 30)
        for (const { key, value } of items) pairs.push([key, value])
        const last = items.at(-1)
        if (!last) return pairs
        from = concatBytes(last.key, new Uint8Array(1))
      } catch (error) {
        if (!(error instanceof NotLoaded)) throw error
        loader.load(error)
      }
    }
  }

  /** Every node of a published root is sound and reached once; returns their addresses. */
  check(root = this.published): Set<number> {
    const reached = new Set<number>()
    const visit = (pointer: NodePointer, place: NodePlace) => {
      expect(reached.has(pointer.address)).toBe(false)
      reached.add(pointer.address)
      const bytes = new Uint8Array(blockBytes)
      this.device.readSync(pointer.address, bytes)
      expect(Bun.SHA256.hash(bytes)).toEqual(pointer.sum as Uint8Array<ArrayBuffer>)
      const node = verifyNode(bytes, place)
      if (node.level === 0) return
      for (let i = 0; i < node.count; i++) visit(node.child(i), node.childPlace(i, place))
    }
    if (root.pointer.address !== 0) visit(root.pointer, { level: root.level, lower: null, upper: null })
    return reached
  }
}

/** A sorted map: what the tree must be. */
export class Model {
  readonly items = new Map<string, [Uint8Array, Uint8Array]>()
  put(key: Uint8Array, value: Uint8Array): void {
    this.items.set(key.toHex(), [key, value])
  }
  delete(key: Uint8Array): boolean {
    return this.items.delete(key.toHex())
  }
  get(key: Uint8Array): Uint8Array | null {
    return this.items.get(key.toHex())?.[1] ?? null
  }
  sorted(): Pairs {
    return [...this.items.values()].sort(([a], [b]) => compareBytes(a, b))
  }
}
