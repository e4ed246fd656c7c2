/**
 * The check: the oracle of the tests, and the work of `stillpoint check`, offline.
 *
 * The check walks every root that a superblock slot names (its own root and the held roots):
 * - Each address block matches its checksum and its parent, and each record matches its checksum.
 * - No block is reached twice. The live map is exactly the set of blocks that the root reaches, and the used map is
 *   exactly this set plus the used map's own blocks (I4).
 * - No block lies in a fixed area or behind the end of the volume.
 * - Blocks that no used map names are writable (I5), by the way the allocator is made at open.
 * - The roots of the two slots follow each other by their hashes, and a primary's device has every block that a root
 *   counts.
 *
 * The check then opens the volume in memory for the log: the operations that an open replays, or the reason why an
 * open refuses. When the open replays, the root that the open would publish is checked like the others.
 *
 * The check only reads, and goes on after a finding.
 */
import { equalBytes, readU32, toHex } from '../lib/bytes.ts'
import { sha256 } from '../lib/checksum.ts'
import { StillpointError, hasCode } from '../lib/errors.ts'
import { DeviceError } from '../blockdev/block-device.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import { blockBytes, superblockAddress, superblockCopies, superblockSlots } from '../format/geometry.ts'
import type { Geometry } from '../format/geometry.ts'
import { valuePointers } from '../format/pointer.ts'
import type { BlockPointer, NodePointer } from '../format/pointer.ts'
import { decodeRoot } from '../format/disk/root.ts'
import type { Root } from '../format/disk/root.ts'
import type { Superblock } from '../format/disk/superblock.ts'
import { verifyNode } from '../format/disk/tree-node.ts'
import type { NodePlace } from '../format/disk/tree-node.ts'
import type { Item, PublishedRoot } from './contract.ts'
import { type CheckFinding, type FindingKind, hasErrors } from './check-findings.ts'
import { type OpenForecast, forecastOpen } from './open-forecast.ts'
import type { LogPlan, LogState } from './open/log-plan.ts'
import { Reached } from './reached.ts'
import { readRecordAndPadding } from './records/records.ts'
import { brokenHistory } from './root-history.ts'
import { readCopy } from './volume/superblock-store.ts'
import { SpaceMap } from './space/space-map.ts'
import type { MapKind } from '../format/disk/map-page.ts'

/** Content of the log for the newest root. */
interface CheckedLog {
  /** Number of good groups, empty ones included. */
  readonly groups: number
  /** Number of operations that an open replays; the sequence numbers are null when there are none. */
  readonly operations: number
  readonly firstSequence: number | null
  readonly lastSequence: number | null
  readonly end: LogState
}

export interface CheckReport {
  readonly findings: readonly CheckFinding[]
  readonly cps: readonly number[]
  /**
   * Number of address blocks and map blocks that were read, for each root anew; `records` counts each record once.
   */
  readonly nodes: number
  readonly records: number
  /** Null when an open would not come to the log. */
  readonly log: CheckedLog | null
  readonly open: OpenForecast
}

interface CheckOptions {
  /**
   * Sees every item of every checked root in key order, with the raw bytes of the records that the item names. The
   * floors above know what the items mean, or throw `newer-format`. Null stands for a record that was read for an
   * earlier root, or that cannot be read.
   */
  readonly onItem?: (root: Root, item: Item, records: readonly (Uint8Array | null)[]) => void
  /** Called when all items of a root have been seen; not called for a root of which a part cannot be read here. */
  readonly onRoot?: (root: Root) => void
  readonly findingsMax?: number
}

export async function checkVolume(device: BlockDevice, options: CheckOptions = {}): Promise<CheckReport> {
  const check = new Check(device, options)
  const { log, open } = await check.run()
  const { findings, cps, nodes, verified } = check
  return { findings, cps, nodes, records: verified.size, log, open }
}

class Check {
  readonly findings: CheckFinding[] = []
  readonly cps: number[] = []
  nodes = 0
  /** Address of each verified record → the beginning of its checksum. A record is verified once for all roots. */
  readonly verified = new Map<number, number>()
  /** Copies of superblocks that the device could not read. */
  private readonly unreadable = new Set<number>()
  private readonly roots: PublishedRoot[] = []
  private cp: number | null = null
  /** True when a part of the root that is being checked is of another format, which cannot be read here. */
  private isPartlyRead = false

  constructor(
    private device: BlockDevice,
    private readonly options: CheckOptions,
  ) {}

  async run(): Promise<Pick<CheckReport, 'log' | 'open'>> {
    const slots = await this.readSlots().catch((error: unknown) => this.refusedSlots(error))
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
      this.find('history', address, message)
    const newest = slots.toSorted((a, b) => b.generation - a.generation)[0]
    return this.checkOpen(newest ?? null, seen)
  }

  private async readSlots(): Promise<Superblock[]> {
    const found: Superblock[] = []
    for (let slot = 0; slot < superblockSlots; slot++) {
      const copies = []
      for (let copy = 0; copy < superblockCopies; copy++) copies.push(await this.readCopy(slot, copy))
      const best = copies.filter((copy) => copy !== null).sort((a, b) => b.generation - a.generation)[0]
      if (!best) {
        this.find('superblock-slot', null, `both copies of superblock slot ${slot} cannot be read`)
        continue
      }
      found.push(best)
      for (const [copy, superblock] of copies.entries()) {
        if (superblock?.generation === best.generation || this.unreadable.has(slot * superblockCopies + copy))
          continue
        const why = superblock ? 'is older than the other one' : 'cannot be read'
        const message = `copy ${copy} of superblock slot ${slot} ${why}: an open mends it`
        this.warn('superblock-copy', superblockAddress(slot, copy), message)
      }
    }
    return found
  }

  /** One copy of a later program is enough for a refusal: the other copies may be from an earlier program. */
  private refusedSlots(error: unknown): Superblock[] {
    if (!(error instanceof StillpointError)) throw error
    this.findError('superblock-slot', null, error)
    return []
  }

  private async readCopy(slot: number, copy: number): Promise<Superblock | null> {
    try {
      return await readCopy(this.device, slot, copy)
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error
      // The check cannot tell then which of the two copies is newer.
      this.unreadable.add(slot * superblockCopies + copy)
      this.find('superblock-copy', superblockAddress(slot, copy), messageOf(error))
      return null
    }
  }

  /** Finds out what an open would do, and whether the root that the open would publish is sound. */
  private async checkOpen(
    newest: Superblock | null,
    seen: Set<string>,
  ): Promise<Pick<CheckReport, 'log' | 'open'>> {
    this.cp = null
    if (newest?.goingBack)
      this.warn('going-back', null, 'a going back was interrupted: an open finishes it, without the lost cp')
    const { open, log, error, after } = await forecastOpen(this.device, newest?.role ?? 'primary')
    if (log) this.checkLog(log)
    if (newest && after?.published && open.outcome === 'opens' && open.replayed > 0) {
      const { address, hash } = after.published
      this.device = after.device
      const { cps } = this
      const before = cps.length
      await this.checkOnce({ address, sum: hash }, newest, seen)
      cps.length = before
    }
    if (open.outcome === 'refused' && !hasErrors(this.findings)) {
      this.cp = null
      // A later program has said that this program may read and not write; reading has just been checked.
      if (isOfReading(error)) this.warn('newer-format', null, open.message)
      else this.findError('open', null, error)
    }
    return { log: log ? summaryOf(log) : newest?.role === 'mirror' ? nothingLogged : null, open }
  }

  private checkLog({ problems, state, damaged, lastPosition }: Omit<LogPlan, 'plan'>): void {
    for (const { kind, position, address, message } of problems)
      this.find(kind, address, `${message} (log position ${position})`)
    if (state === 'torn')
      this.warn(
        'log-torn',
        null,
        'the last group is not whole: torn by a crash, or damaged before it was sealed',
      )
    for (const { position, damage, address } of damaged)
      if (damage === 'empty group')
        this.warn('log-seal', address, `an empty group is damaged (log position ${position})`)
      // A crash may have torn the last group behind its records.
      else if (position === lastPosition)
        this.warn('padding', address, `the last group has other bytes behind its records`)
      else
        this.find('padding', address, `a group has other bytes behind its records (log position ${position})`)
  }

  private async checkOnce(pointer: NodePointer, superblock: Superblock, seen: Set<string>): Promise<void> {
    const name = toHex(pointer.sum)
    if (seen.has(name)) return
    seen.add(name)
    this.cp = null
    this.isPartlyRead = false
    const bytes = await this.node(pointer, 'root')
    if (!bytes) return
    const root = this.guard('root', pointer.address, () => decodeRoot(bytes))
    if (!root) return
    this.cp = root.cp
    this.cps.push(root.cp)
    this.roots.push({ root, address: pointer.address, bytes, hash: pointer.sum })
    // A mirror has the blocks that the root uses, and need not have room for more.
    if (superblock.role === 'primary' && root.blockCount > this.device.blockCount)
      this.warn(
        'block-count',
        pointer.address,
        `the root counts ${root.blockCount} blocks, and the device has ${this.device.blockCount}`,
      )
    if (!equalBytes(root.volumeUuid, superblock.volumeUuid))
      this.find('root', pointer.address, 'the root belongs to another volume')
    await this.checkRoot(root, pointer.address, { ...superblock.geometry, blocksMax: root.blocksMax })
    if (!this.isPartlyRead) this.options.onRoot?.(root)
  }

  private async checkRoot(root: Root, rootAddress: number, geometry: Geometry): Promise<void> {
    const reached = new Reached(geometry, root.blockCount, (address, message) =>
      this.find('pointer', address, message),
    )
    reached.add(rootAddress, 1)
    const { pointer, level } = root.fileTree
    if (pointer.address !== 0)
      await this.checkTree(root, pointer, { level, lower: null, upper: null }, reached)

    const live = await this.loadMap('live', root, geometry, root.liveMap)
    if (live) for (const own of live.ownBlocks()) reached.add(own.address, 1)
    if (live) this.compare(live, reached, 'live')
    const used = await this.loadMap('used', root, geometry, root.usedMap)
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
    const bytes = await this.node(pointer, 'node')
    const node = bytes && this.guard('node', pointer.address, () => verifyNode(bytes, place))
    if (!node) return
    for (let i = 0; i < node.count; i++) {
      if (node.level > 0) await this.checkTree(root, node.child(i), node.childPlace(i, place), reached)
      else await this.checkItem(root, { key: node.key(i), value: node.value(i) }, pointer.address, reached)
    }
  }

  private async checkItem(root: Root, item: Item, leaf: number, reached: Reached): Promise<void> {
    const pointers = valuePointers(item.value, root.sums.kind)
    if (!pointers) return this.find('item', leaf, `item ${toHex(item.key)} has malformed pointers`)
    const records: (Uint8Array | null)[] = []
    for (const pointer of pointers) {
      const isNew = reached.add(pointer.address, pointer.blocks)
      records.push(isNew ? await this.checkRecord(root, pointer) : null)
    }
    try {
      this.options.onItem?.(root, item, records)
    } catch (error) {
      if (!hasCode(error, 'newer-format')) throw error
      this.findError('item', leaf, error)
    }
  }

  private async checkRecord(root: Root, pointer: BlockPointer): Promise<Uint8Array | null> {
    const sum = readU32(pointer.sum, 0)
    const before = this.verified.get(pointer.address)
    if (before === sum) return null
    if (before !== undefined)
      this.find('pointer', pointer.address, 'two roots have different records at one address')
    this.verified.set(pointer.address, sum)
    try {
      const { raw, isPaddingZero } = await readRecordAndPadding(this.device, pointer, root.sums)
      if (!isPaddingZero) this.find('padding', pointer.address, 'there are other bytes behind the record')
      return raw
    } catch (error) {
      this.findError('record', pointer.address, error)
      return null
    }
  }

  private async loadMap(
    kind: MapKind,
    root: Root,
    geometry: Geometry,
    top: NodePointer,
  ): Promise<SpaceMap | null> {
    try {
      return await SpaceMap.load(kind, geometry.blocksMax, top, async (pointer) => {
        const bytes = await this.node(pointer, 'map')
        if (!bytes)
          throw new StillpointError('corrupt', `block ${pointer.address} of the ${kind} map cannot be read`)
        return bytes
      })
    } catch (error) {
      this.findError('map', null, error, `the ${kind} map of cp ${root.cp} is unusable: `)
      return null
    }
  }

  /** Compares a map with the blocks that the walk reached (I4), unless a part of the root is unreadable here. */
  private compare(map: SpaceMap, reached: Reached, kind: MapKind): void {
    if (this.isPartlyRead) return
    for (const { address, blocks } of map.runsNotIn(reached.asMap(map)))
      this.find('map', address, `${blocks} blocks are in the ${kind} map and nothing reaches them`)
    for (const { address, blocks } of reached.asMap(map).runsNotIn(map))
      this.find('map', address, `${blocks} blocks are reached and not in the ${kind} map`)
  }

  private async node(pointer: NodePointer, kind: FindingKind): Promise<Uint8Array | null> {
    const { address, sum } = pointer
    if (address >= this.device.blockCount) {
      this.find(kind, address, 'lies behind the end of the volume')
      return null
    }
    const bytes = new Uint8Array(blockBytes)
    try {
      await this.device.read(address, bytes)
    } catch (error) {
      this.find(kind, address, messageOf(error))
      return null
    }
    this.nodes++
    if (equalBytes(sha256(bytes), sum)) return bytes
    this.find(kind, address, 'does not match its checksum')
    return null
  }

  private guard<T>(kind: FindingKind, address: number, decode: () => T): T | null {
    try {
      return decode()
    } catch (error) {
      this.findError(kind, address, error)
      return null
    }
  }

  /**
   * Reports an error. A sound structure that cannot be read here is no damage; the blocks behind it are not judged.
   */
  private findError(kind: FindingKind, address: number | null, error: unknown, before = ''): void {
    const isOfFormat = hasCode(error, 'newer-format') || hasCode(error, 'older-format')
    if (isOfFormat) this.isPartlyRead = true
    this.find(isOfFormat ? error.code : kind, address, before + messageOf(error))
  }

  private find(kind: FindingKind, address: number | null, message: string): void {
    this.add({ severity: 'error', kind, cp: this.cp, address, message })
  }

  private warn(kind: FindingKind, address: number | null, message: string): void {
    this.add({ severity: 'warning', kind, cp: this.cp, address, message })
  }

  private add(finding: CheckFinding): void {
    if (this.findings.length < (this.options.findingsMax ?? 1000)) this.findings.push(finding)
  }
}

const nothingLogged: CheckedLog = {
  groups: 0,
  operations: 0,
  firstSequence: null,
  lastSequence: null,
  end: 'clean',
}

function summaryOf({
  groups,
  operations,
  firstSequence,
  lastSequence,
  state,
}: Omit<LogPlan, 'plan'>): CheckedLog {
  return { groups, operations, firstSequence, lastSequence, end: state }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const isOfReading = (error: unknown): boolean =>
  hasCode(error, 'newer-format') && !String(error.help['structure']).startsWith('log ')
