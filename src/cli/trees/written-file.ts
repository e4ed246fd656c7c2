/**
 * A local file that appears under its name when it is whole: with content, time and mode. Until then the file has a
 * temporary name, and is its owner's alone.
 *
 * - Only a regular file is replaced: never a device, a pipe, a folder, or a link that somebody else has made.
 * - Zeros are not written (`holes.ts`).
 * - Set-user-ID and set-group-ID are not given: they would be those of another owner.
 */
import * as sync from 'node:fs'
import { UserError } from '../../lib/user-error.ts'
import { writtenParts } from './holes.ts'
import { closeQuietly, errorCode, isAbsent, localError } from './local-errors.ts'
import { type LocalKind, localStat } from './local-stat.ts'
import { timeToSet } from './local-time.ts'
import type { TemporaryFiles } from './temporary-files.ts'

/** Where a file is written: paths for the system, and the one that a person knows. */
export interface LocalPlace {
  /** Path of the final name. */
  readonly reached: string
  /** Path of the temporary name, in the same folder. */
  readonly temporary: string
  readonly path: string
}

interface WrittenAttributes {
  readonly mode?: number | undefined
  /** RFC 3339. */
  readonly modified?: string | undefined
}

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = sync.constants
const temporaryFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW

/** Permissions of an entry here, from a mode of the server. */
export const modeHere = (mode: number): number => mode & 0o1777

export class WrittenFile {
  private position = 0
  private isOpen = true
  private isThere = true

  private constructor(
    private readonly place: LocalPlace,
    private readonly temporaries: TemporaryFiles,
    private readonly descriptor: number,
  ) {}

  static create(place: LocalPlace, temporaries: TemporaryFiles): WrittenFile {
    refuseForeign(place, ['file'])
    try {
      const descriptor = sync.openSync(place.temporary, temporaryFlags, 0o600)
      temporaries.add(place.temporary)
      return new WrittenFile(place, temporaries, descriptor)
    } catch (error) {
      throw localError(place.path, error)
    }
  }

  /** Short work is done at once, without a thread: handing a call to a thread costs more than the call. */
  write(piece: Uint8Array): void {
    this.named(() => {
      for (const [from, to] of writtenParts(piece, this.position))
        // A write may be short.
        for (let at = from; at < to;)
          at += sync.writeSync(this.descriptor, piece, at, to - at, this.position + at)
    })
    this.position += piece.length
  }

  /** Gives the file its size, time, mode and name, in this order: no reader sees a part of the file under its name. */
  finish({ mode, modified }: WrittenAttributes): void {
    this.named(() => {
      sync.ftruncateSync(this.descriptor, this.position)
      if (modified !== undefined) sync.futimesSync(this.descriptor, timeToSet(modified), timeToSet(modified))
      if (mode !== undefined) sync.fchmodSync(this.descriptor, modeHere(mode))
      this.isOpen = false
      sync.closeSync(this.descriptor)
      sync.renameSync(this.place.temporary, this.place.reached)
      this.isThere = false
      this.temporaries.forget(this.place.temporary)
    })
  }

  /** Removes the temporary file; after `finish` there is none. */
  discard(): void {
    if (this.isOpen) closeQuietly(this.descriptor)
    this.isOpen = false
    if (this.isThere) this.temporaries.remove(this.place.temporary)
    this.isThere = false
  }

  private named(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (errorCode(error) === 'EISDIR')
        throw new UserError(`${this.place.path}: is a directory here`, { cause: error })
      throw localError(this.place.path, error)
    }
  }
}

export function writeWhole(
  place: LocalPlace,
  temporaries: TemporaryFiles,
  bytes: Uint8Array,
  attributes: WrittenAttributes,
): void {
  const file = WrittenFile.create(place, temporaries)
  try {
    file.write(bytes)
    file.finish(attributes)
  } catch (error) {
    file.discard()
    throw error
  }
}

/** Makes a symbolic link in the same way. A link is replaced too. */
export function writeLink(
  place: LocalPlace,
  temporaries: TemporaryFiles,
  target: string,
  modified: string,
): void {
  if (target === '' || target.includes('\0') || !target.isWellFormed())
    throw new UserError(`${place.path}: the server gave a target that no link has`)
  refuseForeign(place, ['file', 'link'])
  temporaries.add(place.temporary)
  try {
    sync.symlinkSync(target, place.temporary)
    sync.lutimesSync(place.temporary, timeToSet(modified), timeToSet(modified))
    sync.renameSync(place.temporary, place.reached)
    temporaries.forget(place.temporary)
  } catch (error) {
    temporaries.remove(place.temporary)
    throw localError(place.path, error)
  }
}

const here: Readonly<Record<LocalKind, string>> = {
  file: 'is a file here',
  directory: 'is a directory here',
  link: 'is a symbolic link here, and stays; remove it, or give the place it leads to',
  other: 'is a device, a pipe or a socket here, and stays',
}

function refuseForeign({ reached, path }: LocalPlace, replaced: readonly LocalKind[]): void {
  try {
    const { kind } = localStat(reached, { follow: false }, path)
    if (!replaced.includes(kind)) throw new UserError(`${path}: ${here[kind]}`)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
}
