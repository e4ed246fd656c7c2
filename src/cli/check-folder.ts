/** The offline check over a folder: alone on the volume, and reading only. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { FileFolder } from '../blockdev/file-folder.ts'
import { lockVolume } from '../blockdev/volume-lock.ts'
import { type CheckReport, checkVolume } from '../cp-engine/check.ts'
import { CliError } from './cli-error.ts'
import { blockFileName } from './volume-folder.ts'

export async function checkFolder(path: string): Promise<CheckReport> {
  if (!existsSync(join(path, blockFileName))) throw new CliError(`there is no volume in ${path}`)
  const lock = lockVolume(path)
  try {
    const folder = await FileFolder.open(path)
    const device = await folder.open(blockFileName, { readOnly: true })
    try {
      return await checkVolume(device)
    } finally {
      await device.close()
    }
  } finally {
    lock.release()
  }
}
