/**
 * Finds where a path leads in one look at the tree. Links are not followed; only directories have entries below. The
 * root has an entry of its own only when a client has given attributes to the root.
 */
import type { ItemReader } from '../../cp-engine/contract.ts'
import { noExtra } from '../../format/items/entry-extra.ts'
import { type EntryItem, decodeEntryItem, directoryIdOf, inlineExtra } from '../../format/items/items.ts'
import { entryKeyOf, rootDirectoryId, rootEntryKey } from '../../format/items/item-keys.ts'
import type { ChecksumKind } from '../../format/pointer.ts'
import { StillpointError } from '../../lib/errors.ts'
import { defaultModes } from './attributes.ts'
import { type Path, formatPath } from '../paths.ts'

/** Entry of the root as long as no client has given attributes to the root. */
const plainRoot: EntryItem = {
  kind: 'directory',
  version: { epoch: 0, opening: 0, sequence: 0 },
  mode: defaultModes.directory,
  createdMs: 0,
  createdNanos: 0,
  modifiedMs: 0,
  modifiedNanos: 0,
  size: 0,
  id: rootDirectoryId,
  content: null,
  extra: inlineExtra(noExtra),
}

export interface Place {
  /** The deepest directory on the way that exists, and how many names lead to it. */
  readonly directory: number
  readonly depth: number
  /** Null when the path leads to no entry, or when a directory on the way is missing. */
  readonly entry: EntryItem | null
}

/** Throws `not-a-directory` when an entry on the way is not a directory. */
export function findPlace(items: ItemReader, sums: ChecksumKind, path: Path): Place {
  if (path.length === 0) {
    const value = items.get(rootEntryKey())
    return { directory: 0, depth: 0, entry: value ? decodeEntryItem(value, sums) : plainRoot }
  }
  const { directory, depth, value } = findValue(items, sums, path)
  return { directory, depth, entry: value ? decodeEntryItem(value, sums) : null }
}

/** Finds the place of a path whose last directory is known. */
export function placeIn(items: ItemReader, sums: ChecksumKind, directory: number, path: Path): Place {
  const { depth, value } = valueIn(items, directory, path)
  return { directory, depth, entry: value ? decodeEntryItem(value, sums) : null }
}

/** Finds the stored value of a path whose last directory is known. */
export function valueIn(items: ItemReader, directory: number, path: Path): FoundValue {
  const depth = path.length - 1
  return { directory, depth, value: items.get(entryKeyOf(directory, path[depth]!)) }
}

type FoundValue = Omit<Place, 'entry'> & { readonly value: Uint8Array | null }

/** Finds what `findPlace` finds, with the entry as its stored value. The root has no place. */
export function findValue(items: ItemReader, sums: ChecksumKind, path: Path): FoundValue {
  let directory = rootDirectoryId
  const last = path.length - 1
  for (let depth = 0; depth < last; depth++) {
    const value = items.get(entryKeyOf(directory, path[depth]!))
    if (!value) return { directory, depth, value: null }
    directory = directoryIdOf(value, sums) ?? refuse(path.slice(0, depth + 1))
  }
  return valueIn(items, directory, path)
}

function refuse(path: readonly string[]): never {
  throw notADirectory(path)
}

/** Throws `not-found` or `not-a-directory`. */
export function findEntry(items: ItemReader, sums: ChecksumKind, path: Path): EntryItem {
  const { entry } = findPlace(items, sums, path)
  if (!entry) throw notFound(path)
  return entry
}

export function mustBeFile(entry: EntryItem, path: Path): void {
  if (entry.kind === 'directory') throw isADirectory(path)
  if (entry.kind === 'link') throw new StillpointError('is-a-link', `${formatPath(path)} is a symbolic link`)
}

const name = (path: readonly string[]): string => (path.length === 0 ? 'the root' : formatPath(path))

export const notFound = (path: Path): StillpointError =>
  new StillpointError('not-found', `there is nothing at ${name(path)}`)
export const isADirectory = (path: Path): StillpointError =>
  new StillpointError('is-a-directory', `${name(path)} is a directory`)
export const notADirectory = (path: readonly string[]): StillpointError =>
  new StillpointError('not-a-directory', `${name(path)} is not a directory`)
export const notEmpty = (path: Path): StillpointError =>
  new StillpointError('directory-not-empty', `${name(path)} is not empty`)
