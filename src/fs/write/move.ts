/**
 * Renames entries. One entry goes and one comes, with the own item of a directory, whatever lies below. The version
 * stays, because the content is the same.
 *
 * A move does not look how deep the entries below lie, because the cost would grow with their number. So an entry may
 * come to lie deeper than a path can name. Listings still give such an entry, the reaper takes it, and paths reach
 * the entry again when a directory above the entry is moved up.
 */
import type { EntryItem } from '../../format/items/items.ts'
import { StillpointError } from '../../lib/errors.ts'
import { checkPreconditions } from '../tree/attributes.ts'
import { type Context, runEdit, written } from './context.ts'
import type { Preconditions, Written } from '../contract.ts'
import type { Edit } from '../tree/edit.ts'
import { findEntry, findPlace, isADirectory, notADirectory, notEmpty } from '../tree/entries.ts'
import { type Path, formatPath } from '../paths.ts'

type MoveOptions = Preconditions & { readonly overwrite: boolean }

export async function move(context: Context, from: Path, to: Path, options: MoveOptions): Promise<Written> {
  const applied = await runEdit(context, (edit) => applyMove(edit, from, to, options))
  return written(context, to, applied, applied.result.item.extra.inline)
}

export function applyMove(
  edit: Edit,
  from: Path,
  to: Path,
  options: MoveOptions,
): { readonly created: boolean; readonly item: EntryItem } {
  const item = findEntry(edit.tx, edit.sums, from)
  const isBelow = to.length >= from.length && from.every((name, i) => name === to[i])
  if (isBelow && to.length === from.length) {
    checkPreconditions(options, item)
    return { created: false, item }
  }
  if (isBelow && item.kind === 'directory')
    throw new StillpointError('into-itself', `${formatPath(to)} lies below ${formatPath(from) || 'the root'}`)
  const target = findPlace(edit.tx, edit.sums, to).entry
  if (target) checkTarget(edit, item, target, to, options)
  checkPreconditions(options, item)

  const directory = edit.parentOf(to)
  if (target) edit.unlink(target)
  edit.deleteEntry(findPlace(edit.tx, edit.sums, from).directory, from.at(-1)!, item)
  edit.putEntry(directory, to.at(-1)!, item, target)
  return { created: target === null, item }
}

function checkTarget(edit: Edit, item: EntryItem, target: EntryItem, to: Path, options: MoveOptions): void {
  if (!options.overwrite) throw new StillpointError('exists', `${formatPath(to) || 'the root'} exists`)
  if (target.kind === 'directory') {
    if (item.kind !== 'directory') throw isADirectory(to)
    // The root is never empty here: the moved entry lies below the root.
    if (!edit.isEmptyDirectory(target.id)) throw notEmpty(to)
  } else if (item.kind === 'directory') throw notADirectory(to)
}
