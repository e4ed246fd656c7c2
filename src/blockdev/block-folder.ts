/**
 * The block files of one volume, by name, for what a single device cannot do: appear whole or not at all, and take the
 * place of another in one step.
 *
 * - A name is durable when a later `sync` has resolved; before it a crash may undo the newest changes of names, but
 *   only in their order.
 * - `rename` is atomic: at every moment, and after every crash, the target is the old file or the new one.
 */
import { StillpointError } from '../lib/errors.ts'
import type { BlockDevice } from './block-device.ts'

export interface OpenBlocksOptions {
  readonly readOnly?: boolean
}

export interface BlockFolder {
  has(name: string): Promise<boolean>
  /** DeviceError when there is none. */
  open(name: string, options?: OpenBlocksOptions): Promise<BlockDevice>
  /** StillpointError `exists`, `disk-full`. */
  create(name: string, blockCount: number): Promise<BlockDevice>
  /** Replaces the target. An open device follows its file. */
  rename(from: string, to: string): Promise<void>
  /** An absent file is fine. */
  remove(name: string): Promise<void>
  sync(): Promise<void>
}

/** The name under which a file is made; one that is found was never finished. */
const unfinishedName = (name: string): string => `${name}.new`

/**
 * Makes a block file that is complete or absent, whatever happens on the way: it gets its name when `fill` has written
 * it and everything is synced. Two of these for one name at the same time are a bug: the caller holds the volume lock.
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
    // The first error is the one to tell; what cannot be removed now is removed by the next attempt.
    await folder.remove(temporary).catch(() => undefined)
    throw error
  }
  await folder.sync()
}
