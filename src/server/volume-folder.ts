/** Files in the folder of a volume: their names, and the work on the files of the catalog. */
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { logger } from '../lib/log.ts'

export const blockFileName = 'volume.blk'
export const catalogPath = (folder: string): string => join(folder, 'catalog.db')

const log = logger('catalog')

export const hasVolume = (folder: string): boolean => existsSync(join(folder, blockFileName))

/** Suffixes of the catalog file itself and of the files that SQLite puts beside the catalog. */
const companions = ['', '-journal'] as const

/**
 * Makes room for a fresh catalog. For each reason the newest file that was set aside is kept, with SQLite's
 * companions, so that the file can still be opened.
 */
export function setCatalogAside(path: string, reason: string): void {
  log.warn('the catalog cannot be used and is set aside; a fresh one is made', { path, reason })
  for (const companion of companions)
    if (existsSync(path + companion)) renameSync(path + companion, `${path}.${reason}${companion}`)
}
