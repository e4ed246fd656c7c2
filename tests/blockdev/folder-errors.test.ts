/** A folder whose calls fail once: names are durable when they are said to be, also for who comes after the error. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DeviceError, type BlockDevice } from '../../src/blockdev/block-device.ts'
import { createWhole, openDurably } from '../../src/blockdev/block-folder.ts'
import { FileFolder } from '../../src/blockdev/file-folder.ts'
import { systemFolderCalls, type FolderCalls } from '../../src/blockdev/folder-calls.ts'
import { folderImage, SimulatedFolder } from '../simulated/simulated-folder.ts'
import { patternBlock } from './contract.ts'
import { CallError } from './fickle-kernel.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

const codes = ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EINTR', 'EINVAL'] as const
const fill = (device: BlockDevice) => device.write([{ address: 0, bytes: patternBlock(1) }])

let temp: TempFolder
beforeEach(() => {
  temp = tempFolder()
})
afterEach(() => temp.remove())

/** The calls of the system; call number `failAt` fails, once. Names in folders that were synced are durable. */
class OnceCalls {
  made = 0
  failAt = -1
  code = 'EIO'
  readonly synced = new Set<string>()

  readonly calls: FolderCalls = {
    makeFolders: async (path) => {
      this.maybe()
      return systemFolderCalls.makeFolders(path)
    },
    removeFolder: (path) => systemFolderCalls.removeFolder(path),
    rename: async (from, to) => {
      this.maybe()
      this.synced.delete(dirname(to))
      await systemFolderCalls.rename(from, to)
    },
    remove: async (path) => {
      this.maybe()
      await systemFolderCalls.remove(path)
    },
    syncFolder: async (path) => {
      this.maybe()
      await systemFolderCalls.syncFolder(path)
      this.synced.add(path)
    },
  }

  private maybe(): void {
    if (this.made++ === this.failAt) throw new CallError(this.code)
  }
}

/** Everything that a server does before it serves a volume. */
async function openVolume(path: string, calls: FolderCalls): Promise<void> {
  const folder = await FileFolder.make(path, calls)
  if (!(await folder.has('volume'))) await createWhole(folder, 'volume', 4, fill)
  const device = await openDurably(folder, 'volume')
  await device.close()
}

describe.each(codes)('%s at each call of making and opening a volume', (code) => {
  test('after a later attempt that succeeds every name on the way is durable', async () => {
    const whole = new OnceCalls()
    await openVolume(temp.file('count'), whole.calls)
    expect(whole.made).toBeGreaterThan(5)
    for (let failAt = 0; failAt < whole.made; failAt++) {
      const path = join(temp.path, `volume ${failAt}`, 'a', 'b')
      const once = new OnceCalls()
      once.code = code
      once.failAt = failAt
      const first = await openVolume(path, once.calls).catch((error: unknown) => error)
      // What cannot be cleaned up after an error is left to the next attempt, and is no error.
      if (first !== undefined) {
        expect(first).toBeInstanceOf(DeviceError)
        await openVolume(path, once.calls)
      }
      const names = [path, dirname(path), dirname(dirname(path)), temp.path]
      expect(names.filter((folder) => !once.synced.has(folder))).toEqual([])
      expect(readdirSync(path)).toEqual(['volume'])
    }
  })
})

test('folders whose names could not be made durable are not left for who would believe them', async () => {
  const path = join(temp.path, 'a', 'b', 'c')
  for (const failAt of [1, 2, 3]) {
    const once = new OnceCalls()
    once.failAt = failAt
    await expect(FileFolder.make(path, once.calls)).rejects.toBeInstanceOf(DeviceError)
    expect(existsSync(temp.file('a'))).toBe(false)
  }
  // One that was there already stays.
  await FileFolder.make(join(temp.path, 'a'))
  const once = new OnceCalls()
  once.failAt = 1
  await expect(FileFolder.make(path, once.calls)).rejects.toBeInstanceOf(DeviceError)
  expect(readdirSync(temp.path)).toEqual(['a'])
  expect(readdirSync(temp.file('a'))).toEqual([])
})

test('a volume whose maker was killed before its name was synced is not lost after an open', async () => {
  const folder = new SimulatedFolder()
  const sync = folder.sync.bind(folder)
  folder.sync = () => Promise.reject(new DeviceError('killed'))
  await expect(createWhole(folder, 'volume', 4, fill)).rejects.toBeInstanceOf(DeviceError)
  expect(await folder.has('volume')).toBe(true)
  await expect(openDurably(folder, 'volume')).rejects.toBeInstanceOf(DeviceError)
  folder.sync = sync
  expect(folderImage(folder.crashState(), 0).has('volume')).toBe(false)
  const device = await openDurably(folder, 'volume')
  expect(folderImage(folder.crashState(), 0).has('volume')).toBe(true)
  await device.close()
})
