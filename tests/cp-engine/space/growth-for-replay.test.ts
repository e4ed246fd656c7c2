/** How far the file grows for a replay: while there are too few blocks, and never beyond the most of the volume. */
import { expect, test } from 'bun:test'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { Allocator } from '../../../src/cp-engine/space/allocator.ts'
import { Space } from '../../../src/cp-engine/space/space.ts'
import { makeGeometry } from '../../../src/format/geometry.ts'
import { VirtualClock } from '../../simulated/clock.ts'

/** Keeps nothing and lets nothing go. */
const nobody = { carrier: () => 0, mayRelease: () => false, holders: () => [], failed: () => {} }

test('replay lacks blocks when there are fewer than it needs, and the file may still grow', async () => {
  const geometry = makeGeometry(64 * 2 ** 20, 2 ** 20, 2 ** 20)
  for (const [blocks, mayGrow] of [
    [geometry.blocksMax - 1, true],
    [geometry.blocksMax, false],
  ] as const) {
    const allocator = new Allocator(geometry)
    allocator.extend(blocks)
    const device = new MemoryDevice(blocks)
    const space = new Space(allocator, device, geometry, new VirtualClock(), {
      ...nobody,
      reclaim: () => Promise.resolve(),
    })
    const available = space.available('reclaim')
    expect([available - 1, available].map((nodes) => space.lacks(nodes))).toEqual([false, false])
    expect([available + 1, available + 9].map((nodes) => space.lacks(nodes))).toEqual([mayGrow, mayGrow])
    // A volume at its most that lacks blocks is not grown for ever.
    await space.growFor(available + 9)
    expect(allocator.extent).toBe(geometry.blocksMax)
  }
})
