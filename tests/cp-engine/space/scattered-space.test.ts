/** Space that is free but lies in holes: the file grows before much is written one block at a time, within bounds. */
import { expect, test } from 'bun:test'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { Allocator } from '../../../src/cp-engine/space/allocator.ts'
import { Space } from '../../../src/cp-engine/space/space.ts'
import { makeGeometry } from '../../../src/format/geometry.ts'
import { VirtualClock } from '../../simulated/clock.ts'

const geometry = makeGeometry(2 ** 30, 4 * 2 ** 20, 2 ** 20)
const extent = 65_536

/** A full volume of which one block in `every` is free, and what it grows to. */
async function grownFrom(every: number): Promise<number> {
  const allocator = new Allocator(geometry)
  const device = new MemoryDevice(extent)
  allocator.extend(extent)
  while (allocator.take('record', 1) !== null);
  for (let address = 10_000; address < extent; address += every) allocator.release({ address, blocks: 1 })
  // Looked for, and not found.
  allocator.take('node', 1)
  const space = new Space(allocator, device, geometry, new VirtualClock(), {
    carrier: () => 0,
    reclaim: () => Promise.resolve(),
    mayRelease: () => false,
    holders: () => [],
    failed(error) {
      throw error
    },
  })
  expect(space.available('write')).toBeGreaterThan(geometry.growBlocks)
  space.growAhead()
  await new Promise((resolve) => setImmediate(resolve))
  expect(allocator.isScattered).toBe(device.blockCount === extent)
  return device.blockCount
}

test('a file whose free space is scattered grows, unless much is free', async () => {
  expect(await grownFrom(25)).toBe(extent + geometry.growBlocks)
  expect(await grownFrom(10)).toBe(extent)
})
