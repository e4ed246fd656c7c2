/**
 * Buffers of one block each, which the nodes of consistency points are encoded into. The buffers are used again,
 * since the first touch of new memory costs more than hashing a node.
 *
 * - A caller that takes buffers owns them. A caller gives buffers back only when the device has their bytes and no
 *   mirror has kept them; the garbage collector frees all other buffers.
 * - Buffers that are taken together lie next to each other as far as possible. So nodes that are neighbours on the
 *   device as well become one buffer of a write.
 */
import { blockBytes } from '../../format/geometry.ts'

/** Buffers that are allocated together. */
const chunkBuffers = 32
/** Buffers that are kept for the next CP: as many as one vectored write has. */
const keptMax = 2048

export class NodeBuffers {
  /** Free buffers; the next one to be taken is the last. */
  private readonly free: Uint8Array[] = []

  /** Takes buffers with arbitrary content. */
  take(count: number): Uint8Array[] {
    const taken: Uint8Array[] = []
    while (taken.length < count) {
      if (this.free.length === 0) this.allocate()
      taken.push(this.free.pop()!)
    }
    return taken
  }

  /** Takes buffers back, in the order in which they were taken. */
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
