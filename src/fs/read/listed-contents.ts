/**
 * Reads contents of small files for a listing: a request for each file would cost more than its content.
 *
 * - Contents come from the same look at the tree as the entries, and are verified like any other read.
 * - A missing content says nothing about the file. A content that cannot be read does not spoil the page: a client
 *   that reads the file itself gets the error.
 */
import type { TreeView } from '../../cp-engine/contract.ts'
import type { EntryItem } from '../../format/items/items.ts'
import { AssertionError, assert } from '../../lib/assert.ts'
import { listedContentBytesMax, listedContentsBytesMax } from '../contract.ts'
import type { Found } from './listing.ts'

const hasContent = ({ kind, size }: EntryItem, bytesMax: number): boolean =>
  kind === 'file' && size <= bytesMax

/** Returns how many of the found entries fit a page with their contents. */
export function entriesOfPage(found: readonly Found[], bytesMax: number): number {
  let bytes = 0
  for (const [i, { item }] of found.entries()) {
    if (!hasContent(item, bytesMax)) continue
    bytes += item.size
    if (bytes > listedContentsBytesMax) return i
  }
  return found.length
}

/** Returns one content for each entry; null when no contents are wanted. The entries come from this view. */
export async function contentsOf(
  view: TreeView,
  found: readonly Found[],
  bytesMax: number,
  pause: () => Promise<void> = noPause,
): Promise<readonly (Uint8Array | null)[] | null> {
  assert(bytesMax <= listedContentBytesMax, 'only small contents come with a listing')
  if (bytesMax === 0) return null
  // All contents wait for the disk at the same time; together they are not larger than a page may be.
  const contents: Promise<Uint8Array | null>[] = []
  for (const { item } of found) {
    const content = contentOf(view, item, bytesMax)
    // `Promise.all` below reports this failure, and that may be later.
    content.catch(() => {})
    contents.push(content)
    await pause()
  }
  return Promise.all(contents)
}

const noPause = (): Promise<void> => Promise.resolve()

async function contentOf(view: TreeView, item: EntryItem, bytesMax: number): Promise<Uint8Array | null> {
  if (!hasContent(item, bytesMax)) return null
  const { size, content, id } = item
  if (!content) return id === 0 ? new Uint8Array(size) : null
  try {
    const bytes = view.recordNow(content) ?? (await view.record(content))
    // A file that was extended is longer than its record.
    return bytes.length === size ? bytes : null
  } catch (error) {
    if (error instanceof AssertionError) throw error
    return null
  }
}
