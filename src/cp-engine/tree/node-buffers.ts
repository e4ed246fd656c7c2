/**
 * Buffers of one block that the nodes of consistency points are encoded into, used again: memory that is touched for the
 * first time costs more than hashing a node.
 *
 * Whoever takes buffers owns them. They come back only when the device has their bytes and no mirror has kept them; what
 * does not come back is left to the collector. Those that are taken together lie next to each other as far as possible,
 * so that what is next to each other on the device as well is one buffer of a write.
 */
import { blockBytes } from '../../format/geometry.ts'

/** Allocated together. */
const chunkBuffers = 32
/** Kept for the next CP: what one vectored write has. */
const keptMax = 2048

export class NodeBuffers {
  /** The next to be taken is the last. */
  private readonly free: Uint8Array[] = []

  /** Their bytes are anything. */
  take(count: number): Uint8Array[] {
    const taken: Uint8Array[] = []
    while (taken.length < count) {
      if (this.free.length === 0) this.allocate()
      taken.push(this.free.pop()!)
    }
    return taken
  }

  /** In the order in which they were taken. */
  giveBack(buffers: readonly Uint8Array[]): void {
    const room = keptMax - this.free.length
    for (let i = Math.min(buffers.length, room) - 1; i >= 0; i--) this.free.push(buffers[i]!)
  }

  private allocate(): void {
    const chunk = new Uint8Array(chunkBuffers * blockBytes)
    for (let i = chunkBuffers - 1; i >= 0; i--)
      this.free.push(chunk.subarray(i * blockBytes, (i + 1) * blockBytes))
  }
}
