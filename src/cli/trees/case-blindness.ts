/**
 * A folder that takes two names of the server for one, as folders of other systems do for `a` and `A`, would merge two
 * entries into one. Such a folder is noticed, and the second name is refused.
 */
import * as fs from 'node:fs'
import { UserError } from '../../lib/user-error.ts'
import { named } from './local-errors.ts'
import type { LocalFolder } from './local-folder.ts'
import { localStat } from './local-stat.ts'
import type { TemporaryFiles } from './temporary-files.ts'

/** Makes a file for a moment, and looks for it under another name. */
export function isCaseBlind(folder: LocalFolder, temporaries: TemporaryFiles): boolean {
  const name = temporaries.newName()
  const reached = folder.at(name)
  temporaries.add(reached)
  try {
    return named(folder.path, () => {
      fs.closeSync(fs.openSync(reached, 'wx', 0o600))
      const isBlind = isThere(folder.at(name.toUpperCase()))
      fs.rmSync(reached)
      temporaries.forget(reached)
      return isBlind
    })
  } catch (error) {
    temporaries.remove(reached)
    throw error
  }
}

function isThere(reached: string): boolean {
  try {
    localStat(reached, { follow: false })
    return true
  } catch {
    return false
  }
}

/** The names of one case-blind folder. */
export class BlindNames {
  private readonly names = new Map<string, string>()

  constructor(existing: readonly string[]) {
    for (const name of existing) this.names.set(folded(name), name)
  }

  /** Throws where the folder takes the name for that of another entry. */
  take(name: string): void {
    const other = this.names.get(folded(name))
    if (other !== undefined && other !== name)
      throw new UserError(`is the same name as ${JSON.stringify(other)} for the file system here`)
    this.names.set(folded(name), name)
  }
}

/** Equal for all names that some file system takes for one: case, composition, dots and spaces at the end. */
const folded = (name: string): string =>
  name
    .normalize('NFD')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFC')
    .replace(/[. ]+$/, '')
