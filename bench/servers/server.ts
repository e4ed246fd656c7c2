/** What every server of the bench, ours or a rival, can be asked. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Child } from '../harness/processes.ts'
import type { StoredFile } from '../harness/state.ts'

export interface FileServer {
  readonly port: number
  /** Of the path in a URL, before the path of a file. */
  readonly prefix: string
  readonly children: readonly Child[]
  /** Made before anything is measured, where a server does not make folders itself. */
  makeFolders(paths: readonly string[]): void
  /** All that lies below a folder, read back. */
  files(folder: string): AsyncIterable<StoredFile>
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** What a server holds that keeps plain files. */
export function* filesOfFolder(root: string, folder: string): Generator<StoredFile> {
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    yield { path: path.slice(join(root, folder).length + 1), content: readFileSync(path) }
  }
}

export const cpuSecondsOf = (server: FileServer): number =>
  server.children.reduce((sum, child) => sum + child.cpuSeconds(), 0)
