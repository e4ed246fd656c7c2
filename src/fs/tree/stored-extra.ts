/** Reads extras, which may lie in a record of their own. */
import type { Engine, ItemReader, TreeView } from '../../cp-engine/contract.ts'
import { type EntryExtra, decodeEntryExtra, noExtra } from '../../format/items/entry-extra.ts'
import type { EntryItem } from '../../format/items/items.ts'
import { type ChecksumKind, equalPointers } from '../../format/pointer.ts'
import { hasCode } from '../../lib/errors.ts'
import { statOf } from './attributes.ts'
import type { Stat } from '../contract.ts'
import { findPlace } from './entries.ts'
import type { Path } from '../paths.ts'

/** The item comes from this view. */
export async function readExtra(view: TreeView, { extra }: EntryItem): Promise<EntryExtra> {
  return extra.inline ?? decodeEntryExtra(await view.record(extra.record))
}

export async function readStat(view: TreeView, item: EntryItem): Promise<Stat> {
  return statOf(item, await readExtra(view, item))
}

/**
 * Returns the stat of an entry that has just been written at `path`. When the entry has been replaced meanwhile, its
 * stored extra may be gone; the stat is then without extra.
 */
export async function statStored(
  { engine, sums }: { readonly engine: Engine; readonly sums: ChecksumKind },
  path: Path,
  item: EntryItem,
): Promise<Stat> {
  const { extra } = item
  if (extra.inline) return statOf(item, extra.inline)
  const view = engine.openView()
  try {
    const now = await view.read((items) => findPlaceOrNull(items, sums, path))
    const isSame = now?.extra.record && equalPointers(now.extra.record, extra.record)
    return isSame ? await readStat(view, now) : statOf(item, noExtra)
  } finally {
    view.release()
  }
}

function findPlaceOrNull(items: ItemReader, sums: ChecksumKind, path: Path): EntryItem | null {
  try {
    return findPlace(items, sums, path).entry
  } catch (error) {
    if (hasCode(error, 'not-a-directory')) return null
    throw error
  }
}
