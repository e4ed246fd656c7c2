/**
 * Buffers of one block that the nodes of consistency points are encoded into, used again: memory that is touched for the
 * first time costs more than hashing a node.
 *
 * Whoever takes a buffer owns it. It comes back only when the device has its bytes and no mirror has kept them; one that
 * does not come back is left to the collector.
 */
import { blockBytes } from '../format/geometry.ts'

/** Allocated together. */
const chunkBuffers = 64
/** Kept for the next CP: what one vectored write has. */
const keptMax = 2048

export class NodeBuffers {
  private readonly free: Uint8Array[] = []

  /** Its bytes are anything. */
  take(): Uint8Array {
    const buffer = this.free.pop()
    if (buffer) return buffer
    const chunk = new Uint8Array(chunkBuffers * blockBytes)
    for (let i = 1; i < chunkBuffers; i++)
      this.free.push(chunk.subarray(i * blockBytes, (i + 1) * blockBytes))
    return chunk.subarray(0, blockBytes)
  }

  giveBack(buffers: readonly Uint8Array[]): void {
    for (const buffer of buffers) {
      if (this.free.length >= keptMax) return
      this.free.push(buffer)
    }
  }
}
