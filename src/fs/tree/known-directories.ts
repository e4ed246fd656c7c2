/**
 * Directories of the open tree that small files were put into or read from lately, by their paths: a file is found with
 * one look at the tree instead of one for every name on the way.
 *
 * Always true: what is here is in the tree. A directory is added when the open tree shows it, or when an operation that
 * has found or made it was applied; everything is forgotten in the same step in which any directory is moved, replaced
 * or deleted.
 */
import { rootDirectoryId } from '../../format/items/item-keys.ts'
import type { Path } from '../paths.ts'

const directoriesMax = 4096

export class KnownDirectories {
  private readonly ids = new Map<string, number>()

  /** The id of the directory that holds the last name; null when it is not known here. */
  find(path: Path): number | null {
    if (path.length === 1) return rootDirectoryId
    return this.ids.get(parentOf(path)) ?? null
  }

  add(path: Path, id: number): void {
    if (path.length === 1) return
    if (this.ids.size >= directoriesMax) this.ids.clear()
    this.ids.set(parentOf(path), id)
  }

  forget(): void {
    this.ids.clear()
  }
}

/** Names have no slash. */
const parentOf = (path: Path): string =>
  path.length === 2 ? path[0]! : path.slice(0, path.length - 1).join('/')
