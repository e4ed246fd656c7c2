/**
 * Remembers directories of the open tree, by their paths, that small files were put into or read from lately. So a
 * file is found with one look at the tree instead of one look for every name on the way.
 *
 * - Every remembered directory is in the tree. A directory is added when the open tree shows that directory, or when
 *   an operation that has found or made the directory was applied.
 * - All directories are forgotten in the same step in which any directory is moved, replaced or deleted.
 */
import { rootDirectoryId } from '../../format/items/item-keys.ts'
import type { Path } from '../paths.ts'

const directoriesMax = 4096

export class KnownDirectories {
  private readonly ids = new Map<string, number>()

  /** Returns the id of the directory that holds the last name of `path`; null when that directory is not known. */
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

/** The joined names are unique, because names have no slash. */
const parentOf = (path: Path): string =>
  path.length === 2 ? path[0]! : path.slice(0, path.length - 1).join('/')
