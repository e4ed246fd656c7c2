/** The files of the project itself: what is installed, made or stored is not among them, wherever it lies. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Packages are installed in the project's folder and in the folders of its tools. */
const notOurs = new Set(['.git', '.cache', 'node_modules', 'dist', 'data'])

/** Sorted paths from `root` of the files in `folder`, a path from `root`, and below; '' means all of the project. */
export function projectFiles(root: string, folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (notOurs.has(entry.name)) return []
      return entry.isDirectory() ? projectFiles(root, path) : [path]
    })
    .toSorted()
}
