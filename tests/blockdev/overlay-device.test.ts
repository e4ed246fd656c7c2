import { expect, test } from 'bun:test'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { OverlayDevice } from '../../src/blockdev/overlay-device.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { blockDeviceContract, patternBlock } from './contract.ts'

blockDeviceContract('OverlayDevice', async (blockCount) => {
  const device = new OverlayDevice(new MemoryDevice(blockCount))
  return { device, reopen: null, dispose: () => device.close() }
})

test('nothing of it comes to the device below, which is read where nothing was written', async () => {
  const below = new MemoryDevice(4)
  await below.write([{ address: 0, bytes: patternBlock(1, 4) }])
  const overlay = new OverlayDevice(below)
  await overlay.grow(8)
  await overlay.write([{ address: 1, bytes: patternBlock(7, 2) }])
  await overlay.writeDurable(5, [patternBlock(9)])
  await overlay.sync()
  const whole = new Uint8Array(8 * blockBytes)
  await overlay.read(0, whole)
  const expected = new Uint8Array(8 * blockBytes)
  expected.set(patternBlock(1, 4))
  expected.set(patternBlock(7, 2), blockBytes)
  expected.set(patternBlock(9), 5 * blockBytes)
  expect(Buffer.compare(whole, expected)).toBe(0)
  expect(below.blockCount).toBe(4)
  const under = new Uint8Array(4 * blockBytes)
  await below.read(0, under)
  expect(Buffer.compare(under, patternBlock(1, 4))).toBe(0)
  await overlay.close()
  await below.read(0, under)
})
