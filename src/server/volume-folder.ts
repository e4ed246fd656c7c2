/**
 * Files in the folder of a volume: their names, their modes, and the work on the files of the catalog.
 *
 * Files of a volume are for their owner alone, whatever the umask is. The folder may be the operator's, and keeps the
 * mode that it has.
 */
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
} from 'node:fs'
import { join } from 'node:path'
import { logger } from '../lib/log.ts'

export const blockFileName = 'volume.blk'
export const catalogPath = (folder: string): string => join(folder, 'catalog.db')

const log = logger('catalog')

export const hasFile = (path: string): boolean => existsSync(path)
export const hasVolume = (folder: string): boolean => hasFile(join(folder, blockFileName))

const privateMode = 0o600
const foreignBits = 0o077
/** Files of a volume, those that were never finished and those that were set aside among them. */
const ownNames = /^(?:volume\.blk(?:\.new)?|lock(?:\.\d+)?|catalog\.db(?:[.-].*)?)$/

/** Names of the files that others could use until now, and of those that others still can. */
interface NarrowedModes {
  readonly narrowed: readonly string[]
  readonly open: readonly string[]
}

/** Takes the permissions of others from the files of a volume that exist. */
export function narrowModes(folder: string): NarrowedModes {
  const narrowed: string[] = []
  const open: string[] = []
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isFile() || !ownNames.test(entry.name)) continue
    const outcome = narrow(join(folder, entry.name))
    if (outcome !== 'private') (outcome === 'narrowed' ? narrowed : open).push(entry.name)
  }
  return { narrowed, open }
}

/** An absent file is made, empty. A file that cannot be made or changed stays as it is: the next open says why. */
export function makePrivate(path: string): void {
  narrow(path, constants.O_CREAT)
}

function narrow(path: string, flags = 0): 'private' | 'narrowed' | 'open' {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | flags, privateMode)
    try {
      if ((fstatSync(descriptor).mode & foreignBits) === 0) return 'private'
      fchmodSync(descriptor, privateMode)
      return 'narrowed'
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return 'open'
  }
}

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
