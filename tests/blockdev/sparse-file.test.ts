/** A file with blocks that have no space of their own: what is promised, what is given back, what a full disk does. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, fsyncSync, openSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { blockBytes } from '../../src/format/geometry.ts'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import { systemFileCalls, type FileCalls } from '../../src/blockdev/file-calls.ts'
import { FileDevice, keptFreeBytes } from '../../src/blockdev/file-device.ts'
import { patternBlock } from './contract.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

let folder: TempFolder
let path: string
beforeEach(() => {
  folder = tempFolder()
  path = folder.file('volume')
})
afterEach(() => folder.remove())

const bytesOnDisk = () => statSync(path).blocks * 512

test('holes of a sparse copy are filled by an allocation of all of it, and by no open', async () => {
  writeFileSync(path, patternBlock(1))
  truncateSync(path, 500 * blockBytes)
  const reader = await FileDevice.open(path, { readOnly: true })
  expect(reader.blockCount).toBe(500)
  await reader.close()
  const device = await FileDevice.open(path)
  expect(bytesOnDisk()).toBeLessThan(500 * blockBytes)
  await device.allocate({ address: 0, blocks: 500 })
  expect(bytesOnDisk()).toBeGreaterThanOrEqual(500 * blockBytes)
  const target = new Uint8Array(blockBytes)
  device.readSync(0, target)
  expect(Buffer.compare(target, patternBlock(1))).toBe(0)
  await device.close()
})

test('a hole is seen where the file system has as many blocks for itself', async () => {
  writeFileSync(path, '')
  const [file, other] = [openSync(path, 'r+'), openSync(folder.file('between'), 'w+')]
  // Block by block between those of another file: many extents, and a block of the file system that says where.
  for (let block = 0; block < 40; block++) {
    if (block !== 7) systemFileCalls.reserve(file, block * blockBytes, blockBytes)
    systemFileCalls.reserve(other, block * 3 * blockBytes, blockBytes)
  }
  fsyncSync(file)
  const before = bytesOnDisk()
  const device = await FileDevice.open(path)
  await device.allocate({ address: 0, blocks: 40 })
  expect(bytesOnDisk()).toBe(before + blockBytes)
  await device.close()
  closeSync(file)
  closeSync(other)
})

test('holes are not filled with the last space of the file system', async () => {
  writeFileSync(path, '')
  truncateSync(path, 500 * blockBytes)
  let free = keptFreeBytes + 499 * blockBytes
  const calls = { ...systemFileCalls, freeBytes: () => free }
  const device = await FileDevice.open(path, { calls })
  await expect(device.allocate({ address: 0, blocks: 500 })).rejects.toMatchObject({ code: 'disk-full' })
  expect(bytesOnDisk()).toBe(0)
  free += blockBytes
  await device.allocate({ address: 0, blocks: 500 })
  expect(bytesOnDisk()).toBeGreaterThanOrEqual(500 * blockBytes)
  await device.close()
  // Where there are no holes, nothing is needed.
  free = 0
  const again = await FileDevice.open(path, { calls })
  await again.allocate({ address: 0, blocks: 500 })
  await again.close()
})

test('an extension takes no space, an allocation takes what it says, and a punch gives it back', async () => {
  const device = await FileDevice.create(path, 10)
  await device.extend(100_000)
  expect(bytesOnDisk()).toBeLessThan(100 * blockBytes)
  await device.allocate({ address: 50_000, blocks: 300 })
  expect(bytesOnDisk()).toBeGreaterThanOrEqual(310 * blockBytes)
  expect(bytesOnDisk()).toBeLessThan(400 * blockBytes)
  await device.write([{ address: 50_000, bytes: patternBlock(1, 300) }])
  await device.sync()
  if (device.punch({ address: 50_010, blocks: 280 })) expect(bytesOnDisk()).toBeLessThan(100 * blockBytes)
  await device.close()
})

test('an allocation of a part leaves the rest without space, whichever part it is', async () => {
  for (const address of [0, 10, 490, 990]) {
    const file = folder.file(`part ${address}`)
    const device = await FileDevice.create(file, 10)
    await device.extend(1000)
    const size = () => statSync(file).blocks * 512
    await device.allocate({ address, blocks: 10 })
    const before = size()
    await device.allocate({ address: 700, blocks: 100 })
    expect({ address, taken: size() - before }).toEqual({ address, taken: 100 * blockBytes })
    await device.close()
  }
})

test('a sparse file on a full disk: the write is refused, and the device goes on', async () => {
  for (const isDirect of [false, true]) {
    const file = folder.file(`sparse ${isDirect}`)
    let isFull = false
    const calls: FileCalls = {
      ...systemFileCalls,
      writev: (...given) =>
        isFull
          ? Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
          : systemFileCalls.writev(...given),
      reserve: (...given) => (isFull ? 'full' : systemFileCalls.reserve(...given)),
    }
    const device = await FileDevice.create(file, 10, { calls })
    const bytes = patternBlock(3, isDirect ? 128 : 2)
    await device.extend(1000)
    isFull = true
    await expect(device.allocate({ address: 500, blocks: 2 })).rejects.toMatchObject({ code: 'disk-full' })
    await expect(device.write([{ address: 500, bytes }])).rejects.toMatchObject({ code: 'disk-full' })
    isFull = false
    await device.sync()
    await device.allocate({ address: 500, blocks: bytes.length / blockBytes })
    await device.write([{ address: 500, bytes }])
    const target = new Uint8Array(bytes.length)
    device.readSync(500, target)
    expect(Buffer.compare(target, bytes)).toBe(0)
    // Where everything has its space, a disk that is full has broken its promise.
    await device.allocate({ address: 0, blocks: 1000 })
    isFull = true
    await expect(device.write([{ address: 500, bytes }])).rejects.toBeInstanceOf(DeviceError)
    isFull = false
    await expect(device.sync()).rejects.toBeInstanceOf(DeviceError)
    await device.close()
  }
})

test.each<[string, (device: FileDevice) => Promise<void>]>([
  ['was given back', async (device) => void device.punch({ address: 10, blocks: 20 })],
  ['lies behind what was allocated', (device) => device.extend(200)],
  [
    'is not the part that was allocated again',
    async (device) => {
      device.punch({ address: 10, blocks: 20 })
      await device.allocate({ address: 10, blocks: 5 })
    },
  ],
])(
  'of a file that was whole, what %s is asked for again, and a full disk is no failure',
  async (_, change) => {
    let isFull = false
    const asked: number[] = []
    const calls: FileCalls = {
      ...systemFileCalls,
      punch: () => true,
      writev: (...given) =>
        isFull
          ? Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
          : systemFileCalls.writev(...given),
      reserve(descriptor, position, bytes) {
        asked.push(position / blockBytes)
        return isFull ? 'full' : systemFileCalls.reserve(descriptor, position, bytes)
      },
    }
    writeFileSync(path, patternBlock(1, 100))
    const device = await FileDevice.open(path, { calls })
    await device.allocate({ address: 0, blocks: 100 })
    expect(asked).toEqual([])
    await change(device)
    isFull = true
    const address = device.blockCount === 100 ? 20 : 150
    await expect(device.allocate({ address, blocks: 5 })).rejects.toMatchObject({ code: 'disk-full' })
    expect(asked.at(-1)).toBe(address)
    const write = [{ address, bytes: patternBlock(2, 5) }]
    await expect(device.write(write)).rejects.toMatchObject({ code: 'disk-full' })
    isFull = false
    await device.allocate({ address, blocks: 5 })
    await device.write(write)
    await device.sync()
    await device.close()
  },
)
