/** Deletes entries. A request deletes a file or link, or a directory; an operation of a batch deletes any entry. */
import type { Applied } from '../../cp-engine/contract.ts'
import type { EntryItem } from '../../format/items/items.ts'
import { StillpointError } from '../../lib/errors.ts'
import { checkPreconditions } from '../tree/attributes.ts'
import { type Context, runEdit } from './context.ts'
import type { Preconditions } from '../contract.ts'
import type { Edit } from '../tree/edit.ts'
import { findPlace, isADirectory, notADirectory, notEmpty, notFound } from '../tree/entries.ts'
import type { Path } from '../paths.ts'

type RemoveOptions = Preconditions & {
  readonly what: 'file' | 'directory' | 'any'
  readonly recursive: boolean
}

export function remove(context: Context, path: Path, options: RemoveOptions): Promise<Applied<EntryItem>> {
  return runEdit(context, (edit) => applyRemove(edit, path, options), { floor: 'delete' })
}

/** Returns the deleted entry. */
export function applyRemove(edit: Edit, path: Path, options: RemoveOptions): EntryItem {
  const { directory, entry } = findPlace(edit.tx, edit.sums, path)
  if (!entry) throw notFound(path)
  if (entry.kind === 'directory') {
    if (options.what === 'file') throw isADirectory(path)
    if (path.length === 0) throw new StillpointError('forbidden', 'the root cannot be deleted')
    if (!options.recursive && !edit.isEmptyDirectory(entry.id)) throw notEmpty(path)
  } else if (options.what === 'directory') throw notADirectory(path)
  checkPreconditions(options, entry)
  edit.unlink(entry)
  edit.deleteEntry(directory, path.at(-1)!, entry)
  return entry
}
