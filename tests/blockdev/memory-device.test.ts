import { expect, test } from 'bun:test'
import { blockBytes } from '../../src/format/geometry.ts'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { deviceBlockBytes } from '../../src/blockdev/request.ts'
import { blockDeviceContract, patternBlock } from './contract.ts'

blockDeviceContract('MemoryDevice', async (blockCount) => {
  const device = new MemoryDevice(blockCount, 2 ** 30)
  const reopen = async () => {
    await device.close()
    return device.reopened()
  }
  return { device, reopen, dispose: () => device.close() }
})

test('a block of a device is a block of the format', () => {
  expect(deviceBlockBytes).toBe(blockBytes)
})

test('a large device costs only what was written', async () => {
  const device = new MemoryDevice(2 ** 28)
  await device.write([{ address: 2 ** 28 - 1, bytes: patternBlock(1) }])
  const target = new Uint8Array(blockBytes)
  device.readSync(2 ** 28 - 1, target)
  expect(Buffer.compare(target, patternBlock(1))).toBe(0)
})
