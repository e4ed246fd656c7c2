/** Finds the path of a directory from its id, from own item up to own item, with one look per level. */
import type { ItemReader } from '../../cp-engine/contract.ts'
import { corrupt } from '../../format/fields.ts'
import { decodeDirectoryItem } from '../../format/items/directory-item.ts'
import { directoryKey, rootDirectoryId } from '../../format/items/item-keys.ts'

/**
 * Returns null for a directory that is unlinked or missing. Throws `corrupt` for a directory that contains itself.
 */
export function pathOf(items: Pick<ItemReader, 'get'>, directory: number): string[] | null {
  const names: string[] = []
  const seen = new Set<number>()
  for (let id = directory; id !== rootDirectoryId;) {
    if (seen.has(id)) throw corrupt('directory item', 'parent', `of ${id} leads back to it`)
    seen.add(id)
    const value = items.get(directoryKey(id))
    if (!value) return null
    const { parent, name } = decodeDirectoryItem(value)
    names.push(name)
    id = parent
  }
  return names.toReversed()
}
