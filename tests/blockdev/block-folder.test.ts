import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { blockBytes } from '../../src/format/geometry.ts'
import { DeviceError, type BlockDevice } from '../../src/blockdev/block-device.ts'
import { createWhole, type BlockFolder } from '../../src/blockdev/block-folder.ts'
import { FileFolder } from '../../src/blockdev/file-folder.ts'
import { MemoryFolder } from '../../src/blockdev/memory-folder.ts'
import { everythingSurvives, nothingSurvives } from '../simulated/crash-image.ts'
import { SimulatedFolder, folderImage, type FolderCrashState } from '../simulated/simulated-folder.ts'
import { patternBlock } from './contract.ts'
import { tempFolder } from './temp-folder.ts'

const firstBlock = (device: BlockDevice): Uint8Array => {
  const target = new Uint8Array(blockBytes)
  device.readSync(0, target)
  return target
}
const fillWith = (tag: number) => (device: BlockDevice) =>
  device.write([{ address: 0, bytes: patternBlock(tag) }])
const expectContent = async (folder: BlockFolder, name: string, tag: number): Promise<void> => {
  const device = await folder.open(name)
  expect(Buffer.compare(firstBlock(device), patternBlock(tag))).toBe(0)
  await device.close()
}

function folderContract(
  name: string,
  make: () => Promise<{ folder: BlockFolder; dispose: () => void }>,
): void {
  describe(`${name} keeps the contract of a block folder`, () => {
    const withFolder = (work: (folder: BlockFolder) => Promise<void>) => async () => {
      const { folder, dispose } = await make()
      try {
        await work(folder)
      } finally {
        dispose()
      }
    }

    test(
      'create, open, remove',
      withFolder(async (folder) => {
        expect(await folder.has('a')).toBe(false)
        await expect(folder.open('a')).rejects.toBeInstanceOf(DeviceError)
        const device = await folder.create('a', 20)
        expect(device.blockCount).toBe(20)
        await fillWith(3)(device)
        await device.close()
        await expect(folder.create('a', 20)).rejects.toMatchObject({ code: 'exists' })
        await expectContent(folder, 'a', 3)
        await folder.remove('a')
        await folder.remove('a')
        expect(await folder.has('a')).toBe(false)
      }),
    )

    test(
      'rename replaces, and an open device follows its file',
      withFolder(async (folder) => {
        await (await folder.create('old', 20)).close()
        const device = await folder.create('next', 20)
        await fillWith(5)(device)
        await folder.rename('next', 'old')
        await folder.sync()
        expect(await folder.has('next')).toBe(false)
        expect(Buffer.compare(firstBlock(device), patternBlock(5))).toBe(0)
        await device.close()
        await expectContent(folder, 'old', 5)
      }),
    )

    test(
      'a file is made whole, once, also after an attempt that was cut off',
      withFolder(async (folder) => {
        await (await folder.create('volume.new', 3)).close()
        await createWhole(folder, 'volume', 20, fillWith(1))
        await expectContent(folder, 'volume', 1)
        expect(await folder.has('volume.new')).toBe(false)
        await expect(createWhole(folder, 'volume', 20, fillWith(2))).rejects.toMatchObject({ code: 'exists' })
        await expectContent(folder, 'volume', 1)
      }),
    )

    test(
      'an attempt that fails leaves nothing',
      withFolder(async (folder) => {
        const failure = new Error('no')
        await expect(createWhole(folder, 'volume', 20, () => Promise.reject(failure))).rejects.toBe(failure)
        expect(await folder.has('volume')).toBe(false)
        expect(await folder.has('volume.new')).toBe(false)
      }),
    )
  })
}

folderContract('FileFolder', async () => {
  const temp = tempFolder()
  return { folder: await FileFolder.open(temp.path), dispose: () => temp.remove() }
})
folderContract('MemoryFolder', async () => ({ folder: new MemoryFolder(), dispose: () => undefined }))
folderContract('SimulatedFolder', async () => ({ folder: new SimulatedFolder(), dispose: () => undefined }))

describe('FileFolder', () => {
  test('makes the folders that are missing, and is fine with those that are there', async () => {
    const temp = tempFolder()
    const path = join(temp.path, 'a', 'b', 'c')
    await expect(FileFolder.open(path)).rejects.toBeInstanceOf(DeviceError)
    await FileFolder.make(path)
    const folder = await FileFolder.make(path)
    expect(existsSync(path)).toBe(true)
    await expect(createWhole(folder, 'volume', 2 ** 44, fillWith(1))).rejects.toMatchObject({
      code: 'disk-full',
    })
    expect(readdirSync(path)).toEqual([])
    writeFileSync(temp.file('file'), '')
    await expect(FileFolder.open(temp.file('file'))).rejects.toBeInstanceOf(DeviceError)
    await expect(FileFolder.make(temp.file('file'))).rejects.toBeInstanceOf(DeviceError)
    temp.remove()
  })
})

test('a crash while a file is made leaves it whole or absent', async () => {
  const states: FolderCrashState[] = []
  const folder: SimulatedFolder = new SimulatedFolder({
    onMutation: () => void states.push(folder.crashState()),
    device: () => ({ onMutation: () => void states.push(folder.crashState()) }),
  })
  await createWhole(folder, 'volume', 20, fillWith(1))
  states.push(folder.crashState())
  let whole = 0
  let absent = 0
  for (const state of states) {
    for (let changes = 0; changes < state.steps.length; changes++) {
      for (const choice of [nothingSurvives, everythingSurvives]) {
        const left = new SimulatedFolder({ image: folderImage(state, changes, choice) })
        if (await left.has('volume')) {
          await expectContent(left, 'volume', 1)
          whole++
        } else {
          await createWhole(left, 'volume', 20, fillWith(2))
          await expectContent(left, 'volume', 2)
          absent++
        }
      }
    }
  }
  expect(whole).toBeGreaterThan(2)
  expect(absent).toBeGreaterThan(8)
})
