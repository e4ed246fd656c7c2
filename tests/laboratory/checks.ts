/** What must be true of a volume as it lies on the disk, and of a quiet engine in memory. */
import type { BlockDevice } from '../../src/blockdev/block-device.ts'
import { type CheckReport, checkVolume } from '../../src/cp-engine/check.ts'
import type { CheckFinding } from '../../src/cp-engine/check-findings.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import type { Volume } from '../../src/cp-engine/volume/volume.ts'
import type { Root } from '../../src/format/disk/root.ts'
import { ItemCheck } from '../../src/fs/tree/item-check.ts'
import type { Disk } from './disk.ts'
import { isFixedBlock } from '../cp-engine/fixed-blocks.ts'
import { countsOf, heldOf } from '../noticing/quiet.ts'
import { must } from './violation.ts'

/** I4, every checksum, the items of every root that a slot or a hold names, and the log. */
export async function inspect(device: BlockDevice): Promise<CheckReport> {
  const found: CheckFinding[] = []
  let items: ItemCheck | null = null
  const finish = (root: Root, check: ItemCheck) => {
    for (const message of check.finish().problems)
      found.push({ severity: 'error', kind: 'item', cp: root.cp, address: null, message })
  }
  const report = await checkVolume(device, {
    onItem(root, item, records) {
      items ??= new ItemCheck(root)
      items.add(item, records)
    },
    onRoot(root) {
      finish(root, items ?? new ItemCheck(root))
      items = null
    },
  })
  return { ...report, findings: [...report.findings, ...found] }
}

/**
 * Empty when all is well. A growth whose sync had failed was seen by a process that was killed then, and is gone with the
 * power: free blocks alone, because what is used is found to be missing by itself.
 */
export async function findingsOf(device: BlockDevice): Promise<string[]> {
  return (await inspect(device)).findings.filter(({ kind }) => kind !== 'block-count').map(describe)
}

const describe = ({ kind, cp, address, message }: CheckFinding): string =>
  `${kind}: cp ${cp}, block ${address}: ${message}`

export async function mustBeSound(device: BlockDevice, where: string): Promise<void> {
  const findings = await findingsOf(device)
  must(findings.length === 0, () => `${where}: ${findings.slice(0, 5).join('; ')}`)
}

/** One publication in so many is looked at without the cache. */
export const durableLooks = 12

/** What is published is on the disk, not only in the cache: this moment is as good as any for a loss of power. */
export async function mustBeDurable(disk: Disk, where: string): Promise<void> {
  const { findings } = await inspect(disk.durableCopy())
  const errors = findings.filter(({ severity }) => severity === 'error').map(describe)
  must(errors.length === 0, () => `${where}, without the cache: ${errors.slice(0, 5).join('; ')}`)
}

/** What a crash has left is without errors, and is what an open finds then. */
export async function forecast(device: BlockDevice, where: string): Promise<CheckReport> {
  const report = await inspect(device)
  const errors = report.findings.filter(({ severity }) => severity === 'error').map(describe)
  must(errors.length === 0, () => `${where}, before the open: ${errors.slice(0, 5).join('; ')}`)
  return report
}

/** The check said before what this open has done. */
export function mustBeForecast(
  { open, log }: CheckReport,
  engine: CpEngine,
  where: string,
  /** The operator has raised the maximum, which takes a CP of its own, or has begun an epoch, which numbers CPs anew. */
  { isRaised = false, beginsEpoch = false } = {},
): void {
  const { cp, sequence } = engine.current().root
  const { replayed, log: end } = engine.recovery
  const isRight =
    open.outcome === 'opens' &&
    open.sequence === sequence &&
    (open.cp === cp || (isRaised && replayed === 0) || (beginsEpoch && cp > (open.cp ?? 0))) &&
    open.replayed === replayed &&
    log?.end === end &&
    log.operations === replayed &&
    (log.lastSequence ?? sequence) === sequence
  must(
    isRight,
    () =>
      `${where}: forecast ${JSON.stringify({ open, log })}, opened at cp ${cp}, sequence ${sequence}, replayed ${replayed}, log ${end}`,
  )
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

/** Nobody asks for anything any more, so nothing is held for anybody: no refusal, and no loss of a peer, has kept something. */
export function mustBeQuiet(parts: Parameters<typeof countsOf>[0], where: string): void {
  const held = heldOf(countsOf(parts))
  must(Object.keys(held).length === 0, () => `${where}: held for nobody: ${JSON.stringify(held)}`)
}

export const isQuiet = (parts: Parameters<typeof countsOf>[0]): boolean =>
  Object.keys(heldOf(countsOf(parts))).length === 0

/** Somebody still reads an old image, between two looks too. */
export const isHeldByReaders = (volume: Volume): boolean =>
  volume.readers.count > 0 || volume['pins'].size > 0
