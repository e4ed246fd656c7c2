/**
 * The block files of one volume, by name. The folder does what a single device cannot do: a file appears whole or not
 * at all, and a file takes the place of another in one step.
 *
 * - A name is durable when a later `sync` has resolved. Before that a crash may undo changes of names, the newest
 *   first.
 * - `rename` is atomic: at every moment, and after every crash, the target is the old file or the new one.
 */
import { StillpointError } from '../lib/errors.ts'
import type { BlockDevice } from './block-device.ts'

export interface OpenBlocksOptions {
  readonly readOnly?: boolean
}

export interface BlockFolder {
  has(name: string): Promise<boolean>
  /** Throws DeviceError when the file does not exist. */
  open(name: string, options?: OpenBlocksOptions): Promise<BlockDevice>
  /** Throws StillpointError `exists` and `disk-full`. */
  create(name: string, blockCount: number): Promise<BlockDevice>
  /** Replaces the target. An open device follows its file to the new name. */
  rename(from: string, to: string): Promise<void>
  /** An absent file is no error. */
  remove(name: string): Promise<void>
  sync(): Promise<void>
}

/** The name of a file while it is made. A file found under such a name was never finished. */
const unfinishedName = (name: string): string => `${name}.new`

/**
 * Makes a block file that is complete or absent, whatever happens on the way: the file gets its name when `fill` has
 * written the content and everything is synced. The caller holds the volume lock; two calls for one name at the same
 * time are a bug.
 */
export async function createWhole(
  folder: BlockFolder,
  name: string,
  blockCount: number,
  fill: (device: BlockDevice) => Promise<void>,
): Promise<void> {
  if (await folder.has(name)) throw new StillpointError('exists', `${name} exists`)
  const temporary = unfinishedName(name)
  await folder.remove(temporary)
  try {
    const device = await folder.create(temporary, blockCount)
    try {
      await fill(device)
      await device.sync()
    } finally {
      await device.close()
    }
    await folder.rename(temporary, name)
  } catch (error) {
    // The caller learns the first error. The next attempt removes a file that cannot be removed now.
    await folder.remove(temporary).catch(() => undefined)
    throw error
  }
  await folder.sync()
}

/**
 * Opens a block file that exists. Its name is durable when this resolves: the process that made the file may have ended,
 * or may have met an error, between the rename and the sync of the folder. Errors: those of `open` and `sync`.
 */
export async function openDurably(folder: BlockFolder, name: string): Promise<BlockDevice> {
  const device = await folder.open(name)
  try {
    await folder.sync()
  } catch (error) {
    await device.close()
    throw error
  }
  return device
}
