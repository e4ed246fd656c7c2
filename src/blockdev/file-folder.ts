/** The block files of a volume in a folder of the file system. Contract: block-folder.ts. */
import * as fs from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { DeviceError } from './block-device.ts'
import type { BlockFolder, OpenBlocksOptions } from './block-folder.ts'
import { exemptFromCopyOnWrite } from './host-file-system.ts'
import { FileDevice } from './file-device.ts'
import { foldersUpTo, systemFolderCalls, type FolderCalls } from './folder-calls.ts'
import { systemCodeOf } from '../lib/errors.ts'

export class FileFolder implements BlockFolder {
  private constructor(
    readonly path: string,
    private readonly calls: FolderCalls,
  ) {}

  /** DeviceError when the folder does not exist. */
  static async open(path: string, calls = systemFolderCalls): Promise<FileFolder> {
    const found = await named(path, () => fs.stat(path))
    if (!found.isDirectory()) throw new DeviceError(`${path} is not a folder`)
    return new FileFolder(path, calls)
  }

  /**
   * Makes the folder and its parents where they are missing; their names are durable when this resolves. After an error
   * none of them is left: the next attempt would take them for folders that were there, and would sync no name.
   */
  static async make(path: string, calls = systemFolderCalls): Promise<FileFolder> {
    const whole = resolve(path)
    const first = await named(path, () => calls.makeFolders(whole))
    const made = first === undefined ? [] : foldersUpTo(first, whole)
    try {
      for (const folder of made) await named(path, () => calls.syncFolder(dirname(folder)))
    } catch (error) {
      for (const folder of made) await calls.removeFolder(folder).catch(() => undefined)
      throw error
    }
    const folder = await FileFolder.open(path, calls)
    // Files that are made in the folder later inherit the exemption: the block file and the files beside the block
    // file.
    if ((await named(path, () => fs.readdir(whole))).length === 0)
      await named(path, async () => exemptFromCopyOnWrite(whole))
    return folder
  }

  async has(name: string): Promise<boolean> {
    try {
      await fs.stat(join(this.path, name))
      return true
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return false
      throw new DeviceError(`cannot look for ${join(this.path, name)}`, { cause: error })
    }
  }

  open(name: string, options: OpenBlocksOptions = {}): Promise<FileDevice> {
    return FileDevice.open(join(this.path, name), options)
  }

  create(name: string, blockCount: number): Promise<FileDevice> {
    return FileDevice.create(join(this.path, name), blockCount)
  }

  rename(from: string, to: string): Promise<void> {
    return named(this.path, () => this.calls.rename(join(this.path, from), join(this.path, to)))
  }

  remove(name: string): Promise<void> {
    return named(this.path, () => this.calls.remove(join(this.path, name)))
  }

  sync(): Promise<void> {
    return named(this.path, () => this.calls.syncFolder(this.path))
  }
}

async function named<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new DeviceError(`${path}: ${systemCodeOf(error) ?? String(error)}`, { cause: error })
  }
}
