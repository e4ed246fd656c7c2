/**
 * Renames: one entry goes and one comes, with the own item of a directory, whatever lies below. The version stays: it is the same content.
 *
 * How deep lies what is below is not looked at, because that would cost as much as there is: it may come to lie deeper
 * than a path can name. Listings still give it, the reaper takes it, and moving a directory above it up names it again.
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
    // The root is never empty here: what is to be moved lies below it.
    if (!edit.isEmptyDirectory(target.id)) throw notEmpty(to)
  } else if (item.kind === 'directory') throw notADirectory(to)
}
