/**
 * An opened volume, the same on both sides: device, superblocks, node cache, retained roots, and the root that
 * readers see. A primary's engine and a mirror's applier are built on the volume; nothing here can change a tree.
 *
 * - Readers switch in one step, in `publish`, after the superblock is durable.
 * - Roots that a slot lists are kept (retention) from before the slot is written until the slot has been written
 *   again.
 */
import { assert } from '../../lib/assert.ts'
import { equalBytes } from '../../lib/bytes.ts'
import type { BreakClock } from '../../lib/breaks.ts'
import { sha256 } from '../../lib/checksum.ts'
import { StillpointError } from '../../lib/errors.ts'
import { formatUuid } from '../../lib/random.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import type { Geometry } from '../../format/geometry.ts'
import { blockBytes, rootsPerMemberMax, volumeBlocksLimit } from '../../format/geometry.ts'
import type { BlockPointer, ChecksumKind, NodePointer } from '../../format/pointer.ts'
import { decodeRoot } from '../../format/disk/root.ts'
import type { Superblock } from '../../format/disk/superblock.ts'
import type {
  CpPublished,
  ImageNow,
  ItemReader,
  NewestView,
  PublishedRoot,
  RootSource,
  TreeView,
} from '../contract.ts'
import { NodeCache, NotLoaded } from '../tree/node-cache.ts'
import { NodeLoader } from '../tree/node-loader.ts'
import { PartSums } from '../records/part-sums.ts'
import { Readers } from '../space/readers.ts'
import { RecordReader, newScratch } from '../records/record-reader.ts'
import { Retention } from './retention.ts'
import type { OnReleased, Reason } from './retention.ts'
import { SpaceMap } from '../space/space-map.ts'
import { SuperblockStore } from './superblock-store.ts'
import type { OpenOptions, SuperblockChange } from './superblock-store.ts'
import { Looking, lookOnce, lookWith } from '../tree/looking.ts'
import { treeReader } from '../tree/tree.ts'

/**
 * Milliseconds that a reader may keep a root while space is short: twice the time that a CP stays readable for its
 * next use.
 */
export const pinMsMax = 60_000

/** Bytes of nodes that one operation may dirty beyond the limit before the cache is trimmed. */
const slackBytesMax = 128 * 2 ** 20

interface VolumeOptions extends OpenOptions {
  /** Clock for breaks: other callers have their turn while nodes are loaded. */
  readonly clock: BreakClock
  readonly nodeCacheBytesMax: number
  readonly onReleased?: OnReleased
  /** Sees the volume before anything is written to the volume. A throw leaves the device unchanged. */
  readonly inspect?: (volume: Volume) => Promise<void>
}

export class Volume implements RootSource {
  readonly readers = new Readers()
  readonly partSums = new PartSums()
  readonly scratch = newScratch()
  private lastRecords: RecordReader | null = null
  readonly retention: Retention
  readonly nodes: NodeCache
  readonly loader: NodeLoader
  private readonly clock: VolumeOptions['clock']
  readonly newest: NewestView = new NewestRoot(this)
  private published: PublishedRoot | null = null
  private readonly slotRoots: PublishedRoot[][] = [[], []]
  /** Holds that the slot being written lists. */
  private listed: readonly PublishedRoot[] = []
  private readonly pins = new Set<Pin>()
  private readonly holdRoots = new Map<string, readonly PublishedRoot[]>()
  private readonly listeners = new Set<(event: CpPublished) => void>()
  private lastRead: { readonly published: PublishedRoot; readonly items: ItemReader } | null = null

  private constructor(
    readonly device: BlockDevice,
    readonly superblocks: SuperblockStore,
    options: VolumeOptions,
  ) {
    this.retention = new Retention(this.readers, options.onReleased)
    const bytesMax = options.nodeCacheBytesMax
    this.clock = options.clock
    this.nodes = new NodeCache({ bytesMax, slackBytes: Math.min(bytesMax, slackBytesMax) })
    this.loader = new NodeLoader(device, this.nodes)
  }

  static async open(device: BlockDevice, options: VolumeOptions): Promise<Volume> {
    const superblocks = await SuperblockStore.read(device, options)
    const volume = new Volume(device, superblocks, options)
    const newest = superblocks.newestSlot()
    for (const slot of [newest, 1 - newest]) {
      const roots = await volume.readSlotRoots(superblocks.slot(slot))
      for (const root of roots) await volume.keepLoaded(root, slotReason(slot))
      volume.slotRoots[slot] = roots
      if (slot === newest) volume.published = superblocks.slot(slot).root ? roots[0]! : null
    }
    await options.inspect?.(volume)
    if (!options.readOnly) await superblocks.settle()
    // Finishing a going back has also put the root of the newest slot into the other slot.
    if (superblocks.newestSlot() !== newest) volume.keepAgain(newest)
    volume.holdWhatWasListed()
    return volume
  }

  get superblock(): Superblock {
    return this.superblocks.newest
  }
  /** A mirror that has received nothing does not know yet how large its volume may be. */
  get geometry(): Geometry {
    return {
      ...this.superblock.geometry,
      blocksMax: this.published?.root.blocksMax ?? volumeBlocksLimit,
    }
  }

  /** All roots of a volume have the same sums, so the last reader can mostly be used again. */
  recordsOf({ root: { sums } }: PublishedRoot): RecordReader {
    if (this.lastRecords?.sums !== sums) this.lastRecords = new RecordReader(this, sums)
    return this.lastRecords
  }

  /** Makes a look that may have to wait for nodes. */
  looking(): Looking {
    return new Looking(this.loader, this.clock)
  }

  /** Null on a mirror that has received nothing yet. */
  currentOrNull(): PublishedRoot | null {
    return this.published
  }

  current(): PublishedRoot {
    if (!this.published)
      throw new StillpointError('not-yet', 'this mirror has not received a consistency point yet')
    return this.published
  }

  readable(): readonly PublishedRoot[] {
    return this.retention.retained()
  }

  view(published: PublishedRoot): TreeView {
    if (!this.retention.isRetained(published)) throw cpGone(published.root.cp, this.readable())
    return new RootView(this, published)
  }

  /** Views of one root share a reader of items: most views are of the newest root. */
  readerOf(published: PublishedRoot): ItemReader {
    if (this.lastRead?.published !== published)
      this.lastRead = { published, items: treeReader(this.nodes, published.root.fileTree) }
    return this.lastRead.items
  }

  /** Pins a root; `sinceMs` is for `cutPins`. */
  pin(published: PublishedRoot, sinceMs = 0): { release(): void } {
    if (!this.retention.isRetained(published)) throw cpGone(published.root.cp, this.readable())
    this.retention.keep(published, this.retention.usedMap(published), 'pin')
    const pin: Pin = { published, sinceMs }
    this.pins.add(pin)
    return { release: () => this.unpin(pin) }
  }

  /** Ends the pins from before `beforeMs`: their readers get `cp-gone`, or a stream that is cut. */
  cutPins(beforeMs: number): void {
    for (const pin of this.pins) if (pin.sinceMs < beforeMs) this.unpin(pin)
  }

  /** Ends the pins of the oldest root that only pins retain; false when there is no such root. */
  cutOldestPins(): boolean {
    const isPinnedOnly = (root: PublishedRoot) => this.retention.reasonsOf(root).every((why) => why === 'pin')
    const oldest = this.readable().find(isPinnedOnly)
    if (!oldest) return false
    for (const pin of this.pins) if (equalBytes(pin.published.hash, oldest.hash)) this.unpin(pin)
    return true
  }

  private unpin(pin: Pin): void {
    if (this.pins.delete(pin)) this.retention.drop(pin.published, 'pin')
  }

  onPublished(listener: (event: CpPublished) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /**
   * True when the slot that is not the newest names another root: the next write of a superblock lets this root go.
   */
  get keepsOlderRoot(): boolean {
    const older = this.slotRoots[1 - this.superblocks.newestSlot()]![0]
    return older !== undefined && this.published !== null && !equalBytes(older.hash, this.published.hash)
  }

  /**
   * Writes the superblock; then readers switch, then listeners hear. Everything that the root uses must be synced.
   */
  async publish(event: CpPublished, used: SpaceMap, change: SuperblockChange = {}): Promise<void> {
    const { published } = event
    assert(published.root.cp > (this.published?.root.cp ?? 0), 'a published cp never goes back')
    await this.superblocks.write(
      () => ({
        ...change,
        root: { address: published.address, bytes: published.bytes },
        holds: this.listHolds(),
      }),
      (slot) => {
        this.slotWritten(slot, { published, used })
        this.published = published
      },
    )
    for (const listener of this.listeners) listener(event)
  }

  /** Writes the same root again with other facts: holds, members, epoch, opening. */
  async writeSuperblock(
    change: SuperblockChange | ((newest: Superblock) => SuperblockChange) = {},
  ): Promise<void> {
    await this.superblocks.write(
      (newest) => ({
        ...(typeof change === 'function' ? change(newest) : change),
        holds: this.listHolds(),
      }),
      (slot) => this.slotWritten(slot, null),
    )
  }

  /** See `Holds` in contract.ts. The roots must be retained already. */
  setHolds(member: string, roots: readonly PublishedRoot[]): void {
    const before = this.holdRoots.get(member) ?? []
    for (const root of roots) this.retention.keep(root, this.retention.usedMap(root), holdReason(member))
    for (const root of before) this.retention.drop(root, holdReason(member))
    if (roots.length > 0) this.holdRoots.set(member, roots)
    else this.holdRoots.delete(member)
  }

  holdsOf(member: string): readonly PublishedRoot[] {
    return this.holdRoots.get(member) ?? []
  }

  /** Reads a root that a slot or a hold names; the root is not kept yet. */
  async readRoot(pointer: NodePointer): Promise<PublishedRoot> {
    const bytes = await this.readNode(pointer)
    return { root: decodeRoot(bytes), address: pointer.address, bytes, hash: pointer.sum }
  }

  async loadUsedMap(published: PublishedRoot): Promise<SpaceMap> {
    const { blocksMax, usedMap } = published.root
    const read = (pointer: NodePointer) => this.readNode(pointer)
    return SpaceMap.load('used', blocksMax, usedMap, read, this.retention.usedMaps())
  }

  /** Reads one block that is named by address and SHA-256; `corrupt` when the block does not match the pointer. */
  readNode = (pointer: NodePointer): Promise<Uint8Array> => {
    const bytes = new Uint8Array(blockBytes)
    if (pointer.address >= this.device.blockCount)
      return Promise.reject(
        new StillpointError('corrupt', `block ${pointer.address} lies behind the end of the volume`),
      )
    this.device.readSync(pointer.address, bytes)
    if (equalBytes(sha256(bytes), pointer.sum)) return Promise.resolve(bytes)
    return Promise.reject(
      new StillpointError('corrupt', `block ${pointer.address} does not match its checksum`, {
        address: pointer.address,
      }),
    )
  }

  private async readSlotRoots(superblock: Superblock): Promise<PublishedRoot[]> {
    const roots: PublishedRoot[] = []
    if (superblock.root) {
      const { address, bytes } = superblock.root
      roots.push({ root: decodeRoot(bytes), address, bytes, hash: sha256(bytes) })
    }
    for (const hold of superblock.holds) roots.push(await this.readRoot(hold.root))
    return roots
  }

  private async keepLoaded(published: PublishedRoot, reason: Reason): Promise<void> {
    const used = this.retention.isRetained(published)
      ? this.retention.usedMap(published)
      : await this.loadUsedMap(published)
    this.retention.keep(published, used, reason)
  }

  /** Makes the other slot keep the same roots as `slot`. */
  private keepAgain(slot: number): void {
    const other = 1 - slot
    const before = this.slotRoots[other]!
    this.slotRoots[other] = this.slotRoots[slot]!
    for (const root of this.slotRoots[other])
      this.retention.keep(root, this.retention.usedMap(root), slotReason(other))
    for (const root of before) this.retention.drop(root, slotReason(other))
  }

  /**
   * Sets holds after an open: no hold of a member goes before the member has reported. The opened root counts as
   * offered to all members, and so does the root of the older slot: it may have been offered while the newer slot was
   * being written, too late to be listed there.
   */
  private holdWhatWasListed(): void {
    const newest = this.superblocks.newestSlot()
    const held = this.slotRoots[newest]!.slice(this.published ? 1 : 0)
    const isOwn = (slot: number) => this.superblocks.slot(slot).root !== null
    const own = [1 - newest, newest].flatMap((slot) => (isOwn(slot) ? [this.slotRoots[slot]![0]!] : []))
    for (const member of this.superblock.members) {
      const uuid = formatUuid(member.uuid)
      const roots = held.filter((_, i) => equalBytes(this.superblock.holds[i]!.memberUuid, member.uuid))
      const isListed = ({ hash }: PublishedRoot) => roots.some((root) => equalBytes(root.hash, hash))
      const offered = own.filter((root, i) => {
        const isAgain = own.slice(0, i).some(({ hash }) => equalBytes(hash, root.hash))
        return !isListed(root) && !isAgain
      })
      // A mirror that stays away is offered nothing, so only the first of the roots that restarts add can matter.
      const room = roots
        .toSorted((a, b) => a.root.cp - b.root.cp)
        .slice(0, rootsPerMemberMax - offered.length)
      this.setHolds(uuid, [...room, ...offered])
    }
  }

  /** Lists the holds for the next slot, and keeps their roots: a hold may go while the slot is being written. */
  private listHolds(): Superblock['holds'] {
    const listed = this.superblock.members.flatMap(({ uuid }) =>
      this.holdsOf(formatUuid(uuid)).map((held) => ({ uuid, held })),
    )
    this.listed = listed.map(({ held }) => held)
    for (const held of this.listed) this.retention.keep(held, this.retention.usedMap(held), 'listed')
    return listed.map(({ uuid, held: { root, address, hash } }) => ({
      memberUuid: uuid,
      cp: root.cp,
      root: { address, sum: hash },
    }))
  }

  private slotWritten(slot: number, fresh: { published: PublishedRoot; used: SpaceMap } | null): void {
    const before = this.slotRoots[slot]!
    const roots: PublishedRoot[] = []
    const root = fresh?.published ?? this.published
    if (root) {
      this.retention.keep(root, fresh?.used ?? this.retention.usedMap(root), slotReason(slot))
      roots.push(root)
    }
    for (const held of this.listed) {
      this.retention.keep(held, this.retention.usedMap(held), slotReason(slot))
      roots.push(held)
    }
    this.slotRoots[slot] = roots
    for (const old of before) this.retention.drop(old, slotReason(slot))
    for (const held of this.listed) this.retention.drop(held, 'listed')
    this.listed = []
  }
}

interface Pin {
  readonly published: PublishedRoot
  readonly sinceMs: number
}

const slotReason = (slot: number): Reason => (slot === 0 ? 'slot 0' : 'slot 1')
const holdReason = (member: string): Reason => `hold ${member}`

function cpGone(cp: number, readable: readonly PublishedRoot[]): StillpointError {
  return new StillpointError('cp-gone', `consistency point ${cp} is no longer readable`, {
    cp,
    readable: readable.map(({ root }) => root.cp),
  })
}

/** Looks at a root that end at once. */
abstract class RootNow implements ImageNow {
  protected abstract readonly published: PublishedRoot
  protected abstract readonly items: ItemReader

  constructor(protected readonly volume: Volume) {}

  get cp(): number {
    return this.published.root.cp
  }
  readNow<T extends {}>(look: (items: ItemReader) => T): T | null {
    const seen = lookOnce(() => look(this.items))
    return seen instanceof NotLoaded ? null : seen
  }

  recordNow(pointer: BlockPointer, target: Uint8Array | null = null): Uint8Array | null {
    return this.volume.recordsOf(this.published).wholeNow(pointer, target)
  }

  recordPartNow(pointer: BlockPointer, start: number, end: number, target: Uint8Array): Uint8Array | null {
    return this.volume.recordsOf(this.published).partNow(pointer, start, end, target)
  }
}

/** The published root of every moment. */
class NewestRoot extends RootNow implements NewestView {
  protected get published(): PublishedRoot {
    return this.volume.current()
  }
  protected get items(): ItemReader {
    return this.volume.readerOf(this.published)
  }

  /** A published cp never comes back, so the number changes with every root. */
  get changes(): number {
    return this.cp
  }
  get sums(): ChecksumKind {
    return this.published.root.sums.kind
  }
}

/** A reader's view of one published root. */
class RootView extends RootNow implements TreeView {
  readonly release: () => void
  protected readonly items: ItemReader

  constructor(
    volume: Volume,
    protected readonly published: PublishedRoot,
  ) {
    super(volume)
    this.release = volume.readers.begin()
    this.items = volume.readerOf(published)
  }

  read<T>(look: (items: ItemReader) => T): Promise<T> {
    return lookWith(this.volume.looking(), () => look(this.items))
  }

  record(pointer: BlockPointer): Promise<Uint8Array> {
    return this.volume.recordsOf(this.published).whole(pointer)
  }

  recordPart(pointer: BlockPointer, start: number, end: number): Promise<Uint8Array> {
    return this.volume.recordsOf(this.published).part(pointer, start, end)
  }

  recordRun(pointers: readonly BlockPointer[], target: Uint8Array): Promise<Uint8Array[]> {
    return this.volume.recordsOf(this.published).run(pointers, target)
  }
}
