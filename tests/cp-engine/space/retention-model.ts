/**
 * A side without trees: real maps, allocator, retention and readers; two slots, holds, pins and readers around them.
 * A number per address stands for the bytes on the device.
 *
 * The oracle knows nothing of retention: every root that is named by a slot, by a hold, by a pin or by a running
 * reader is whole, and none of its blocks is writable. Once everything is quiet, what no slot uses is writable.
 */
import { sha256 } from '../../../src/lib/checksum.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { makeGeometry } from '../../../src/format/geometry.ts'
import type { NodePointer } from '../../../src/format/pointer.ts'
import { decodeRoot, encodeRoot } from '../../../src/format/disk/root.ts'
import { Allocator } from '../../../src/cp-engine/space/allocator.ts'
import type { PublishedRoot } from '../../../src/cp-engine/contract.ts'
import { buildMaps } from '../../../src/cp-engine/space/map-builder.ts'
import { OpenCp } from '../../../src/cp-engine/space/open-cp.ts'
import { Readers } from '../../../src/cp-engine/space/readers.ts'
import { Retention } from '../../../src/cp-engine/volume/retention.ts'
import { SpaceMap } from '../../../src/cp-engine/space/space-map.ts'
import { rootOf } from '../roots.ts'

export const modelGeometry = makeGeometry(6 * 2 ** 20, 2 ** 20, 2 ** 20)
const { blocksMax } = modelGeometry

interface Slot {
  readonly root: PublishedRoot
  readonly holds: readonly PublishedRoot[]
}
interface Sealed {
  readonly blocks: OpenCp
  readonly holdsThen: readonly PublishedRoot[]
}

export class RetentionModel {
  private readonly random: ReturnType<typeof seededRandom>
  private readonly below: (limit: number) => number
  /** Number by address, and the bytes of what is read back: roots and map blocks. */
  private readonly disk = new Map<number, number>()
  private readonly blocks = new Map<number, Uint8Array>()
  /** What each root's blocks held when it was published. */
  private readonly images = new Map<PublishedRoot, ReadonlyMap<number, number>>()
  private next = 1
  private slots: [Slot, Slot]
  private newest = 0
  private readers = new Readers()
  private retention = new Retention(this.readers, (index, mask) => this.allocator.releasePage(index, mask))
  private allocator = new Allocator(modelGeometry)
  private maps = { live: SpaceMap.empty('live', blocksMax), used: SpaceMap.empty('used', blocksMax) }
  private open = new OpenCp(1)
  private sealed: Sealed | null = null
  /** Data blocks of the open CP's tree. */
  private readonly live = new Map<number, number>()
  private holds: PublishedRoot[] = []
  private pins: PublishedRoot[] = []
  private running: { readonly sees: readonly PublishedRoot[]; readonly end: () => void }[] = []

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.below = (limit) => this.random.below(limit)
    this.allocator.extend(blocksMax)
    const first = this.build(this.open, null)
    this.slots = [
      { root: first.root, holds: [] },
      { root: first.root, holds: [] },
    ]
    for (const slot of [0, 1] as const) this.retention.keep(first.root, first.used, `slot ${slot}`)
    this.open = new OpenCp(2)
  }

  async step(): Promise<void> {
    const action = this.below(14)
    if (action < 4) this.write()
    else if (action < 7 && this.sealed) this.commit()
    else if (action < 7) this.seal()
    else if (action === 7) this.rewriteSlot()
    else if (action === 8) this.setHolds()
    else if (action === 9) this.pin()
    else if (action === 10) this.unpin()
    else if (action === 11) this.beginReader()
    else if (action === 12) this.endReader()
    else if (this.below(4) === 0) await this.reopen()
    this.verify()
  }

  /** I5, after everything that keeps something has gone. */
  quiet(): void {
    if (this.sealed) this.commit()
    this.seal()
    this.commit()
    this.retentionHolds([])
    while (this.pins.length > 0) this.unpin()
    while (this.running.length > 0) this.endReader()
    for (let i = 0; i < 2; i++) this.rewriteSlot()
    const { used } = this.maps
    for (let address = 0; address < blocksMax; address++)
      if (this.allocator.isWritable(address) === used.has(address) && !this.isFixed(address))
        throw new Error(`block ${address} is ${used.has(address) ? 'used and writable' : 'lost'}`)
    if (this.allocator.writable !== this.allocator.usable - used.count()) throw new Error('miscounted')
  }

  private isFixed(address: number): boolean {
    return address >= 1024 ? address < 1024 + 256 : address % 256 < 4
  }

  private write(): void {
    for (let i = this.below(12); i >= 0; i--) {
      const kind = this.below(2) === 0 ? 'node' : 'record'
      const blocks = kind === 'node' ? 1 : 1 + this.below(6)
      const address = this.allocator.take(kind, blocks)
      if (address === null) continue
      for (let b = 0; b < blocks; b++) this.put(address + b)
      if (this.below(8) === 0) {
        // Never used by any operation; sent or not.
        if (this.below(2) === 0) this.open.spend({ address, blocks })
        else this.allocator.giveBack({ address, blocks })
        continue
      }
      this.open.born({ address, blocks })
      this.live.set(address, blocks)
    }
    while (this.live.size > 60 || (this.live.size > 0 && this.below(3) === 0)) this.free()
  }

  private free(): void {
    const all = [...this.live]
    const [address, blocks] = all[this.below(all.length)]!
    this.live.delete(address)
    const run = { address, blocks }
    if (!this.open.unbear(run)) this.open.free(run)
    else if (this.below(2) === 0) this.open.spend(run)
    else this.readers.afterCurrent(() => this.allocator.giveBack(run))
  }

  private put(address: number): void {
    this.disk.set(address, this.next++)
  }

  private seal(): void {
    this.sealed = { blocks: this.open, holdsThen: [...this.holds] }
    this.open = new OpenCp(this.sealed.blocks.cp + 1)
  }

  private commit(): void {
    const { blocks } = this.sealed!
    const previous = this.slots[this.newest]!.root
    const { root, used } = this.build(blocks, previous)
    this.sealed = null
    this.writeSlot(root, used)
    for (const run of blocks.spent) this.readers.afterCurrent(() => this.allocator.giveBack(run))
  }

  private build(blocks: OpenCp, previous: PublishedRoot | null): { root: PublishedRoot; used: SpaceMap } {
    const allocate = () => {
      const address = this.allocator.take('map', 1)
      if (address === null) throw new Error('no block for a map')
      this.put(address)
      return address
    }
    const address = allocate()
    blocks.born({ address, blocks: 1 })
    if (previous) blocks.free({ address: previous.address, blocks: 1 })
    const { live, used } = this.maps
    const change = {
      born: blocks.bornBlocks(),
      freed: blocks.freedBlocks(),
      keptBySnapshot: () => false,
    }
    const built = buildMaps(live, used, change, allocate)
    for (const command of built.commands) this.blocks.set(command.address, command.bytes)
    this.maps = { live: built.live, used: built.used }
    const bytes = encodeRoot(rootOf(blocks.cp, built.live.top!, built.used.top!))
    this.blocks.set(address, bytes)
    const root = { root: decodeRoot(bytes), address, bytes, hash: sha256(bytes) }
    this.remember(root, built.used)
    return { root, used: built.used }
  }

  private remember(root: PublishedRoot, used: SpaceMap): void {
    const image = new Map<number, number>()
    for (const run of used.runsNotIn(null))
      for (let i = 0; i < run.blocks; i++) image.set(run.address + i, this.disk.get(run.address + i)!)
    this.images.set(root, image)
  }

  private rewriteSlot(): void {
    const { root } = this.slots[this.newest]!
    this.writeSlot(root, this.retention.usedMap(root))
  }

  private writeSlot(root: PublishedRoot, used: SpaceMap): void {
    const slot = 1 - this.newest
    const before = this.slots[slot]!
    const holds = [...this.holds]
    this.retention.keep(root, used, slotReason(slot))
    for (const hold of holds) this.retention.keep(hold, this.retention.usedMap(hold), slotReason(slot))
    this.slots[slot] = { root, holds }
    this.newest = slot
    for (const old of [before.root, ...before.holds]) this.retention.drop(old, slotReason(slot))
  }

  private setHolds(): void {
    this.retentionHolds(this.retention.retained().filter(() => this.below(4) === 0))
  }

  private retentionHolds(roots: readonly PublishedRoot[]): void {
    for (const root of roots) this.retention.keep(root, this.retention.usedMap(root), 'hold m')
    for (const root of this.holds) this.retention.drop(root, 'hold m')
    this.holds = [...roots]
  }

  private any(): PublishedRoot {
    const roots = this.retention.retained()
    return roots[this.below(roots.length)]!
  }

  private pin(): void {
    if (this.pins.length >= 4) return
    const root = this.any()
    this.retention.keep(root, this.retention.usedMap(root), 'pin')
    this.pins.push(root)
  }

  private unpin(): void {
    const [root] = this.pins.splice(this.below(this.pins.length), 1)
    if (root) this.retention.drop(root, 'pin')
  }

  private beginReader(): void {
    if (this.running.length >= 3) return
    this.running.push({ sees: [this.any()], end: this.readers.begin() })
  }

  private endReader(): void {
    const [reader] = this.running.splice(this.below(this.running.length), 1)
    reader?.end()
    reader?.end()
  }

  /** Everything in memory goes; the slots, and what they name, are read back. */
  private async reopen(): Promise<void> {
    this.readers = new Readers()
    const allocator = new Allocator(modelGeometry)
    this.retention = new Retention(this.readers, (index, mask) => allocator.releasePage(index, mask))
    this.running = []
    this.pins = []
    this.sealed = null
    allocator.extend(blocksMax)
    const read = (pointer: NodePointer) => Promise.resolve(this.blocks.get(pointer.address)!)
    for (const [i, { root, holds }] of this.slots.entries())
      for (const each of [root, ...holds]) {
        const { usedMap } = each.root
        const used = await SpaceMap.load('used', blocksMax, usedMap, read, this.retention.usedMaps())
        this.retention.keep(each, used, slotReason(i))
      }
    for (const map of this.retention.usedMaps())
      for (const [index, page] of map.pages.entries()) if (page) allocator.withhold(index, page.bits)
    this.allocator = allocator
    const { root, holds } = this.slots[this.newest]!
    const live = await SpaceMap.load('live', blocksMax, root.root.liveMap, read)
    this.maps = { live, used: this.retention.usedMap(root) }
    this.holds = []
    this.retentionHolds([...holds, root])
    this.open = new OpenCp(root.root.cp + 4)
    // Any cut of the live map into runs will do: they are freed whole.
    this.live.clear()
    const own = new Set([root.address, ...[...live.ownBlocks()].map(({ address }) => address)])
    for (const { address, blocks } of live.runsNotIn(null, 1))
      if (!own.has(address)) this.live.set(address, blocks)
  }

  private verify(): void {
    const named = new Set([
      ...this.slots.flatMap(({ root, holds }) => [root, ...holds]),
      ...this.holds,
      ...this.pins,
      ...this.running.flatMap(({ sees }) => sees),
    ])
    for (const root of named)
      for (const [address, number] of this.images.get(root)!) {
        if (this.disk.get(address) !== number)
          throw new Error(`block ${address} of cp ${root.root.cp} is overwritten`)
        if (this.allocator.isWritable(address))
          throw new Error(`block ${address} of cp ${root.root.cp} is writable`)
        if (!this.retention.uses(address, 1)) throw new Error(`block ${address} is not known to be used`)
      }
    for (const [address, blocks] of this.live)
      for (let i = 0; i < blocks; i++)
        if (this.allocator.isWritable(address + i))
          throw new Error(`block ${address + i} is handed out and writable`)
  }
}

const slotReason = (slot: number) => (slot === 0 ? 'slot 0' : 'slot 1')
