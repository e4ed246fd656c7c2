/** A set of block numbers: one bit for each block, in chunks that exist only where the set has a block. */
import { bitsInByte } from '../../cp-engine/space/space-map.ts'

export const chunkBlocks = 32768

export class BlockSet {
  private readonly chunks = new Map<number, Uint8Array>()
  private count = 0

  get size(): number {
    return this.count
  }

  has(block: number): boolean {
    const chunk = this.chunks.get(Math.floor(block / chunkBlocks))
    if (!chunk) return false
    const bit = block % chunkBlocks
    return (chunk[bit >>> 3]! & (1 << (bit & 7))) !== 0
  }

  hasAny(address: number, blocks: number): boolean {
    for (let i = 0; i < blocks; i++) if (this.has(address + i)) return true
    return false
  }

  hasAll(address: number, blocks: number): boolean {
    for (let i = 0; i < blocks; i++) if (!this.has(address + i)) return false
    return true
  }

  /** Adds the set's blocks of the chunk to a mask of as many bits, the lowest bit first. */
  addTo(mask: Uint8Array, chunk: number): void {
    const bits = this.chunks.get(chunk)
    if (bits) for (let i = 0; i < bits.length; i++) mask[i]! |= bits[i]!
  }

  /** Number of blocks that both sets have. */
  countIn(other: BlockSet): number {
    let total = 0
    for (const [index, bits] of this.chunks) {
      const others = other.chunks.get(index)
      if (others) for (let i = 0; i < bits.length; i++) total += bitsInByte[bits[i]! & others[i]!]!
    }
    return total
  }

  add(address: number, blocks: number): void {
    for (let block = address; block < address + blocks; block++) {
      if (this.has(block)) continue
      const index = Math.floor(block / chunkBlocks)
      let chunk = this.chunks.get(index)
      if (!chunk) this.chunks.set(index, (chunk = new Uint8Array(chunkBlocks / 8)))
      const bit = block % chunkBlocks
      chunk[bit >>> 3]! |= 1 << (bit & 7)
      this.count++
    }
  }

  delete(address: number, blocks: number): void {
    for (let block = address; block < address + blocks; block++) {
      if (!this.has(block)) continue
      const bit = block % chunkBlocks
      this.chunks.get(Math.floor(block / chunkBlocks))![bit >>> 3]! &= ~(1 << (bit & 7))
      this.count--
    }
  }
}
