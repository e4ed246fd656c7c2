/**
 * The local end of a copy: a file appears under its name when the file is whole, and links inside a tree are never
 * followed.
 *
 * Short work is done at once, without a thread: handing a call to a thread costs more than the call.
 */
import * as fs from 'node:fs/promises'
import * as sync from 'node:fs'
import { constants } from 'node:fs'
import { basename, join } from 'node:path'
import types from 'mime'
import { UserError } from '../../lib/user-error.ts'
import { systemCodeOf } from '../../lib/errors.ts'
import { sayTime, timeToSet } from './local-time.ts'

type LocalKind = 'file' | 'directory' | 'link' | 'other'

interface LocalStat {
  readonly kind: LocalKind
  readonly size: number
  readonly mode: number
  /** RFC 3339. */
  readonly modified: string
}

export async function localStat(path: string, options: { follow: boolean }): Promise<LocalStat> {
  const bigint = true
  const found = await (options.follow ? fs.stat(path, { bigint }) : fs.lstat(path, { bigint })).catch(
    (error: unknown) => {
      throw localError(path, error)
    },
  )
  const kind = found.isFile()
    ? 'file'
    : found.isDirectory()
      ? 'directory'
      : found.isSymbolicLink()
        ? 'link'
        : 'other'
  const { size, mode, mtimeNs } = found
  return { kind, size: Number(size), mode: Number(mode) & 0o7777, modified: sayTime(mtimeNs) }
}

export const isAbsent = (error: unknown): boolean => errorCode(error) === 'ENOENT'

function errorCode(error: unknown): string {
  return systemCodeOf(error instanceof UserError ? error.cause : error) ?? ''
}

export function localError(path: string, error: unknown): UserError {
  const code = errorCode(error)
  const reason = code === 'ENOENT' ? 'no such file or directory' : code !== '' ? code : String(error)
  return new UserError(`${path}: ${reason}`, { cause: error })
}

/** A file above this size is sent and received as a stream. */
export const wholeFileBytesMax = 1024 * 1024

/**
 * The file's bytes for a request body. A small file is read at once. The length of a large file is declared, so that
 * a file that shrinks meanwhile is a body cut short, which changes nothing on the server.
 */
export async function localBody(path: string, size: number): Promise<Uint8Array<ArrayBuffer> | Blob> {
  return size > wholeFileBytesMax ? Bun.file(path) : readSmall(path)
}

export async function readSmall(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return fs.readFile(path).catch((error: unknown) => {
    throw localError(path, error)
  })
}

/** Two formats have this extension, and the one of the table is the rarer one among trees of files. */
const ambiguous = /\.m?ts$/i

/**
 * The content type that goes with a name, of a table that others maintain; undefined where the name says nothing. No
 * charset is claimed: nobody has looked at the content, and the header would beat what the content says of itself.
 */
export function contentTypeOf(name: string): string | undefined {
  // A name without a folder is an extension to the library.
  return ambiguous.test(name) ? undefined : (types.getType(`/${basename(name)}`) ?? undefined)
}

interface TemporaryFile {
  write(chunk: Uint8Array): Promise<void>
  /** Gives the file its mode, time and name, in this order: no reader sees a part of the file under its name. */
  finish(attributes: { mode?: number; modified?: string }): Promise<void>
  /** Removes the temporary file; does nothing after `finish`. */
  discard(): Promise<void>
}

const temporaryFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

export async function createTemporary(folder: string, name: string, path: string): Promise<TemporaryFile> {
  const temporary = join(folder, name)
  const handle = await fs.open(temporary, temporaryFlags, 0o600).catch((error: unknown) => {
    throw localError(path, error)
  })
  let isOpen = true
  let isThere = true
  const named = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw localError(path, error)
    })
  return {
    async write(chunk) {
      // A write may be short.
      for (let at = 0; at < chunk.length;) at += (await named(handle.write(chunk, at))).bytesWritten
    },
    async finish({ mode, modified }) {
      if (mode !== undefined) await named(handle.chmod(mode))
      if (modified !== undefined) await named(handle.utimes(timeToSet(modified), timeToSet(modified)))
      isOpen = false
      await named(handle.close())
      await named(fs.rename(temporary, path))
      isThere = false
    },
    async discard() {
      if (isOpen) await handle.close().catch(() => undefined)
      isOpen = false
      if (isThere) await fs.rm(temporary, { force: true }).catch(() => undefined)
      isThere = false
    },
  }
}

/**
 * Writes content that is at hand in the same way, but one call after the other without waiting: for a small file,
 * handing a call to a thread costs more than the call.
 */
export function writeSmall(
  temporary: string,
  path: string,
  bytes: Uint8Array,
  { mode, modified }: { readonly mode: number; readonly modified: string },
): void {
  let isThere = false
  try {
    const descriptor = sync.openSync(temporary, temporaryFlags, 0o600)
    isThere = true
    try {
      for (let at = 0; at < bytes.length;) at += sync.writeSync(descriptor, bytes, at)
      sync.fchmodSync(descriptor, mode)
      sync.futimesSync(descriptor, timeToSet(modified), timeToSet(modified))
    } finally {
      sync.closeSync(descriptor)
    }
    sync.renameSync(temporary, path)
  } catch (error) {
    if (isThere) removeQuietly(temporary)
    if (errorCode(error) === 'EISDIR') throw new UserError(`${path}: is a directory here`, { cause: error })
    throw localError(path, error)
  }
}

function removeQuietly(path: string): void {
  try {
    sync.rmSync(path, { force: true })
  } catch {
    // The caller reports the failure before this one.
  }
}

export async function replaceWithLink(
  target: string,
  temporary: string,
  path: string,
  modified: string,
): Promise<void> {
  try {
    await fs.symlink(target, temporary)
    await fs.lutimes(temporary, timeToSet(modified), timeToSet(modified))
    await fs.rename(temporary, path)
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => undefined)
    throw localError(path, error)
  }
}

/** Makes the folder and its parents; true when the folder is new. A link or a file in its place is an error. */
export function ensureFolder(path: string): boolean {
  const isNoFolder = (cause?: unknown) => new UserError(`${path}: is not a directory`, { cause })
  try {
    if (sync.mkdirSync(path, { recursive: true }) !== undefined) return true
    if (sync.lstatSync(path).isDirectory()) return false
  } catch (error) {
    throw errorCode(error) === 'EEXIST' ? isNoFolder(error) : localError(path, error)
  }
  throw isNoFolder()
}

export function setFolderAttributes(path: string, mode: number, modified: string): void {
  try {
    sync.chmodSync(path, mode)
    sync.utimesSync(path, timeToSet(modified), timeToSet(modified))
  } catch (error) {
    throw localError(path, error)
  }
}
