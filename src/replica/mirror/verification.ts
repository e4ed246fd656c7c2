/**
 * Verifies that every block of an offered root is here and right. One pass walks the blocks that the target has and
 * the base has not: root, maps, file tree, snapshots, records.
 *
 * - Every block is checked against the checksum in its parent: either this process wrote the block with that checksum
 *   and nothing since (presence), or the block is read back past the page cache.
 * - A block is claimed before the check. From then on the mirror refuses every write to the block, so a verified
 *   block stays right. A claim is given back when the block turns out to be missing.
 * - A block that a retained root uses is never wanted: either the block has the right content, or a hold is broken
 *   and the root is refused.
 * - No number is believed: addresses lie inside the volume, levels and bounds fit, no block is named twice, and every
 *   block is in the used map.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { equalBytes } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { sha256 } from '../../lib/checksum.ts'
import { isZero } from '../../format/fields.ts'
import { hasCode } from '../../lib/errors.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import { SpaceMap } from '../../cp-engine/space/space-map.ts'
import type { Volume } from '../../cp-engine/volume/volume.ts'
import { type Geometry, blockBytes, isDataRun } from '../../format/geometry.ts'
import {
  type MapKind,
  decodeMapIndex,
  decodeMapPage,
  mapIndexFanout,
  mapLevels,
} from '../../format/disk/map-page.ts'
import {
  type BlockPointer,
  type NodePointer,
  type RecordSums,
  equalNodePointers,
  equalPointers,
  recordSum,
  valuePointers,
} from '../../format/pointer.ts'
import { decodeRoot, type Root } from '../../format/disk/root.ts'
import { decodeSnapshotItem } from '../../format/disk/snapshot-item.ts'
import type { WireErrorCode } from '../../format/wire/messages.ts'
import { BlockSet } from '../link/block-set.ts'
import type { Presence } from './presence.ts'
import { readBack } from '../link/read-back.ts'
import { type DifferenceSteps, walkDifference } from '../../cp-engine/tree/tree-difference.ts'
import type { WritePipeline } from '../link/write-pipeline.ts'

type Verdict =
  | { readonly kind: 'complete'; readonly used: SpaceMap }
  /** `wanted` is limited: there may be more. */
  | { readonly kind: 'missing'; readonly wanted: readonly BlockRun[] }
  | { readonly kind: 'broken'; readonly code: WireErrorCode; readonly detail: string }
  | { readonly kind: 'cancelled' }

interface VerificationParts {
  readonly volume: Volume
  readonly pipeline: WritePipeline
  readonly presence: Presence
  /** Blocks of the target that are verified, or being verified. */
  readonly claimed: BlockSet
  readonly clock: Clock
  readonly wantsMax: number
  isCancelled(): boolean
}

const recordsPerFlush = 512
const recordBlocksPerFlush = 2048
const sliceMs = 2

class Refusal extends Error {
  constructor(
    readonly code: WireErrorCode,
    detail: string,
  ) {
    super(detail)
  }
}
class Enough extends Error {}

export async function verifyTarget(
  target: PublishedRoot,
  base: PublishedRoot | null,
  parts: VerificationParts,
): Promise<Verdict> {
  const verification = new Verification(target, base, parts)
  try {
    return await verification.run()
  } catch (error) {
    if (error instanceof Enough) {
      if (parts.isCancelled()) return { kind: 'cancelled' }
      return { kind: 'missing', wanted: verification.missing }
    }
    if (error instanceof Refusal) return { kind: 'broken', code: error.code, detail: error.message }
    if (hasCode(error, 'newer-format')) return { kind: 'broken', code: 'newer-format', detail: error.message }
    // A structure of the target is malformed: no primary should write such a root. The base was verified before its
    // publication.
    if (hasCode(error, 'corrupt')) return { kind: 'broken', code: 'bad-root', detail: error.message }
    throw error
  }
}

class Verification {
  readonly missing: BlockRun[] = []
  private targetUsed: SpaceMap | null = null
  /** Checksums of the nodes of this pass, by address: an address has one checksum only. */
  private readonly nodeSums = new Map<number, Uint8Array>()
  private readonly recordBlocks = new BlockSet()
  private records: { readonly pointer: BlockPointer; readonly isAgain: boolean }[] = []
  private recordsBlocks = 0
  private sliceBeganMs: number
  private readonly sums: RecordSums
  private readonly geometry: Geometry

  constructor(
    private readonly target: PublishedRoot,
    private readonly base: PublishedRoot | null,
    private readonly parts: VerificationParts,
  ) {
    this.sums = target.root.sums
    const { blocksMax } = target.root
    this.geometry = { ...parts.volume.superblock.geometry, blocksMax }
    this.sliceBeganMs = parts.clock.monotonic()
  }

  async run(): Promise<Verdict> {
    const { root, address, hash } = this.target
    const baseRoot = this.base?.root ?? null
    await this.obtain([{ address, sum: hash }])
    await this.walkMap('used', mapOf(root, 'usedMap'), baseRoot && mapOf(baseRoot, 'usedMap'))
    if (this.missing.length === 0) await this.loadUsedMap()
    await this.walkMap('live', mapOf(root, 'liveMap'), baseRoot && mapOf(baseRoot, 'liveMap'))
    await walkDifference(root.fileTree, baseRoot?.fileTree ?? null, this.fileSteps(false))
    await this.flushRecords()
    await this.walkSnapshots(root, baseRoot)
    if (this.missing.length > 0) throw new Enough()
    return { kind: 'complete', used: this.targetUsed ?? (await this.loadUsedMap()) }
  }

  private async loadUsedMap(): Promise<SpaceMap> {
    const used = await this.parts.volume.loadUsedMap(this.target)
    this.targetUsed = used
    for (const address of this.nodeSums.keys()) this.inUsedMap(address, 1)
    return used
  }

  // --- Trees and maps ---

  private fileSteps(isSnapshot: boolean): DifferenceSteps {
    return {
      obtain: (pointers) => this.obtain(pointers),
      readBase: (pointer) => this.readBase(pointer),
      visit: (_key, value, baseValue) => this.visitItem(value, baseValue, isSnapshot),
      pause: () => this.pause(),
    }
  }

  private visitItem(value: Uint8Array, baseValue: Uint8Array | null, isSnapshot: boolean): void {
    const pointers = valuePointers(value, this.sums.kind)
    if (!pointers) throw new Refusal('bad-root', 'an item has malformed pointers')
    const known = baseValue ? (valuePointers(baseValue, this.sums.kind) ?? []) : []
    for (const pointer of pointers) {
      if (known.some((other) => equalPointers(pointer, other))) continue
      const { address, blocks } = pointer
      this.inside(address, blocks)
      this.inUsedMap(address, blocks)
      const isAgain = this.recordBlocks.hasAny(address, blocks)
      if (isAgain && !isSnapshot) throw new Refusal('bad-root', `block ${address} is named twice`)
      this.recordBlocks.add(address, blocks)
      this.records.push({ pointer, isAgain })
      this.recordsBlocks += blocks
    }
  }

  /**
   * Walks a map. Where the map has more levels than the map of the base, the first nodes of the map stand above the
   * base's top.
   */
  private async walkMap(kind: MapKind, map: MapTop, base: MapTop | null): Promise<void> {
    const descend = async (
      level: number,
      index: number,
      pointer: NodePointer,
      beside: NodePointer | null,
    ) => {
      if (pointer.address === 0 || (beside && equalNodePointers(pointer, beside))) return
      const [bytes] = await this.obtain([pointer])
      if (!bytes) return
      await this.pause()
      if (level === 0) return void decodeMapPage(bytes, kind, index)
      const children = decodeMapIndex(bytes, kind, level, index)
      if (base && level > base.levels) {
        for (const [i, child] of children.entries()) {
          const isAboveBase = level === base.levels + 1 && index === 0 && i === 0
          await descend(level - 1, index * mapIndexFanout + i, child, isAboveBase ? base.top : null)
        }
        return
      }
      const near =
        beside && beside.address !== 0
          ? decodeMapIndex(await this.readBase(beside), kind, level, index)
          : null
      for (const [i, child] of children.entries()) {
        await descend(level - 1, index * mapIndexFanout + i, child, near?.[i] ?? null)
      }
    }
    await descend(map.levels, 0, map.top, base?.levels === map.levels ? base.top : null)
  }

  /**
   * Walks the snapshots. Only the file tree and the live map of a snapshot root still exist, so nothing else is
   * followed.
   */
  private async walkSnapshots(root: Root, baseRoot: Root | null): Promise<void> {
    const roots: NodePointer[] = []
    await walkDifference(root.snapshotsTree, baseRoot?.snapshotsTree ?? null, {
      ...this.fileSteps(true),
      visit: (key, value) => void roots.push(decodeSnapshotItem(key, value).root),
    })
    for (const pointer of roots) {
      const [bytes] = await this.obtain([pointer])
      if (!bytes) continue
      const snapshot = decodeRoot(bytes)
      await this.walkMap('live', mapOf(snapshot, 'liveMap'), baseRoot && mapOf(baseRoot, 'liveMap'))
      await walkDifference(snapshot.fileTree, baseRoot?.fileTree ?? null, this.fileSteps(true))
      await this.flushRecords()
    }
  }

  private async readBase(pointer: NodePointer): Promise<Uint8Array> {
    try {
      return await this.parts.volume.readNode(pointer)
    } catch (error) {
      if (!hasCode(error, 'corrupt')) throw error
      throw new Refusal('damaged-base', `the CP that this mirror has is damaged: ${error.message}`)
    }
  }

  // --- Blocks ---

  /** Obtains nodes. The walk needs the bytes of each node, so every node is read. */
  private async obtain(pointers: readonly NodePointer[]): Promise<(Uint8Array | null)[]> {
    const results = new Array<Uint8Array | null>(pointers.length).fill(null)
    const ranges: { address: number; blocks: number; index: number; sum: Uint8Array }[] = []
    for (const [index, { address, sum }] of pointers.entries()) {
      this.inside(address, 1)
      this.inUsedMap(address, 1)
      const known = this.nodeSums.get(address)
      if (known && !equalBytes(known, sum)) {
        throw new Refusal('bad-root', `block ${address} has two checksums`)
      }
      // A snapshot shares this node, and this pass has walked the node already.
      if (known) continue
      this.nodeSums.set(address, sum)
      this.parts.claimed.add(address, 1)
      ranges.push({ address, blocks: 1, index, sum })
    }
    const { presence } = this.parts
    for (const isPresent of [true, false]) {
      const some = ranges.filter(({ address, sum }) => presence.has(address, 1, sum) === isPresent)
      await this.read(some, !isPresent, (range, bytes) => {
        if (bytes && equalBytes(sha256(bytes), range.sum)) results[range.index] = bytes
        else this.miss(range.address, 1)
      })
    }
    return results
  }

  private async flushRecords(): Promise<void> {
    const records = this.records
    this.records = []
    this.recordsBlocks = 0
    const { claimed, presence } = this.parts
    const unknown: BlockPointer[] = []
    for (const { pointer, isAgain } of records) {
      const { address, blocks, sum } = pointer
      if (claimed.hasAll(address, blocks) && !isAgain) continue
      claimed.add(address, blocks)
      if (!presence.has(address, blocks, sum)) unknown.push(pointer)
    }
    await this.read(unknown, true, (pointer, bytes) => {
      const payload = bytes?.subarray(0, pointer.payloadBytes)
      if (!bytes || !payload || !equalBytes(recordSum(payload, this.sums), pointer.sum)) {
        this.miss(pointer.address, pointer.blocks)
      } else if (!isZero(bytes, pointer.payloadBytes, bytes.length)) this.clean(pointer, bytes)
    })
  }

  /**
   * Zeros follow a record in its last block. Other bytes that came there with a difference are damage of the
   * primary's device: no sum covers them, and another copy of the block would have them too. So the mirror writes the
   * zeros itself. The root is published only after these zeros are written and synced.
   */
  private clean({ address, blocks, payloadBytes }: BlockPointer, bytes: Uint8Array): void {
    const last = blocks - 1
    // When the target is given up during the read, the block may belong to another root by now.
    if (this.parts.isCancelled() || this.parts.volume.retention.uses(address + last, 1)) return
    const block = bytes.slice(last * blockBytes)
    block.fill(0, payloadBytes - last * blockBytes)
    this.parts.pipeline.put([{ address: address + last, bytes: block }])
  }

  private read<R extends BlockRun>(
    ranges: readonly R[],
    uncached: boolean,
    found: (range: R, bytes: Uint8Array | null) => void,
  ): Promise<void> {
    return readBack(this.parts.volume.device, this.parts.pipeline, ranges, uncached, found)
  }

  private miss(address: number, blocks: number): void {
    if (this.parts.volume.retention.uses(address, blocks)) {
      const where = blocks === 1 ? `block ${address}` : `blocks ${address} to ${address + blocks - 1}`
      throw new Refusal(
        'broken-hold',
        `${where} of cp ${this.target.root.cp} differ, and a retained root uses them`,
      )
    }
    this.parts.claimed.delete(address, blocks)
    this.missing.push({ address, blocks })
  }

  private inside(address: number, blocks: number): void {
    if (!isDataRun(this.geometry, address, blocks) || address + blocks > this.target.root.blockCount) {
      throw new Refusal('bad-root', `block ${address} lies outside of the volume`)
    }
  }

  private inUsedMap(address: number, blocks: number): void {
    for (let i = 0; this.targetUsed && i < blocks; i++) {
      if (!this.targetUsed.has(address + i)) {
        throw new Refusal('bad-root', `block ${address + i} is reached and not in the used map`)
      }
    }
  }

  private async pause(): Promise<void> {
    if (this.parts.isCancelled() || this.missing.length >= this.parts.wantsMax) throw new Enough()
    if (this.records.length >= recordsPerFlush || this.recordsBlocks >= recordBlocksPerFlush)
      await this.flushRecords()
    const { clock } = this.parts
    if (clock.monotonic() - this.sliceBeganMs < sliceMs) return
    await clock.yield()
    this.sliceBeganMs = clock.monotonic()
  }
}

interface MapTop {
  readonly top: NodePointer
  readonly levels: number
}

const mapOf = (root: Root, map: 'liveMap' | 'usedMap'): MapTop => ({
  top: root[map],
  levels: mapLevels(root.blocksMax),
})
