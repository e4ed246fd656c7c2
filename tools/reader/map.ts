import { BlockSet } from './blockset.ts'
import { Bytes, isZero } from './bytes.ts'
import type { Nodes } from './nodes.ts'
import { type NodePointer, nodePointer } from './pointers.ts'

const pageBlocks = 32_640
const fanout = 102

/** The level of a map's top: the lowest index level that reaches the size that the volume may grow to. */
function topLevel(blocksMax: number): number {
  let level = 1
  while (fanout ** level * pageBlocks < blocksMax) level += 1
  return level
}

/** Reads a map from its top: 1 is the live map, 2 the used map. The answer has the blocks whose bit is set. */
export class BlockMap {
  readonly bits = new BlockSet()
  private readonly nodes: Nodes
  private readonly map: number
  private readonly blockCount: number

  constructor(nodes: Nodes, map: 1 | 2, top: NodePointer, limits: { blockCount: number; blocksMax: number }) {
    this.nodes = nodes
    this.map = map
    this.blockCount = limits.blockCount
    this.readIndex(top, topLevel(limits.blocksMax), 0)
  }

  private head(pointer: NodePointer, kind: number, level: number, index: number): Bytes {
    const bytes = new Bytes(this.nodes.read(pointer, 'map'), 'map', pointer.address)
    bytes.head(kind)
    bytes.want(bytes.u8(2) === this.map, 'the block is of the other map')
    bytes.want(bytes.u8(3) === level && bytes.u32(4) === index, 'the level or index is wrong')
    bytes.zeros(8, 8)
    return bytes
  }

  private readIndex(pointer: NodePointer, level: number, index: number): void {
    const bytes = this.head(pointer, 5, level, index)
    bytes.want(!isZero(bytes.slice(16, 4080)), 'an index node has no child')
    for (let i = 0; i < fanout; i += 1) {
      const child = nodePointer(bytes, 16 + i * 40)
      if (child.address === 0) continue
      if (level === 1) this.readPage(child, index * fanout + i)
      else this.readIndex(child, level - 1, index * fanout + i)
    }
  }

  private readPage(pointer: NodePointer, index: number): void {
    const bytes = this.head(pointer, 4, 0, index)
    bytes.want(!isZero(bytes.slice(16, 4080)), 'a map page has no bit')
    for (const [at, byte] of bytes.slice(16, 4080).entries()) {
      for (let bit = 0; byte >> bit !== 0; bit += 1) {
        if (((byte >> bit) & 1) === 0) continue
        const block = index * pageBlocks + at * 8 + bit
        bytes.want(block < this.blockCount, 'a block behind the end of the volume is in use')
        this.bits.add(block)
      }
    }
  }
}
