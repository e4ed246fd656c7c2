/**
 * Reads blocks of a mirror, many at once: neighbours in one read, a few reads in flight. `uncached` reads past the
 * page cache.
 *
 * Before a block is read, every waiting write to the block has been done. The caller makes sure that no later write
 * comes.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { WritePipeline } from './write-pipeline.ts'

const readBlocksMax = 256
const gapBlocksMax = 4
const readsInFlightMax = 8

/**
 * Calls `found` for each range, with a view of the bytes, or with null for a range that reaches beyond the end of the
 * device.
 */
export async function readBack<R extends BlockRun>(
  device: BlockDevice,
  pipeline: WritePipeline,
  ranges: readonly R[],
  uncached: boolean,
  found: (range: R, bytes: Uint8Array | null) => void,
): Promise<void> {
  if (ranges.some(({ address, blocks }) => pipeline.isPending(address, blocks))) await pipeline.drained()
  const inside: R[] = []
  for (const range of ranges) {
    if (range.address + range.blocks <= device.blockCount) inside.push(range)
    else found(range, null)
  }
  const groups = groupNeighbours(inside.toSorted((a, b) => a.address - b.address))
  let next = 0
  const work = async (): Promise<void> => {
    while (next < groups.length) {
      const { address, end, ranges: members } = groups[next++]!
      const bytes = new Uint8Array((end - address) * blockBytes)
      await device.read(address, bytes, { uncached })
      for (const range of members) {
        const from = (range.address - address) * blockBytes
        found(range, bytes.subarray(from, from + range.blocks * blockBytes))
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(readsInFlightMax, groups.length) }, work))
}

interface Group<R> {
  readonly address: number
  end: number
  readonly ranges: R[]
}

function groupNeighbours<R extends BlockRun>(sorted: readonly R[]): Group<R>[] {
  const groups: Group<R>[] = []
  for (const range of sorted) {
    const last = groups.at(-1)
    const end = range.address + range.blocks
    if (last && range.address <= last.end + gapBlocksMax && end - last.address <= readBlocksMax) {
      last.end = Math.max(last.end, end)
      last.ranges.push(range)
    } else groups.push({ address: range.address, end, ranges: [range] })
  }
  return groups
}
