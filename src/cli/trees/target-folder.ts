/**
 * A folder that a copy fills. The folder is its owner's alone until all that belongs into it is there; then it gets its
 * time and mode, and after it its parent.
 *
 * - A folder that was there is made writable for the while, and loses at once what its new mode does not allow.
 * - A link or a file in the place of the folder is an error.
 */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { BlindNames, isCaseBlind } from './case-blindness.ts'
import { textOfBytes } from './entry-names.ts'
import { errorCode, localError } from './local-errors.ts'
import { LocalFolder } from './local-folder.ts'
import { timeToSet } from './local-time.ts'
import { isLeftBehind, type TemporaryFiles } from './temporary-files.ts'
import { modeHere, type LocalPlace } from './written-file.ts'

const ownerOnly = 0o700

/** Attributes that a server gives. */
export interface FolderAttributes {
  readonly mode: number
  readonly modified: string
}

interface Filling {
  readonly isNew: boolean
  readonly blindNames: BlindNames | null
  readonly isCaseBlind: boolean
}

export class TargetFolder {
  private constructor(
    private readonly folder: LocalFolder,
    private readonly filling: Filling,
    private readonly wanted: { readonly mode: number; readonly modified: string | null },
    private readonly temporaries: TemporaryFiles,
  ) {}

  /** The folder that the whole copy goes to: made with its parents, or reached through a link. */
  static async openRoot(path: string, temporaries: TemporaryFiles): Promise<TargetFolder> {
    const isNew = makeRoot(path)
    const folder = LocalFolder.open(path, path, { follow: true })
    return closeOnFailure(folder, async () => {
      const mode = modeOf(folder)
      const filling = await prepare(folder, { isNew, mayBeBlind: true, allowed: mode }, temporaries)
      return new TargetFolder(folder, filling, { mode, modified: null }, temporaries)
    })
  }

  async openBelow(name: string, wanted: FolderAttributes): Promise<TargetFolder> {
    this.filling.blindNames?.take(name)
    const path = this.folder.pathOf(name)
    const isNew = makeFolder(this.folder.at(name), path)
    const folder = LocalFolder.open(this.folder.at(name), path, { follow: false })
    return closeOnFailure(folder, async () => {
      // A new folder of a case-blind one is case-blind too.
      const mayBeBlind = !isNew || this.filling.isCaseBlind
      const here = hereOf(wanted)
      const filling = await prepare(folder, { isNew, mayBeBlind, allowed: here.mode }, this.temporaries)
      return new TargetFolder(folder, filling, here, this.temporaries)
    })
  }

  get isNew(): boolean {
    return this.filling.isNew
  }

  placeFor(name: string): LocalPlace {
    this.filling.blindNames?.take(name)
    const temporary = this.folder.at(this.temporaries.newName())
    return { reached: this.folder.at(name), temporary, path: this.folder.pathOf(name) }
  }

  /** All is there: the folder becomes what it is to be. */
  finish(wanted?: FolderAttributes): void {
    const { mode, modified } = wanted ? hereOf(wanted) : this.wanted
    if (modified !== null) this.folder.setTime(timeToSet(modified))
    if (modified !== null || modeOf(this.folder) !== mode) this.folder.setMode(mode)
  }

  close(): void {
    this.folder.release()
  }

  /** After a failure that is reported. */
  abandon(): void {
    this.folder.releaseQuietly()
  }
}

const hereOf = ({ mode, modified }: FolderAttributes): FolderAttributes => ({
  mode: modeHere(mode),
  modified,
})
const modeOf = (folder: LocalFolder): number => Number(folder.stat().mode) & 0o7777

async function closeOnFailure<T>(folder: LocalFolder, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    folder.releaseQuietly()
    throw error
  }
}

function makeRoot(path: string): boolean {
  const trimmed = path.replace(/(?<=.)\/+$/, '')
  const parent = dirname(trimmed)
  try {
    if (parent !== trimmed) fs.mkdirSync(parent, { recursive: true })
  } catch (error) {
    throw localError(path, error)
  }
  return makeFolder(trimmed, path)
}

/** True when the folder is new. */
function makeFolder(reached: string, path: string): boolean {
  try {
    fs.mkdirSync(reached, ownerOnly)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw localError(path, error)
  }
}

async function prepare(
  folder: LocalFolder,
  known: { readonly isNew: boolean; readonly mayBeBlind: boolean; readonly allowed: number },
  temporaries: TemporaryFiles,
): Promise<Filling> {
  const { isNew, mayBeBlind, allowed } = known
  const mode = modeOf(folder)
  // The mask of the process may have taken rights of the owner away.
  const narrowed = (isNew ? 0 : mode & allowed) | ownerOnly
  if (narrowed !== mode) setModeIfOwner(folder, narrowed)
  const names = isNew ? [] : (await folder.names()).map((bytes) => textOfBytes(bytes) ?? '')
  for (const name of names) if (isLeftBehind(name)) temporaries.remove(folder.at(name))
  const isBlind = mayBeBlind && isCaseBlind(folder, temporaries)
  return { isNew, isCaseBlind: isBlind, blindNames: isBlind ? new BlindNames(names) : null }
}

/** A folder of somebody else may be writable as it is. */
function setModeIfOwner(folder: LocalFolder, mode: number): void {
  try {
    folder.setMode(mode)
  } catch (error) {
    if (errorCode(error) !== 'EPERM') throw error
  }
}
