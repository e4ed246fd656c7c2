/**
 * Contents of small files that come with their listing: a request for each of them would cost more than they do.
 *
 * - They are of the same look at the tree as the entries, and verified like any other read.
 * - Where there is none nothing is said of the file. One that cannot be read does not spoil the page: whoever asks for
 *   the file itself hears what is wrong with it.
 */
import type { TreeView } from '../../cp-engine/contract.ts'
import type { EntryItem } from '../../format/items/items.ts'
import { AssertionError, assert } from '../../lib/assert.ts'
import { listedContentBytesMax, listedContentsBytesMax } from '../contract.ts'
import type { Found } from './listing.ts'

const hasContent = ({ kind, size }: EntryItem, bytesMax: number): boolean =>
  kind === 'file' && size <= bytesMax

/** How many of them are a page, because of what their contents take. */
export function entriesOfPage(found: readonly Found[], bytesMax: number): number {
  let bytes = 0
  for (const [i, { item }] of found.entries()) {
    if (!hasContent(item, bytesMax)) continue
    bytes += item.size
    if (bytes > listedContentsBytesMax) return i
  }
  return found.length
}

/** One for each entry; null when none are wanted. The view has shown the entries. */
export async function contentsOf(
  view: TreeView,
  found: readonly Found[],
  bytesMax: number,
  pause: () => Promise<void> = noPause,
): Promise<readonly (Uint8Array | null)[] | null> {
  assert(bytesMax <= listedContentBytesMax, 'only small contents come with a listing')
  if (bytesMax === 0) return null
  // What waits for the disk waits beside the others; together they are no more than a page may have.
  const contents: Promise<Uint8Array | null>[] = []
  for (const { item } of found) {
    const content = contentOf(view, item, bytesMax)
    // Heard of below, and that may be later.
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
    // A file that was extended is longer than that.
    return bytes.length === size ? bytes : null
  } catch (error) {
    if (error instanceof AssertionError) throw error
    return null
  }
}
