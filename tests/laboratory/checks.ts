/** What must be true of a volume as it lies on the disk, and of a quiet engine in memory. */
import type { BlockDevice } from '../../src/blockdev/block-device.ts'
import { checkVolume } from '../../src/cp-engine/check.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import type { Root } from '../../src/format/disk/root.ts'
import { ItemCheck } from '../../src/fs/tree/item-check.ts'
import { isFixedBlock } from '../cp-engine/fixed-blocks.ts'
import { must } from './violation.ts'

/** I4, every checksum, and the items of every root that a slot or a hold names. Empty when all is well. */
export async function findingsOf(device: BlockDevice): Promise<string[]> {
  const found: string[] = []
  let items: ItemCheck | null = null
  const finish = (root: Root, check: ItemCheck) => {
    for (const problem of check.finish().problems) found.push(`cp ${root.cp}: ${problem}`)
  }
  const { findings } = await checkVolume(device, {
    onItem(root, item, records) {
      items ??= new ItemCheck(root)
      items.add(item, records)
    },
    onRoot(root) {
      finish(root, items ?? new ItemCheck(root))
      items = null
    },
  })
  for (const { cp, address, message } of findings) found.push(`cp ${cp}, block ${address}: ${message}`)
  return found
}

export async function mustBeSound(device: BlockDevice, where: string): Promise<void> {
  const findings = await findingsOf(device)
  must(findings.length === 0, () => `${where}: ${findings.slice(0, 5).join('; ')}`)
}

/** I5 of an engine that does nothing: a block is writable, or a kept root uses it. */
export function mustNotLeak(engine: CpEngine, where: string): void {
  const allocator = engine['allocator']
  const { geometry, retention } = engine.volume
  const leaked: number[] = []
  const shared: number[] = []
  for (let block = 0; block < allocator.extent; block++) {
    if (isFixedBlock(geometry, block)) continue
    const isUsed = retention.uses(block, 1)
    if (!isUsed && !allocator.isWritable(block)) leaked.push(block)
    if (isUsed && allocator.isWritable(block)) shared.push(block)
  }
  must(shared.length === 0, () => `${where}: blocks ${shared.slice(0, 10).join(', ')} are used and writable`)
  must(
    leaked.length === 0,
    () => `${where}: ${leaked.length} blocks leaked: ${leaked.slice(0, 10).join(', ')}`,
  )
}
