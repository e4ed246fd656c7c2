/**
 * Blocks that the allocator may give to something else are overwritten on the device at that moment. Nothing may be found
 * out about them any more: neither by a reader that follows an old pointer, nor by an open after a crash, since the next
 * operation could have written there as well. It counts as no operation of the device.
 */
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { blocksPerMapPage } from '../../src/format/disk/map-page.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import type { SimulatedDevice } from '../simulated/simulated-device.ts'
import { poison, poisonWhatIsGivenBack } from './poisoned.ts'

poisonWhatIsGivenBack()

/** Shared: no simulated device changes a block in place. */
const nobodysBlock = new Uint8Array(blockBytes).fill(poison)

function scribble(device: SimulatedDevice | MemoryDevice, block: number): void {
  if (device instanceof MemoryDevice) {
    if (block < device.blockCount) device['put'](block, nobodysBlock)
    return
  }
  device['durableBlocks'].set(block, nobodysBlock)
  device['visible'].set(block, nobodysBlock)
  for (const entry of device['pendingWrites']) {
    const at = block - entry.write.address
    if (!entry.write.blocks[at]) continue
    entry.source = null
    entry.write = { ...entry.write, blocks: entry.write.blocks.with(at, nobodysBlock) }
  }
}

/** From now on, for as long as this opening lasts. */
export function scribbleFreed(engine: CpEngine, device: SimulatedDevice | MemoryDevice): void {
  const allocator = engine['allocator']
  const release = allocator.release.bind(allocator)
  const releasePage = allocator.releasePage.bind(allocator)
  allocator.release = (run) => {
    release(run)
    for (let i = 0; i < run.blocks; i++) scribble(device, run.address + i)
  }
  allocator.releasePage = (pageIndex, mask) => {
    releasePage(pageIndex, mask)
    for (let i = 0; i < mask.length * 8; i++)
      if (((mask[i >>> 3]! >>> (i & 7)) & 1) === 1) scribble(device, pageIndex * blocksPerMapPage + i)
  }
}
