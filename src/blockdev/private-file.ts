/**
 * Writes a small file that only its owner may read. The file appears whole or stays as it was, and is durable when the
 * call resolves. Errors: DeviceError.
 */
import * as fs from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCodeOf } from '../lib/errors.ts'
import { DeviceError } from './block-device.ts'
import { type FolderCalls, systemFolderCalls } from './folder-calls.ts'

const privateMode = 0o600

export async function writePrivateFile(
  path: string,
  text: string,
  calls: FolderCalls = systemFolderCalls,
): Promise<void> {
  const made = `${path}.new`
  try {
    // A file that a crash has left may have another mode.
    await calls.remove(made)
    const handle = await fs.open(made, 'wx', privateMode)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await calls.rename(made, path)
    await calls.syncFolder(dirname(path))
  } catch (error) {
    throw new DeviceError(`cannot write ${path}: ${systemCodeOf(error) ?? String(error)}`, { cause: error })
  }
}
