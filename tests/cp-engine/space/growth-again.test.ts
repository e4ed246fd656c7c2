/** A growth that the host refuses is asked for again after a while, and the second time is as the first. */
import { expect, test } from 'bun:test'
import { DeviceError } from '../../../src/blockdev/block-device.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { Allocator } from '../../../src/cp-engine/space/allocator.ts'
import { Space } from '../../../src/cp-engine/space/space.ts'
import { makeGeometry } from '../../../src/format/geometry.ts'
import { StillpointError, hasCode } from '../../../src/lib/errors.ts'
import { VirtualClock } from '../../simulated/clock.ts'

/** Keeps nothing and lets nothing go. */
const nobody = { carrier: () => 0, mayRelease: () => false, holders: () => [], failed: () => {} }

test('a growth that failed is tried again after five seconds and not before, each time', async () => {
  const geometry = makeGeometry(64 * 2 ** 20, 2 ** 20, 2 ** 20)
  const allocator = new Allocator(geometry)
  const device = new MemoryDevice(2048)
  allocator.extend(2048)
  const clock = new VirtualClock()
  let isFull = false
  let tries = 0
  const grow = device.grow.bind(device)
  device.grow = async (blocks) => {
    tries++
    if (isFull) throw new StillpointError('disk-full', 'the host is full')
    await grow(blocks)
  }
  const space = new Space(allocator, device, geometry, clock, { ...nobody, reclaim: () => Promise.resolve() })
  const ask = () =>
    space.ensure(space.available('write') + 1, 'write').then(
      () => true,
      (error: unknown) => (hasCode(error, 'disk-full') ? false : Promise.reject(error as Error)),
    )
  for (let round = 0; round < 3; round++) {
    isFull = true
    tries = 0
    expect(await ask()).toBe(false)
    expect(tries).toBe(1)
    clock.jump(4_999)
    expect([await ask(), tries]).toEqual([false, 1])
    clock.jump(1)
    expect([await ask(), tries]).toEqual([false, 2])
    isFull = false
    clock.jump(4_999)
    expect([await ask(), tries]).toEqual([false, 2])
    clock.jump(1)
    expect([await ask(), tries]).toEqual([true, 3])
    // After a success nothing is waited for.
    expect([await ask(), tries]).toEqual([true, 4])
  }
})

test('a growth that the device fails is heard of, and is tried once by each caller', async () => {
  const geometry = makeGeometry(64 * 2 ** 20, 2 ** 20, 2 ** 20)
  const allocator = new Allocator(geometry)
  const device = new MemoryDevice(2048)
  allocator.extend(2048)
  let tries = 0
  const grow = device.grow.bind(device)
  device.grow = async (blocks) => {
    // A caller that never gives up is let go, so that this test can end.
    if (++tries > 20) return grow(blocks)
    throw new DeviceError('EIO')
  }
  const heard: unknown[] = []
  const relief = {
    ...nobody,
    failed: (error: unknown) => heard.push(error),
    reclaim: () => Promise.resolve(),
  }
  const space = new Space(allocator, device, geometry, new VirtualClock(), relief)
  await expect(space.ensure(space.available('write') + 1, 'write')).rejects.toThrow()
  expect(tries).toBe(1)
  expect(heard).toEqual([expect.any(DeviceError)])
})
