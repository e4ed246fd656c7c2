/** The set of blocks that a walk of a root has reached. */
import { isDataRun } from '../format/geometry.ts'
import type { Geometry } from '../format/geometry.ts'
import { blocksPerMapPage } from '../format/disk/map-page.ts'
import { noNode } from '../format/pointer.ts'
import { SpaceMap } from './space/space-map.ts'

/** Blocks that a walk has reached, each at most once. */
export class Reached {
  private readonly pages = new Map<number, Uint8Array>()

  constructor(
    private readonly geometry: Geometry,
    private readonly blockCount: number,
    private readonly find: (address: number, message: string) => void,
  ) {}

  /** False when a block is outside of the volume, fixed, or reached before: the walk must not follow the pointer. */
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
