/**
 * The changes of directories between two images. Directories are followed by their own items, which say where each
 * directory is, so one look at few items gives all moves, however much lies below.
 *
 * - `gather` reads the items, and changes nothing: until `apply`, the tables give every path as it was before.
 * - After `apply`, a directory has a row exactly when a path leads to it, and every row has the path of the target.
 */
import { decodeDirectoryItem } from '../../format/items/directory-item.ts'
import { decodeKey, kindRange, rootDirectoryId } from '../../format/items/item-keys.ts'
import { assert } from '../../lib/assert.ts'
import { type DirectoryPlace, type DirectoryRow, type FileTables, joinPath } from './file-tables.ts'
import type { ImageReader, ImageRoot } from './image.ts'

/** Directories that may change in one pass; the whole catalog is filled again when more have changed. */
const directoriesMax = 200_000

export interface MovedDirectory {
  readonly id: number
  /** Null for a directory that was not there before. */
  readonly before: DirectoryRow | null
  /** Null for a directory that no path leads to any more. */
  readonly after: DirectoryRow | null
}

export class DirectoryChanges {
  private readonly put = new Map<number, DirectoryPlace>()
  private readonly removed: number[] = []

  constructor(private readonly tables: FileTables) {}

  /** False when more directories have changed than one pass takes. */
  async gather(reader: ImageReader, base: ImageRoot, target: ImageRoot): Promise<boolean> {
    const range = kindRange('directory')
    await reader.walk(target, base, range, (key, value) => {
      if (this.size <= directoriesMax) this.put.set(idOf(key), decodeDirectoryItem(value))
    })
    await reader.walk(base, target, range, (key, _value, now) => {
      if (now === null && this.size <= directoriesMax) this.removed.push(idOf(key))
    })
    return this.size <= directoriesMax
  }

  apply(): MovedDirectory[] {
    const { tables } = this
    const moved: { id: number; before: DirectoryRow | null; after: DirectoryRow | null }[] = []
    for (const id of [...this.removed, ...this.put.keys()])
      moved.push({ id, before: tables.directory(id), after: null })
    // The new places are put first, because the path of a directory follows from all places above the directory.
    for (const [id, { parent, name }] of this.put) tables.putDirectory(id, { parent, name, path: '' })
    const gone = new Set(this.removed)
    const paths = new Map<number, string | null>([[rootDirectoryId, '']])
    for (const change of moved) {
      const place = this.put.get(change.id)
      if (!place) continue
      const path = this.pathOf(change.id, gone, paths)
      if (path === null) gone.add(change.id)
      else change.after = { ...place, path }
    }
    for (const { id, before, after } of moved) {
      if (!after) continue
      tables.putDirectory(id, after)
      if (before) tables.rewritePathsBelow(id, after.path)
    }
    for (const id of gone) tables.deleteTree(id)
    return moved.filter(({ before, after }) => before !== null || after !== null)
  }

  private get size(): number {
    return this.put.size + this.removed.length
  }

  /** Climbs from row to row, because the stored paths are those of before. */
  private pathOf(id: number, gone: ReadonlySet<number>, paths: Map<number, string | null>): string | null {
    const known = paths.get(id)
    if (known !== undefined) return known
    const row = gone.has(id) ? null : this.tables.directory(id)
    const above = row && this.pathOf(row.parent, gone, paths)
    const path = row === null || above === null ? null : joinPath(above, row.name)
    paths.set(id, path)
    return path
  }
}

function idOf(key: Uint8Array): number {
  const decoded = decodeKey(key)
  assert(decoded.kind === 'directory', 'the range has own items of directories alone')
  return decoded.directory
}
