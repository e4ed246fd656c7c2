/** Failures of the local file system in words, with the path that a person knows. */
import { closeSync } from 'node:fs'
import { systemCodeOf } from '../../lib/errors.ts'
import { UserError } from '../../lib/user-error.ts'

const words: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied (EACCES)',
  EPERM: 'not permitted (EPERM)',
  ENOSPC: 'no space left here (ENOSPC)',
  EDQUOT: 'the quota here is used up (EDQUOT)',
  EROFS: 'the file system here is read-only (EROFS)',
  EIO: 'the device failed (EIO)',
  EMFILE: 'too many open files (EMFILE)',
  ENAMETOOLONG: 'the name is too long here (ENAMETOOLONG)',
  EINVAL: 'the file system here does not take this (EINVAL)',
  EFBIG: 'the file is too large here (EFBIG)',
}

export const isAbsent = (error: unknown): boolean => errorCode(error) === 'ENOENT'

export function errorCode(error: unknown): string {
  return systemCodeOf(error instanceof UserError ? error.cause : error) ?? ''
}

export function localError(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error
  const code = errorCode(error)
  const reason = code !== '' ? (words[code] ?? code) : error instanceof Error ? error.message : String(error)
  return new UserError(`${path}: ${reason}`, { cause: error })
}

/** Runs the work; a failure of the system names `path`. */
export function named<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw localError(path, error)
  }
}

export async function namedLater<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw localError(path, error)
  }
}

/** For a descriptor whose failure before this one is reported. */
export function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor)
  } catch {
    // Nothing was to be kept.
  }
}
