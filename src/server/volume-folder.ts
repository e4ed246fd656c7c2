/** The files of a volume's folder that are not blocks. */
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'

export const blockFileName = 'volume.blk'
export const catalogName = 'catalog.db'

export const hasVolume = (folder: string): boolean => existsSync(join(folder, blockFileName))

/**
 * Makes room for a fresh catalog. One file set aside for each reason is kept, the newest; with SQLite's companions, so
 * that it can still be opened.
 */
export function setCatalogAside(path: string, reason: string): void {
  for (const companion of ['', '-wal', '-shm'])
    if (existsSync(path + companion)) renameSync(path + companion, `${path}.${reason}${companion}`)
}
