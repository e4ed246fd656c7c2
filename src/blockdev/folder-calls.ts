/**
 * The calls that a folder of block files makes, as an interface: a test replaces them to play a file system that refuses
 * a rename or a sync once. Each call does once what the kernel does.
 */
import * as fs from 'node:fs/promises'
import { dirname } from 'node:path'

export interface FolderCalls {
  /** The first folder that was made, when any was missing. */
  makeFolders(path: string): Promise<string | undefined>
  removeFolder(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** An absent file is no error. */
  remove(path: string): Promise<void>
  /** Resolves when the names in the folder are durable. */
  syncFolder(path: string): Promise<void>
}

export const systemFolderCalls: FolderCalls = {
  makeFolders: (path) => fs.mkdir(path, { recursive: true, mode: 0o700 }),
  removeFolder: (path) => fs.rmdir(path),
  rename: (from, to) => fs.rename(from, to),
  remove: (path) => fs.rm(path, { force: true }),
  async syncFolder(path) {
    const handle = await fs.open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
}

/** The folders from `last` up to `first`, which is `last` or above it: the lowest first. */
export function foldersUpTo(first: string, last: string): string[] {
  const folders: string[] = []
  for (let folder = last; folder.length >= first.length; folder = dirname(folder)) folders.push(folder)
  return folders
}
