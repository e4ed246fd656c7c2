/** What the host answers when it has no space, no quota, or no wish to be written: which of it a volume survives. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { statfsSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import { type FileCalls, systemFileCalls } from '../../src/blockdev/file-calls.ts'
import { FileDevice, keptFreeBytes } from '../../src/blockdev/file-device.ts'
import { copyOnWriteProblem, exemptFromCopyOnWrite } from '../../src/blockdev/host-file-system.ts'
import { patternBlock } from './contract.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

class CallError extends Error {
  constructor(readonly code: string) {
    super(code)
  }
}

let folder: TempFolder
beforeEach(() => {
  folder = tempFolder()
})
afterEach(() => folder.remove())

const blockBytes = 4096

describe('growth', () => {
  test('leaves the last space of the file system to others, to the byte', async () => {
    let freeBytes = keptFreeBytes + 10 * blockBytes
    const calls: FileCalls = { ...systemFileCalls, freeBytes: () => freeBytes }
    const device = await FileDevice.create(folder.file('a'), 10, { calls })
    freeBytes = keptFreeBytes + 10 * blockBytes - 1
    await expect(device.grow(20)).rejects.toMatchObject({ code: 'disk-full' })
    expect([device.blockCount, statSync(folder.file('a')).size]).toEqual([10, 10 * blockBytes])
    // A refused growth poisons nothing.
    await device.write([{ address: 9, bytes: patternBlock(9, 1) }])
    await device.sync()
    freeBytes++
    await device.grow(20)
    expect(device.blockCount).toBe(20)
    await device.close()
  })

  test.skipIf(process.platform !== 'linux')(
    'the free space is that of the file system, and unknown where the file system has no blocks',
    () => {
      const { bavail, bfree, bsize } = statfsSync(folder.path)
      const free = systemFileCalls.freeBytes(folder.path)!
      // Others write to the same disk meanwhile.
      const drift = 2 ** 30
      expect(free).toBeGreaterThan(Math.min(bavail, bfree) * bsize - drift)
      expect(free).toBeLessThan(Math.max(bavail, bfree) * bsize + drift)
      expect(systemFileCalls.freeBytes('/proc')).toBe(null)
      expect(systemFileCalls.freeBytes(folder.file('absent'))).toBe(null)
    },
  )

  test('a file system that does not say what is free is asked for space', async () => {
    const calls: FileCalls = { ...systemFileCalls, freeBytes: () => null }
    const device = await FileDevice.create(folder.file('a'), 10, { calls })
    await device.grow(20)
    await device.close()
  })

  test.each(['ENOSPC', 'EDQUOT', 'EFBIG'])(
    '%s while zeros are written is disk-full, and the device goes on',
    async (code) => {
      let isFull = false
      const calls: FileCalls = {
        ...systemFileCalls,
        reserve: () => 'unsupported',
        writev: (...call) => (isFull ? Promise.reject(new CallError(code)) : systemFileCalls.writev(...call)),
      }
      const device = await FileDevice.create(folder.file('a'), 10, { calls })
      isFull = true
      await expect(device.grow(20)).rejects.toMatchObject({ code: 'disk-full' })
      isFull = false
      await device.write([{ address: 0, bytes: patternBlock(0, 1) }])
      await device.sync()
      await device.close()
    },
  )
})

describe.each(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'])('%s', (code) => {
  test('of a write to space that the file has ends the device; a later one reads what was synced', async () => {
    let isBroken = false
    const calls: FileCalls = {
      ...systemFileCalls,
      writev: (...call) => (isBroken ? Promise.reject(new CallError(code)) : systemFileCalls.writev(...call)),
    }
    const device = await FileDevice.create(folder.file('a'), 10, { calls })
    await device.write([{ address: 3, bytes: patternBlock(3, 1) }])
    await device.sync()
    isBroken = true
    await expect(device.write([{ address: 4, bytes: patternBlock(4, 1) }])).rejects.toThrow(DeviceError)
    isBroken = false
    for (const call of [
      () => device.write([{ address: 4, bytes: patternBlock(4, 1) }]),
      () => device.sync(),
      () => device.grow(20),
    ])
      await expect(call()).rejects.toThrow(DeviceError)
    await device.close()
    const reader = await FileDevice.open(folder.file('a'), { readOnly: true })
    const block = new Uint8Array(blockBytes)
    await reader.read(3, block)
    expect(Buffer.compare(block, patternBlock(3, 1))).toBe(0)
    await reader.close()
  })

  test('of a sync ends the device', async () => {
    const calls: FileCalls = {
      ...systemFileCalls,
      fdatasync: () => Promise.reject(new CallError(code)),
    }
    const device = await FileDevice.create(folder.file('a'), 10, { calls })
    await expect(device.sync()).rejects.toThrow(DeviceError)
    await expect(device.writeDurable(0, [patternBlock(0, 1)])).rejects.toThrow(DeviceError)
    await device.close()
  })
})

test('a sparse copy that a full disk cannot fill is not allocated, and can be read', async () => {
  const path = folder.file('a')
  writeFileSync(path, '')
  truncateSync(path, 100 * blockBytes)
  const calls: FileCalls = { ...systemFileCalls, reserve: () => 'full' }
  const device = await FileDevice.open(path, { calls })
  await expect(device.allocate({ address: 0, blocks: 100 })).rejects.toMatchObject({ code: 'disk-full' })
  await device.close()
  const reader = await FileDevice.open(path, { calls, readOnly: true })
  await reader.read(99, new Uint8Array(blockBytes))
  await reader.close()
})

test('where nothing is copied on write nothing is exempted, and nothing is said', () => {
  const path = folder.file('a')
  writeFileSync(path, '')
  exemptFromCopyOnWrite(path)
  // The folder of tests may lie on such a file system: then the file is exempt now.
  expect(copyOnWriteProblem(path)).toBeNull()
  expect(copyOnWriteProblem(folder.file('missing'))).toBeNull()
})
