/**
 * The block check: the oracle of the tests, and what `stillpoint check` runs offline.
 *
 * For every root that a superblock slot names (its own and those that it holds): each address block matches its
 * checksum and its parent, each record matches its checksum, no block is reached twice, the live map is exactly what the
 * root reaches, and the used map is exactly that plus the used map's own blocks (I4). Nothing lies in a fixed area or
 * behind the end of the volume. What no used map names is writable (I5), by the way the allocator is made at open. The roots
 * of the two slots follow each other by their hashes, and a primary's device has every block that a root counts.
 *
 * It reads; it never writes, and goes on after a finding.
 */
import { equalBytes, readU32, toHex } from '../lib/bytes.ts'
import { sha256 } from '../lib/checksum.ts'
import { StillpointError, hasCode } from '../lib/errors.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import { blockBytes, isDataRun, superblockCopies, superblockSlots } from '../format/geometry.ts'
import type { Geometry } from '../format/geometry.ts'
import { blocksPerMapPage } from '../format/disk/map-page.ts'
import { noNode, valuePointers } from '../format/pointer.ts'
import type { BlockPointer, NodePointer } from '../format/pointer.ts'
import { decodeRoot } from '../format/disk/root.ts'
import type { Root } from '../format/disk/root.ts'
import type { Superblock } from '../format/disk/superblock.ts'
import { verifyNode } from '../format/disk/tree-node.ts'
import type { NodePlace } from '../format/disk/tree-node.ts'
import type { Item, PublishedRoot } from './contract.ts'
import { decodeRecord, hasZeroPadding, readRecordBlocks } from './records/records.ts'
import { readCopy } from './volume/superblock-store.ts'
import { SpaceMap } from './space/space-map.ts'
import { brokenHistory } from './root-history.ts'
import type { MapKind } from '../format/disk/map-page.ts'

/**
 * `newer-format` and `older-format`: a structure is sound, and cannot be read here, so nothing is said about what is behind
 * it. `padding`: bytes that nothing reads are not zero. `history`: roots that are each sound do not follow each other.
 * `block-count`: the device has lost its end. All others are `damage`.
 */
type FindingKind = 'damage' | 'padding' | 'history' | 'block-count' | 'newer-format' | 'older-format'

export interface CheckFinding {
  readonly kind: FindingKind
  /** The CP of the root that it belongs to; null for the superblocks. */
  readonly cp: number | null
  readonly address: number | null
  readonly message: string
}

export interface CheckReport {
  readonly findings: readonly CheckFinding[]
  readonly cps: readonly number[]
  /** Blocks and records that were read and verified, each once. */
  readonly nodes: number
  readonly records: number
}

interface CheckOptions {
  /**
   * Sees every item of every checked root in key order, with the raw bytes of the records that it names; the floors above
   * know what they mean, or throw `newer-format`. Null for a record that was read for an earlier root, or cannot be read.
   */
  readonly onItem?: (root: Root, item: Item, records: readonly (Uint8Array | null)[]) => void
  /** Called when all items of a root have been seen; not for one of which a part cannot be read here. */
  readonly onRoot?: (root: Root) => void
  readonly findingsMax?: number
}

export async function checkVolume(device: BlockDevice, options: CheckOptions = {}): Promise<CheckReport> {
  const check = new Check(device, options)
  await check.run()
  return { findings: check.findings, cps: check.cps, nodes: check.nodes, records: check.verified.size }
}

class Check {
  readonly findings: CheckFinding[] = []
  readonly cps: number[] = []
  nodes = 0
  /** Records by address, with the beginning of their checksum: verified once, and the same for every root. */
  readonly verified = new Map<number, number>()
  private readonly roots: PublishedRoot[] = []
  private cp: number | null = null
  /** Of the root that is being checked: something in it is of a later program. */
  private isPartlyRead = false

  constructor(
    private readonly device: BlockDevice,
    private readonly options: CheckOptions,
  ) {}

  async run(): Promise<void> {
    const slots = await this.readSlots().catch((error: unknown) => this.unreadable(error))
    const seen = new Set<string>()
    for (const superblock of slots) {
      if (superblock.root) {
        const { address, bytes } = superblock.root
        await this.checkOnce({ address, sum: sha256(bytes) }, superblock, seen)
      }
      for (const hold of superblock.holds) await this.checkOnce(hold.root, superblock, seen)
    }
    this.cp = null
    for (const { address, message } of brokenHistory(this.roots, slots))
      this.find(address, message, 'history')
  }

  private async readSlots(): Promise<Superblock[]> {
    const found: Superblock[] = []
    for (let slot = 0; slot < superblockSlots; slot++) {
      const copies = []
      for (let copy = 0; copy < superblockCopies; copy++) copies.push(await readCopy(this.device, slot, copy))
      const best = copies.filter((copy) => copy !== null).sort((a, b) => b.generation - a.generation)[0]
      if (best) found.push(best)
      else this.find(null, `both copies of superblock slot ${slot} cannot be read`)
    }
    return found
  }

  /** One copy of a later program is enough: the others may be of before. */
  private unreadable(error: unknown): Superblock[] {
    if (!(error instanceof StillpointError)) throw error
    this.findError(null, error)
    return []
  }

  private async checkOnce(pointer: NodePointer, superblock: Superblock, seen: Set<string>): Promise<void> {
    const name = toHex(pointer.sum)
    if (seen.has(name)) return
    seen.add(name)
    this.cp = null
    this.isPartlyRead = false
    const bytes = await this.node(pointer)
    if (!bytes) return
    const root = this.guard(pointer.address, () => decodeRoot(bytes))
    if (!root) return
    this.cp = root.cp
    this.cps.push(root.cp)
    this.roots.push({ root, address: pointer.address, bytes, hash: pointer.sum })
    // A mirror has the blocks that the root uses: it need not have room for more.
    if (superblock.role === 'primary' && root.blockCount > this.device.blockCount)
      this.find(
        pointer.address,
        `the root counts ${root.blockCount} blocks, and the device has ${this.device.blockCount}`,
        'block-count',
      )
    if (!equalBytes(root.volumeUuid, superblock.volumeUuid))
      this.find(pointer.address, 'the root belongs to another volume')
    await this.checkRoot(root, pointer.address, { ...superblock.geometry, blocksMax: root.blocksMax })
    if (!this.isPartlyRead) this.options.onRoot?.(root)
  }

  private async checkRoot(root: Root, rootAddress: number, geometry: Geometry): Promise<void> {
    const reached = new Reached(geometry, root.blockCount, (address, message) => this.find(address, message))
    reached.add(rootAddress, 1)
    const { pointer, level } = root.fileTree
    if (pointer.address !== 0)
      await this.checkTree(root, pointer, { level, lower: null, upper: null }, reached)

    const live = await this.loadMap('live', geometry, root.liveMap)
    if (live) for (const own of live.ownBlocks()) reached.add(own.address, 1)
    if (live) this.compare(live, reached, 'live')
    const used = await this.loadMap('used', geometry, root.usedMap)
    if (!used) return
    for (const own of used.ownBlocks()) reached.add(own.address, 1)
    this.compare(used, reached, 'used')
  }

  private async checkTree(
    root: Root,
    pointer: NodePointer,
    place: NodePlace,
    reached: Reached,
  ): Promise<void> {
    if (!reached.add(pointer.address, 1)) return
    const bytes = await this.node(pointer)
    const node = bytes && this.guard(pointer.address, () => verifyNode(bytes, place))
    if (!node) return
    for (let i = 0; i < node.count; i++) {
      if (node.level > 0) await this.checkTree(root, node.child(i), node.childPlace(i, place), reached)
      else await this.checkItem(root, { key: node.key(i), value: node.value(i) }, pointer.address, reached)
    }
  }

  private async checkItem(root: Root, item: Item, leaf: number, reached: Reached): Promise<void> {
    const pointers = valuePointers(item.value, root.records.kind)
    if (!pointers) return this.find(leaf, `item ${toHex(item.key)} has malformed pointers`)
    const records: (Uint8Array | null)[] = []
    for (const pointer of pointers) {
      const isNew = reached.add(pointer.address, pointer.blocks)
      records.push(isNew ? await this.checkRecord(root, pointer) : null)
    }
    try {
      this.options.onItem?.(root, item, records)
    } catch (error) {
      if (!hasCode(error, 'newer-format')) throw error
      this.findError(leaf, error)
    }
  }

  private async checkRecord(root: Root, pointer: BlockPointer): Promise<Uint8Array | null> {
    const sum = readU32(pointer.sum, 0)
    const before = this.verified.get(pointer.address)
    if (before === sum) return null
    if (before !== undefined) this.find(pointer.address, 'two roots have different records at one address')
    this.verified.set(pointer.address, sum)
    try {
      const blocks = await readRecordBlocks(this.device, pointer)
      const raw = decodeRecord(blocks, pointer, root.records)
      if (!hasZeroPadding(blocks, pointer))
        this.find(pointer.address, 'the bytes behind the record are not zero', 'padding')
      return raw
    } catch (error) {
      this.findError(pointer.address, error)
      return null
    }
  }

  private async loadMap(kind: MapKind, geometry: Geometry, top: NodePointer): Promise<SpaceMap | null> {
    try {
      return await SpaceMap.load(kind, geometry.blocksMax, top, async (pointer) => {
        const bytes = await this.node(pointer)
        if (!bytes)
          throw new StillpointError('corrupt', `block ${pointer.address} of the ${kind} map cannot be read`)
        return bytes
      })
    } catch (error) {
      this.findError(null, error, `the ${kind} map is unusable: `)
      return null
    }
  }

  /** I4: the map is what the walk reached, unless it met what it cannot read. */
  private compare(map: SpaceMap, reached: Reached, kind: MapKind): void {
    if (this.isPartlyRead) return
    for (const { address, blocks } of map.runsNotIn(reached.asMap(map)))
      this.find(address, `${blocks} blocks are in the ${kind} map and nothing reaches them`)
    for (const { address, blocks } of reached.asMap(map).runsNotIn(map))
      this.find(address, `${blocks} blocks are reached and not in the ${kind} map`)
  }

  private async node(pointer: NodePointer): Promise<Uint8Array | null> {
    if (pointer.address >= this.device.blockCount) {
      this.find(pointer.address, 'lies behind the end of the volume')
      return null
    }
    const bytes = new Uint8Array(blockBytes)
    await this.device.read(pointer.address, bytes)
    this.nodes++
    if (equalBytes(sha256(bytes), pointer.sum)) return bytes
    this.find(pointer.address, 'does not match its checksum')
    return null
  }

  private guard<T>(address: number, decode: () => T): T | null {
    try {
      return decode()
    } catch (error) {
      this.findError(address, error)
      return null
    }
  }

  private findError(address: number | null, error: unknown, before = ''): void {
    const isOfFormat = hasCode(error, 'newer-format') || hasCode(error, 'older-format')
    if (isOfFormat) this.isPartlyRead = true
    this.find(address, before + messageOf(error), isOfFormat ? error.code : 'damage')
  }

  private find(address: number | null, message: string, kind: FindingKind = 'damage'): void {
    if (this.findings.length < (this.options.findingsMax ?? 1000))
      this.findings.push({ kind, cp: this.cp, address, message })
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The blocks that a walk has come by, each at most once. */
class Reached {
  private readonly pages = new Map<number, Uint8Array>()

  constructor(
    private readonly geometry: Geometry,
    private readonly blockCount: number,
    private readonly find: (address: number, message: string) => void,
  ) {}

  /** False when a block is outside of the volume, fixed, or reached before: the walk must not follow. */
  add(address: number, blocks: number): boolean {
    if (!isDataRun(this.geometry, address, blocks) || address + blocks > this.blockCount) {
      this.find(address, `a pointer names ${blocks} blocks that no tree may use`)
      return false
    }
    let isNew = true
    for (let block = address; block < address + blocks; block++) {
      const index = Math.floor(block / blocksPerMapPage)
      let bits = this.pages.get(index)
      if (!bits) this.pages.set(index, (bits = new Uint8Array(blocksPerMapPage / 8)))
      const bit = block % blocksPerMapPage
      const mask = 1 << (bit & 7)
      if ((bits[bit >>> 3]! & mask) !== 0) {
        isNew = false
        this.find(block, 'is reached twice')
      }
      bits[bit >>> 3]! |= mask
    }
    return isNew
  }

  asMap(like: SpaceMap): SpaceMap {
    const pages = like.pages.map((_, index) => {
      const bits = this.pages.get(index)
      return bits ? { pointer: noNode, bits } : null
    })
    return new SpaceMap(like.kind, like.blocksMax, pages, like.indexes)
  }
}
