/** The reader of one tree. Every method throws NotLoaded for a node that is not in memory, and returns copies. */
import { compareBytes } from '../../lib/bytes.ts'
import type { TreeRoot } from '../../format/disk/root.ts'
import type { Item, ItemReader } from '../contract.ts'
import type { NodeCache } from './node-cache.ts'
import { compareKeyAt, countOf, itemAt, keyOf, valueOf } from './node-frame.ts'
import { TreePath } from './tree-path.ts'

export class TreeReader implements ItemReader {
  private readonly cache: NodeCache
  private readonly root: () => TreeRoot
  private readonly path: TreePath

  constructor(cache: NodeCache, root: () => TreeRoot, path = new TreePath(cache)) {
    this.cache = cache
    this.root = root
    this.path = path
  }

  get(key: Uint8Array): Uint8Array | null {
    const root = this.root()
    if (root.pointer.address === 0) return null
    const slot = this.path.descend(root, key)
    return slot < 0 ? null : valueOf(this.cache, this.path.leaf, slot)
  }

  floor(key: Uint8Array, lowest: Uint8Array): Item | null {
    const root = this.root()
    if (root.pointer.address === 0) return null
    const path = this.path
    const found = path.descend(root, key)
    let slot = found >= 0 ? found : ~found - 1
    if (slot < 0) {
      // Items before this leaf are below the leaf's lower bound: the bound alone often proves that there is no item.
      const bound = path.lowerBound(path.depth - 1)
      if (!bound || compareBytes(bound, lowest) <= 0 || !path.previousLeaf()) return null
      slot = path.slots[path.depth]!
    }
    const below = compareKeyAt(this.cache.bytes, itemAt(this.cache, path.leaf, slot), lowest) < 0
    return below ? null : this.item(path.leaf, slot)
  }

  scan(from: Uint8Array, end: Uint8Array, itemsMax: number): Item[] {
    const items: Item[] = []
    const root = this.root()
    if (root.pointer.address === 0 || compareBytes(from, end) >= 0) return items
    const cache = this.cache
    const path = this.path
    const found = path.descend(root, from)
    let slot = found >= 0 ? found : ~found
    while (items.length < itemsMax) {
      const leaf = path.leaf
      const count = countOf(cache, leaf)
      for (; slot < count && items.length < itemsMax; slot++) {
        if (compareKeyAt(cache.bytes, itemAt(cache, leaf, slot), end) >= 0) return items
        items.push(this.item(leaf, slot))
      }
      if (items.length === itemsMax) break
      // A leaf without wanted items is not loaded.
      const bound = path.upperBound(path.depth - 1)
      if (!bound || compareBytes(bound, end) >= 0 || !path.nextLeaf()) break
      slot = 0
    }
    return items
  }

  private item(leaf: number, slot: number): Item {
    return { key: keyOf(this.cache, leaf, slot), value: valueOf(this.cache, leaf, slot) }
  }
}
