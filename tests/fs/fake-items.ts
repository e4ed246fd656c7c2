/** A sorted array of items, read as the engine reads its tree: copies only, and now and then a node is missing. */
import { compareBytes } from '../../src/lib/bytes.ts'
import type { Item, ItemReader } from '../../src/cp-engine/contract.ts'

/** Stands for the engine's own: nobody outside may know or catch it. */
export class NotLoaded extends Error {}

export function search(items: readonly Item[], key: Uint8Array): { index: number; found: boolean } {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareBytes(items[middle]!.key, key) < 0) low = middle + 1
    else high = middle
  }
  const item = items[low]
  return { index: low, found: item !== undefined && compareBytes(item.key, key) === 0 }
}

export function valueOf(items: readonly Item[], key: Uint8Array): Uint8Array | null {
  const { index, found } = search(items, key)
  return found ? items[index]!.value : null
}

/** Null deletes. */
export function place(items: Item[], key: Uint8Array, value: Uint8Array | null): void {
  const { index, found } = search(items, key)
  if (value) items.splice(index, found ? 1 : 0, { key, value })
  else if (found) items.splice(index, 1)
}

/** Null when a node was missing. */
export function lookNow<T>(look: () => T): T | null {
  try {
    return look()
  } catch (error) {
    if (error instanceof NotLoaded) return null
    throw error
  }
}

export function readerOf(
  items: readonly Item[],
  isMissing: () => boolean,
  seen: (item: Item) => void = () => {},
): ItemReader {
  const miss = () => {
    if (isMissing()) throw new NotLoaded('a node is not in memory')
  }
  const show = (item: Item): Item => {
    seen(item)
    return { key: item.key.slice(), value: item.value.slice() }
  }
  return {
    get: (key) => {
      miss()
      const { index, found } = search(items, key)
      return found ? show(items[index]!).value : null
    },
    floor: (key, lowest) => {
      miss()
      const { index, found } = search(items, key)
      const item = items[found ? index : index - 1]
      return item && compareBytes(item.key, lowest) >= 0 ? show(item) : null
    },
    scan: (from, end, itemsMax) => {
      miss()
      const result: Item[] = []
      for (let { index } = search(items, from); index < items.length && result.length < itemsMax; index++) {
        const item = items[index]!
        if (compareBytes(item.key, end) >= 0) break
        result.push(show(item))
      }
      return result
    },
  }
}
