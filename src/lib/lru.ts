import { LRUCache } from 'lru-cache'

/** A map bounded by entries; the least recently used leaves first and `dispose` sees it. */
export function boundedMap<K extends {}, V extends {}>(
  entriesMax: number,
  dispose?: (value: V, key: K) => void,
): LRUCache<K, V> {
  return new LRUCache<K, V>({ max: entriesMax, ...(dispose ? { dispose } : {}) })
}
