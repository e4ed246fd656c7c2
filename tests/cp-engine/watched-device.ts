/**
 * A memory device that knows which blocks must stay as they are: whatever a root uses that one of the four superblock
 * copies names, as they are on the device now, and whatever the test protects. Every write is checked against it (I1).
 */
import { toHex } from '../../src/lib/bytes.ts'
import { sha256 } from '../../src/lib/checksum.ts'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import type { WriteRun } from '../../src/blockdev/block-device.ts'
import { blockBytes, superblockAddress, superblockCopyBlocks } from '../../src/format/geometry.ts'
import { decodeRoot } from '../../src/format/disk/root.ts'
import { decodeSuperblock } from '../../src/format/disk/superblock.ts'
import type { Superblock } from '../../src/format/disk/superblock.ts'
import { SpaceMap } from '../../src/cp-engine/space/space-map.ts'
import { isFixedBlock } from './fixed-blocks.ts'
import { smallGeometry } from './workload.ts'

const copies = [0, 1].flatMap((slot) => [0, 1].map((copy) => ({ slot, at: superblockAddress(slot, copy) })))

export class WatchedDevice extends MemoryDevice {
  /** Roots that readers, pins and holds of the test name, by hash. */
  protect: () => Iterable<string> = () => []
  private readonly maps = new Map<string, SpaceMap>()
  private named = new Set<string>()
  writes = 0

  constructor(readonly mebibytes: number) {
    super()
  }

  override async write(runs: readonly WriteRun[]): Promise<void> {
    const geometry = smallGeometry(this.mebibytes)
    const maps = [...this.named, ...this.protect()].map((hash) => this.maps.get(hash)!)
    for (const { address, bytes } of runs)
      for (let i = 0; i < bytes.length / blockBytes; i++) {
        if (isFixedBlock(geometry, address + i)) continue
        this.writes++
        if (maps.some((map) => map.has(address + i)))
          throw new Error(`block ${address + i} is in use, and written`)
      }
    await super.write(runs)
    if (runs.some(({ address }) => copies.some(({ at }) => at === address))) await this.readSuperblocks()
  }

  /** What the superblocks on the device name is protected from now on; their maps are read while they are whole. */
  async readSuperblocks(): Promise<void> {
    const named = new Set<string>()
    for (const { slot, at } of copies) {
      const superblock = await this.superblock(slot, at)
      if (superblock) await this.name(superblock, named)
    }
    this.named = named
  }

  async superblock(slot: number, at: number): Promise<Superblock | null> {
    const bytes = new Uint8Array(superblockCopyBlocks * blockBytes)
    await this.read(at, bytes)
    return decodeSuperblock(bytes, slot)
  }

  /** Of the slot with the highest generation. */
  async newest(): Promise<Superblock> {
    const all = await Promise.all(copies.map(({ slot, at }) => this.superblock(slot, at)))
    return all.filter((each) => each !== null).sort((a, b) => b.generation - a.generation)[0]!
  }

  private async name({ root, holds }: Superblock, named: Set<string>): Promise<void> {
    const addresses = [root!.address, ...holds.map((hold) => hold.root.address)]
    const hashes = [sha256(root!.bytes), ...holds.map((hold) => hold.root.sum)]
    for (const [i, hash] of hashes.entries()) {
      const name = toHex(hash)
      if (!this.maps.has(name)) this.maps.set(name, await this.load(addresses[i]!, hash))
      named.add(name)
    }
  }

  private async load(address: number, hash: Uint8Array): Promise<SpaceMap> {
    const node = async (at: number, sum: Uint8Array) => {
      const bytes = new Uint8Array(blockBytes)
      await this.read(at, bytes)
      if (toHex(sha256(bytes)) !== toHex(sum))
        throw new Error(`block ${at} of a named root is not what it was`)
      return bytes
    }
    const root = decodeRoot(await node(address, hash))
    const { blocksMax } = smallGeometry(this.mebibytes)
    return SpaceMap.load('used', blocksMax, root.usedMap, (pointer) => node(pointer.address, pointer.sum))
  }
}
