/**
 * Lists directories. Listings are ordered by the bytes of names; a recursive listing gives a directory before its
 * content. The position in a listing is the path of the last given entry, relative to the listed directory.
 */
import type { Item, ItemReader } from '../../cp-engine/contract.ts'
import { type EntryItem, decodeEntryItem } from '../../format/items/items.ts'
import { decodeKey, entryKeyOf, entryRange } from '../../format/items/item-keys.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import { assert } from '../../lib/assert.ts'
import { equalBytes } from '../../lib/bytes.ts'
import { findEntry, notADirectory } from '../tree/entries.ts'
import type { Path } from '../paths.ts'

export interface Found {
  readonly path: readonly string[]
  readonly item: EntryItem
}

/** A recursive listing reads up to this many entries ahead in each directory on its way. */
const recursiveScanMax = 64

/** The rest of one directory on the way. */
interface Level {
  readonly directory: number
  readonly path: readonly string[]
  readonly end: Uint8Array
  /** The rest begins at this key, or just behind this key. */
  from: Uint8Array
  isBehind: boolean
  ready: Item[]
  isDone: boolean
}

interface Look {
  readonly after: readonly string[] | null
  readonly entriesMax: number
  readonly recursive: boolean
}

/** Returns at most `entriesMax` entries that follow `after`, in one synchronous look. */
export function listEntries(items: ItemReader, sums: ChecksumKind, path: Path, look: Look): Found[] {
  const listed = findEntry(items, sums, path)
  if (listed.kind !== 'directory') throw notADirectory(path)
  const levels = levelsAfter(items, sums, listed.id, look)
  const found: Found[] = []
  while (found.length < look.entriesMax) {
    const level = levels.at(-1)
    if (!level) break
    const left = look.entriesMax - found.length
    const next = nextItem(items, level, look.recursive ? Math.min(left, recursiveScanMax) : left)
    if (!next) {
      levels.pop()
      continue
    }
    const key = decodeKey(next.key)
    assert(key.kind === 'entry', 'a directory holds entries')
    const entry = { path: [...level.path, key.name], item: decodeEntryItem(next.value, sums) }
    found.push(entry)
    if (look.recursive && entry.item.kind === 'directory') levels.push(levelOf(entry.item.id, entry.path))
  }
  return found
}

/** Returns the directories that are open at a position, outermost first. */
function levelsAfter(items: ItemReader, sums: ChecksumKind, id: number, look: Look): Level[] {
  const levels = [levelOf(id, [])]
  for (const [depth, name] of (look.after ?? []).entries()) {
    const level = levels.at(-1)!
    const key = entryKeyOf(level.directory, name)
    level.from = key
    level.isBehind = true
    const value = look.recursive ? items.get(key) : null
    const item = value && decodeEntryItem(value, sums)
    if (item?.kind !== 'directory') break
    levels.push(levelOf(item.id, look.after!.slice(0, depth + 1)))
  }
  return levels
}

function levelOf(id: number, path: readonly string[]): Level {
  return { directory: id, path, ...entryRange(id), isBehind: false, ready: [], isDone: false }
}

function nextItem(items: ItemReader, level: Level, itemsMax: number): Item | null {
  if (level.ready.length === 0 && !level.isDone) {
    // One more item is scanned, because the first may be the position itself.
    const scanned = items.scan(level.from, level.end, itemsMax + 1)
    level.isDone = scanned.length <= itemsMax
    const isKnown = level.isBehind && scanned[0] !== undefined && equalBytes(scanned[0].key, level.from)
    level.ready = (isKnown ? scanned.slice(1) : scanned).toReversed()
    level.from = scanned.at(-1)?.key ?? level.from
    level.isBehind = true
  }
  return level.ready.pop() ?? null
}
