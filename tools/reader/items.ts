import type { Item } from './tree.ts'

/** The items of a tree in memory, in the order of their keys. */
export class Items {
  private readonly list: Item[]

  constructor(items: Iterable<Item>) {
    this.list = [...items]
  }

  get(key: string): Uint8Array | undefined {
    const item = this.list[this.find(key)]
    return item?.key === key ? item.value : undefined
  }

  /** The items whose keys begin with a prefix, from a key on. */
  *range(prefix: string, from = prefix): Generator<Item> {
    for (let at = this.find(from); at < this.list.length; at += 1) {
      const item = this.list[at]
      if (item === undefined || !item.key.startsWith(prefix)) return
      yield item
    }
  }

  [Symbol.iterator](): Iterator<Item> {
    return this.list[Symbol.iterator]()
  }

  /** Puts outcomes over the items: a value, or `undefined` for a key that is deleted. */
  with(outcomes: ReadonlyMap<string, Uint8Array | undefined>): Items {
    const merged = new Map(this.list.map((item) => [item.key, item.value]))
    for (const [key, value] of outcomes) {
      if (value === undefined) merged.delete(key)
      else merged.set(key, value)
    }
    const items = Array.from(merged, ([key, value]) => ({ key, value }))
    return new Items(items.toSorted((a, b) => (a.key < b.key ? -1 : 1)))
  }

  /** The index of the first item whose key is not below. */
  private find(key: string): number {
    let low = 0
    let high = this.list.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.list[middle]?.key ?? '') < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
