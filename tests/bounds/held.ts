/**
 * How much an object holds, by looking at all that is reached from it: entries of maps, sets and lists, and bytes of
 * memory. A bound that only memory feels shows here and nowhere else.
 */
export interface Held {
  readonly entries: number
  readonly bytes: number
}

/** `leaveOut`: objects that are somebody else's. */
export function heldBy(root: unknown, leaveOut: readonly unknown[] = []): Held {
  const seen = new Set<unknown>(leaveOut)
  const queue: unknown[] = [root]
  let entries = 0
  let bytes = 0
  while (queue.length > 0) {
    const next = queue.pop()
    if (next === null || (typeof next !== 'object' && typeof next !== 'function') || seen.has(next)) continue
    seen.add(next)
    if (ArrayBuffer.isView(next)) {
      queue.push(next.buffer)
      continue
    }
    if (next instanceof ArrayBuffer) {
      bytes += next.byteLength
      continue
    }
    if (next instanceof Map || next instanceof Set || Array.isArray(next)) {
      entries += next instanceof Map || next instanceof Set ? next.size : next.length
      const contents = next instanceof Map ? [...next].flat() : next
      for (const each of contents) queue.push(each)
    }
    if (typeof next === 'object') for (const each of Object.values(next)) queue.push(each)
  }
  return { entries, bytes }
}
