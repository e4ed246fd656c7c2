/**
 * A primary's volume on which the check finds six roots, each with a leaf, records and maps of its own: two holds that
 * only the older slot lists, two that only the newest lists, and the roots of the slots. One root at a time is edited,
 * and everything that names it is made right again: sums, slots, holds, and the roots that continue it.
 */
import { concatBytes, readU48, writeU48 } from '../../../src/lib/bytes.ts'
import { sha256 } from '../../../src/lib/checksum.ts'
import type { BlockDevice } from '../../../src/blockdev/block-device.ts'
import type { PreparedRecord } from '../../../src/cp-engine/contract.ts'
import { EngineVolume } from '../../../src/cp-engine/primary-volume.ts'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { type BlockPointer, valueHead } from '../../../src/format/pointer.ts'
import { type Root, rootLayout } from '../../../src/format/disk/root.ts'
import { holdLayout, superblockLayout } from '../../../src/format/disk/superblock.ts'
import { mapPageHeadBytes } from '../../../src/format/disk/map-page.ts'
import { type Image, everythingSurvives } from '../../simulated/crash-image.ts'
import type { FaultPlan } from '../../simulated/faults.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { allCopies, editSuperblock } from '../volume/later-program.ts'
import { keyOf, newPrimary, open } from '../workload.ts'

export const kindsOfRoot = [
  'the first hold of the older slot',
  'the last hold of the older slot',
  'the first hold of the newest slot',
  'the last hold of the newest slot',
  'the older slot',
  'the newest slot',
] as const
export type KindOfRoot = (typeof kindsOfRoot)[number]

/** Number of items in each leaf; the one in the middle names two records. */
export const itemsPerLeaf = 3
const member = '00000000-0000-4000-8000-000000000001'

interface Planted {
  readonly cp: number
  readonly address: number
  readonly root: Root
  /** In the order of their keys. */
  readonly records: readonly BlockPointer[]
}

export type Edit = (bytes: Uint8Array) => void

export type FillRoot = (engine: CpEngine, n: number) => Promise<readonly BlockPointer[]>

/** Replaces all items; each record fills two blocks, but not the last one. */
async function fill(engine: CpEngine, seed: number): Promise<BlockPointer[]> {
  const pointers: BlockPointer[] = []
  const records: PreparedRecord[] = []
  for (let i = 0; i <= itemsPerLeaf; i++)
    records.push((await engine.prepare(new Uint8Array(5000).fill(seed * 10 + i + 1)))[0]!)
  await engine.run(
    (tx) => {
      pointers.length = 0
      let next = 0
      for (let n = 0; n < itemsPerLeaf; n++) {
        const used = records.slice(next, (next += n === 1 ? 2 : 1)).map((record) => tx.use(record))
        pointers.push(...used)
        tx.put(keyOf(n), concatBytes(valueHead(used, 'xxh3'), new Uint8Array(4)))
      }
    },
    { records },
  )
  return pointers
}

export class ManyRoots {
  private constructor(
    readonly image: Image,
    readonly roots: ReadonlyMap<KindOfRoot, Planted>,
    readonly newestSlot: number,
    /** Number of blocks before anything was cut off. */
    readonly blockCount: number,
  ) {}

  /** `fillRoot` makes the content of one root after the other, and of the log behind the last one when it is told so. */
  static async make(fillRoot: FillRoot = fill, hasLog = false): Promise<ManyRoots> {
    const device = new SimulatedDevice()
    await newPrimary(device, 1)
    const engine = await open(device, 1, { cpIntervalMs: 1e9 })
    const volume = new EngineVolume(engine)
    await volume.addMember({ uuid: member, url: 'http://mirror' })
    const made: Planted[] = []
    for (const [i] of kindsOfRoot.entries()) {
      const held = made.map(({ cp }) => engine.readable().find(({ root }) => root.cp === cp)!)
      if (i === 4) volume.holds.set(member, held.slice(0, 2))
      if (i === 5) volume.holds.set(member, held.slice(2, 4))
      const records = await fillRoot(engine, i)
      const published = await engine.requestCp('requested')
      engine.pin(published)
      made.push({ cp: published.root.cp, address: published.address, root: published.root, records })
    }
    const slot = engine.volume.superblocks.newestSlot()
    if (hasLog) {
      await fillRoot(engine, kindsOfRoot.length)
      await engine.reach(await engine.run(() => null), 'logged')
    }
    const image = device.image(everythingSurvives)
    const roots = new Map(kindsOfRoot.map((kind, i) => [kind, made[i]!]))
    return new ManyRoots(image, roots, slot, image.blockCount)
  }

  device(faults?: FaultPlan): SimulatedDevice {
    return new SimulatedDevice({ image: this.image, ...(faults ? { faults } : {}) })
  }

  /** The same roots on another image. */
  with(image: Image): ManyRoots {
    return new ManyRoots(image, this.roots, this.newestSlot, this.blockCount)
  }

  of(kind: KindOfRoot): Planted {
    return this.roots.get(kind)!
  }

  /** Offset of the pointers of a root, from the root down to the leaf, or to the first page of a map. */
  static readonly paths = {
    root: [],
    leaf: [rootLayout.at.fileTree],
    liveIndex: [rootLayout.at.liveMap],
    livePage: [rootLayout.at.liveMap, mapPageHeadBytes],
    usedIndex: [rootLayout.at.usedMap],
    usedPage: [rootLayout.at.usedMap, mapPageHeadBytes],
  } as const

  async addressOf(kind: KindOfRoot, path: readonly number[]): Promise<number> {
    const device = this.device()
    let { address } = this.of(kind)
    for (const at of path) address = readU48(await readBlock(device, address), at)
    return address
  }

  /** Edits the block at the end of the path, and makes all sums above it right. */
  async edited(kind: KindOfRoot, path: readonly number[], edit: Edit): Promise<SimulatedDevice> {
    const device = this.device()
    const { address, cp } = this.of(kind)
    const root = await readBlock(device, address)
    const descend = async (block: Uint8Array, [at, ...rest]: readonly number[]): Promise<void> => {
      if (at === undefined) return edit(block)
      const below = readU48(block, at)
      const child = await readBlock(device, below)
      await descend(child, rest)
      await device.write([{ address: below, bytes: child }])
      block.set(sha256(child), at + 8)
    }
    await descend(root, path)
    await this.putRoot(device, address, root)
    let previous = root
    for (const later of [...this.roots.values()].filter((other) => other.cp > cp)) {
      const bytes = await readBlock(device, later.address)
      bytes.set(sha256(previous), rootLayout.at.previousHash)
      await this.putRoot(device, later.address, bytes)
      previous = bytes
    }
    await device.sync()
    return new SimulatedDevice({ image: device.image(everythingSurvives) })
  }

  /** The hold names the root at another address. */
  async held(kind: KindOfRoot, address: number): Promise<SimulatedDevice> {
    const device = this.device()
    for (const copy of allCopies)
      await editSuperblock(device, copy, (bytes) => {
        for (const hold of holdsOf(bytes))
          if (readU48(bytes, hold) === this.of(kind).address) writeU48(bytes, hold, address)
      })
    return new SimulatedDevice({ image: device.image(everythingSurvives) })
  }

  private async putRoot(device: BlockDevice, address: number, root: Uint8Array): Promise<void> {
    await device.write([{ address, bytes: root }])
    const { at } = superblockLayout
    for (const copy of allCopies)
      await editSuperblock(device, copy, (bytes) => {
        if (readU48(bytes, at.rootAddress) === address) bytes.set(root, at.root)
        for (const hold of holdsOf(bytes))
          if (readU48(bytes, hold) === address) bytes.set(sha256(root), hold + 8)
      })
  }
}

/** Offsets of the node pointers of all holds in a copy. */
const holdsOf = (bytes: Uint8Array): number[] =>
  Array.from(
    { length: bytes[superblockLayout.at.holdCount]! },
    (_, i) => superblockLayout.at.holds + i * holdLayout.bytes + holdLayout.at.root,
  )

async function readBlock(device: BlockDevice, address: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(blockBytes)
  await device.read(address, bytes)
  return bytes
}

/** Reads of the block fail. */
export const unreadable =
  (block: number): FaultPlan =>
  ({ kind, address, blocks }) =>
    kind === 'read' && address <= block && block < address + blocks ? { kind: 'error' } : undefined
