/** Makes directories. An existing directory keeps its version, unless the request has attributes. */
import type { EntryItem } from '../../format/items/items.ts'
import {
  type CheckedAttributes,
  checkAttributes,
  checkPreconditions,
  defaultModes,
  saysSomething,
} from '../tree/attributes.ts'
import { type Context, type PreparedExtra, prepared, storeExtra, written } from './context.ts'
import type { Attributes, Preconditions, Written } from '../contract.ts'
import { takeId } from '../tree/counters.ts'
import type { Edit } from '../tree/edit.ts'
import { findPlace, notADirectory } from '../tree/entries.ts'
import type { Path } from '../paths.ts'

interface MakeDirectory {
  readonly path: Path
  readonly attributes: CheckedAttributes
  readonly extra: PreparedExtra
  /** An existing directory takes over the attributes of the request. */
  readonly hasAttributes: boolean
  readonly hasMeta: boolean
}

/** Directories have no content, so no content type. */
export function checkDirectory(attributes: Attributes): CheckedAttributes {
  return checkAttributes({ ...attributes, contentType: null })
}

export function directoryToMake(
  path: Path,
  given: Attributes,
  attributes: CheckedAttributes,
  extra: PreparedExtra,
): MakeDirectory {
  const hasAttributes = saysSomething({ ...given, contentType: null })
  return { path, attributes, extra, hasAttributes, hasMeta: extra.extra.meta.length > 0 }
}

export function makeDirectory(
  context: Context,
  path: Path,
  attributes: Attributes,
  conditions: Preconditions,
): Promise<Written> {
  const checked = checkDirectory(attributes)
  return prepared(context, 0, async (preparation) => {
    const extra = await preparation.extra(checked)
    const make = directoryToMake(path, attributes, checked, extra)
    const applied = await preparation.run((edit) => applyMakeDirectory(edit, make, conditions))
    const isNew = applied.result.created || make.hasMeta
    return written(context, path, applied, isNew ? extra.extra : applied.result.item.extra.inline)
  })
}

export function applyMakeDirectory(
  edit: Edit,
  make: MakeDirectory,
  conditions: Preconditions = {},
): { readonly created: boolean; readonly item: EntryItem } {
  const { path, attributes } = make
  const { directory, entry } = findPlace(edit.tx, edit.sums, path)
  if (entry && entry.kind !== 'directory') throw notADirectory(path)
  checkPreconditions(conditions, entry)
  if (entry && !make.hasAttributes) return { created: false, item: entry }
  const { nowMs } = edit.tx
  const item: EntryItem = {
    kind: 'directory',
    version: edit.version(),
    mode: attributes.mode ?? entry?.mode ?? defaultModes.directory,
    createdMs: entry?.createdMs ?? nowMs,
    createdNanos: entry?.createdNanos ?? 0,
    modifiedMs: attributes.modified?.ms ?? entry?.modifiedMs ?? nowMs,
    modifiedNanos: attributes.modified?.nanos ?? entry?.modifiedNanos ?? 0,
    size: 0,
    id: entry?.id ?? takeId(edit.tx),
    content: null,
    extra: entry && !make.hasMeta ? entry.extra : storeExtra(edit, make.extra),
  }
  if (path.length === 0) edit.putRoot(item)
  else edit.putEntry(entry ? directory : edit.parentOf(path), path.at(-1)!, item, entry)
  return { created: entry === null, item }
}
