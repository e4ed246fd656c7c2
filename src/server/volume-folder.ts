/**
 * Files in the folder of a volume: their names, their modes, and the work on the files of the catalog.
 *
 * Files of a volume are for their owner alone, whatever the umask is. The folder may be the operator's, and keeps the
 * mode that it has.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fchmodSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StillpointError } from '../lib/errors.ts'

export const blockFileName = 'volume.blk'
export const catalogName = 'catalog.db'

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
const companions = ['', '-wal', '-journal'] as const

/**
 * Makes room for a fresh catalog. For each reason the newest file that was set aside is kept, with SQLite's
 * companions, so that the file can still be opened.
 */
export function setCatalogAside(path: string, reason: string): void {
  for (const companion of companions)
    if (existsSync(path + companion)) renameSync(path + companion, `${path}.${reason}${companion}`)
}

const copyAttemptsMax = 20
/** Header of SQLite's write-ahead log; the salts in the header change when the log begins again. */
const walHeaderBytes = 32

/**
 * Hands a copy of the catalog to `use`, because a running server shares its open catalog with nobody. The copy is of
 * one moment: pages that a checkpoint moves into the file during the copy are still in the write-ahead log, unless
 * the log has begun again meanwhile; the file and the log are then copied once more.
 */
export function withCatalogCopy<T>(
  folder: string,
  use: (path: string) => T,
  /** Tests replace this function to act between the copies of two files. */
  copyFile: typeof copyFileSync = copyFileSync,
): T {
  const path = join(folder, catalogName)
  if (!existsSync(path)) throw new StillpointError('not-found', `there is no catalog at ${path}`)
  const place = mkdtempSync(join(tmpdir(), 'stillpoint-catalog-'))
  try {
    const copy = join(place, catalogName)
    for (let attempt = 0; !copyOnce(path, copy, copyFile); attempt++)
      if (attempt === copyAttemptsMax)
        throw new StillpointError('busy', `the catalog at ${path} changes too fast to be copied`)
    return use(copy)
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

function copyOnce(path: string, copy: string, copyFile: typeof copyFileSync): boolean {
  const before = logBegin(path)
  for (const companion of companions) {
    rmSync(copy + companion, { force: true })
    try {
      if (existsSync(path + companion)) copyFile(path + companion, copy + companion)
    } catch {
      return false
    }
  }
  return logBegin(path) === before
}

function logBegin(path: string): string {
  const header = Buffer.alloc(walHeaderBytes)
  const log = `${path}-wal`
  if (!existsSync(log)) return `none ${statSync(path).ino}`
  try {
    const descriptor = openSync(log, 'r')
    try {
      readSync(descriptor, header, 0, walHeaderBytes, 0)
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return 'gone'
  }
  return header.toString('hex')
}
