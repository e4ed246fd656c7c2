/**
 * Replays rows of the view `changes` on a tree, as docs/sql.md says: all changes of one CP together. The path of what
 * was deleted and `from_path` are paths of before, and every other path is one of after.
 */
import type { Entry, Tree } from './followed.ts'

export interface ChangeRow {
  readonly id: number
  readonly cp: number
  readonly after_cp: number
  readonly change: 'created' | 'changed' | 'deleted' | 'renamed' | 'moved'
  readonly kind: string
  readonly path: string
  readonly from_path: string | null
  readonly size_before: number | null
  readonly size_after: number | null
}

export function replay(before: Tree, rows: readonly ChangeRow[]): Tree {
  let tree = new Map(before)
  for (const cp of new Set(rows.map((row) => row.cp)))
    tree = step(
      tree,
      rows.filter((row) => row.cp === cp),
    )
  return tree
}

const depth = (path: string): number => path.split('/').length

function step(before: Tree, rows: readonly ChangeRow[]): Map<string, Entry> {
  const tree = new Map(before)
  const take = (path: string): [string, Entry][] => {
    const taken: [string, Entry][] = []
    for (const [other, entry] of tree)
      if (other === path || other.startsWith(`${path}/`)) taken.push([other.slice(path.length), entry])
    for (const [below] of taken) tree.delete(path + below)
    return taken
  }
  // The deepest leave first: what moves out of a deleted directory, and what is deleted in a moved one.
  const leaving = rows
    .map((row) => ({ row, from: row.change === 'deleted' ? row.path : row.from_path }))
    .filter(({ from }) => from !== null)
    .toSorted((a, b) => depth(b.from!) - depth(a.from!))
    .map(({ row, from }) => ({ row, taken: take(from!) }))
  const arrivals = rows
    .filter(({ change }) => change !== 'deleted')
    .toSorted((a, b) => depth(a.path) - depth(b.path))
  for (const row of arrivals) {
    const moved = leaving.find((left) => left.row === row)
    for (const [below, entry] of moved?.taken ?? []) tree.set(row.path + below, entry)
    tree.set(row.path, { kind: row.kind, size: row.size_after! })
  }
  return tree
}
