/**
 * A local folder that is held open. Entries are reached from the descriptor and not by the path of the folder, so that
 *
 * - a folder that is moved away, or whose place a link takes, leads the copy nowhere else;
 * - a tree may be deeper than the longest path of the system.
 *
 * Where the system does not show descriptors as folders (`/proc`), entries are reached by path.
 */
import * as fs from 'node:fs'
import { readdir } from 'node:fs/promises'
import { UserError } from '../../lib/user-error.ts'
import { closeQuietly, errorCode, localError, named, namedLater } from './local-errors.ts'

const descriptors = '/proc/self/fd'
const reachesByDescriptor = process.platform === 'linux' && fs.existsSync(descriptors)
/** O_PATH of Linux: the folder itself need not be readable. */
const pathOnly = 0o10000000
const openFlags = (reachesByDescriptor ? pathOnly : fs.constants.O_RDONLY) | fs.constants.O_DIRECTORY

export class LocalFolder {
  private users = 1

  private constructor(
    /** As a person knows the folder. */
    readonly path: string,
    private readonly descriptor: number,
  ) {}

  /** Opens what `reached` leads to; a link is followed only where the caller says so. */
  static open(reached: string, path: string, { follow }: { readonly follow: boolean }): LocalFolder {
    try {
      const flags = openFlags | (follow ? 0 : fs.constants.O_NOFOLLOW)
      return new LocalFolder(path, fs.openSync(reached, flags))
    } catch (error) {
      if (['ENOTDIR', 'ELOOP'].includes(errorCode(error)))
        throw new UserError(`${path}: is not a directory`, { cause: error })
      throw localError(path, error)
    }
  }

  /** Path by which the system reaches an entry. */
  at(name: string): string {
    return `${this.self}/${name}`
  }

  /** Path of an entry as a person knows the entry. */
  pathOf(name: string): string {
    return this.path.endsWith('/') ? `${this.path}${name}` : `${this.path}/${name}`
  }

  stat(): fs.BigIntStats {
    return named(this.path, () => fs.fstatSync(this.descriptor, { bigint: true }))
  }

  async names(): Promise<Buffer[]> {
    return namedLater(this.path, readdir(this.self, { encoding: 'buffer' }))
  }

  setMode(mode: number): void {
    named(this.path, () => fs.chmodSync(this.self, mode))
  }

  setTime(time: Date | number): void {
    named(this.path, () => fs.utimesSync(this.self, time, time))
  }

  /** Opens the folder below, name by name, and follows no link. The caller releases it. */
  descend(names: readonly string[]): LocalFolder {
    let within: LocalFolder = this.hold()
    for (const name of names) {
      try {
        const below = LocalFolder.open(within.at(name), within.pathOf(name), { follow: false })
        within.release()
        within = below
      } catch (error) {
        within.releaseQuietly()
        throw error
      }
    }
    return within
  }

  /** The folder stays open until everybody who holds it has released it. */
  hold(): this {
    this.users++
    return this
  }

  release(): void {
    if (--this.users === 0) named(this.path, () => fs.closeSync(this.descriptor))
  }

  releaseQuietly(): void {
    if (--this.users === 0) closeQuietly(this.descriptor)
  }

  private get self(): string {
    return reachesByDescriptor ? `${descriptors}/${this.descriptor}` : this.path
  }
}
