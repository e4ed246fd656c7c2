/**
 * Streams a long part of a file, in order, window by window.
 *
 * - A window is read into a buffer that is used again: the first touch of fresh memory costs more than a read into
 *   that memory. So the bytes belong to the reader only until the reader asks for more.
 * - For a reader that keeps up, the next window is read while the last one is being sent; all streams together have
 *   at most `aheadMax` buffers for that. A reader that has not shown yet that it keeps up, or does not, gets smaller
 *   windows, and holds none while it waits.
 * - Windows lie at multiples of their size, so the records of a window are read whole and once.
 */
import type { BufferPool } from '../../lib/buffer-pool.ts'
import { type ByteStream, bufferedBytesMax } from '../contract.ts'

const windowBytesMax = bufferedBytesMax
/** A window for a slow reader has the size of a record of a large file. */
const slowWindowBytes = 256 * 1024
const aheadMax = 32
/** Limit for the resting buffers of all streams of one volume. */
export const restingWindowBytesMax = 8 * windowBytesMax

export type LoadWindow = (start: number, end: number, buffer: Uint8Array) => Promise<Uint8Array[]>

interface Window {
  readonly buffer: Uint8Array
  readonly parts: Promise<Uint8Array[]>
}

export class FileStream implements ByteStream {
  private parts: Uint8Array[] = []
  /** Buffer that `parts` lie in. */
  private buffer: Uint8Array | null = null
  private ahead: Window | null = null
  private windowBytes = slowWindowBytes
  private isClosed = false

  constructor(
    private readonly load: LoadWindow,
    private at: number,
    private readonly end: number,
    /** Buffers of all streams of the volume. */
    private readonly buffers: BufferPool,
  ) {}

  needs(): number {
    return this.parts.length > 0 || this.ahead || this.at >= this.end ? 0 : this.windowBytes
  }

  async next(): Promise<Uint8Array | null> {
    for (;;) {
      const part = this.parts.shift()
      if (part) return part
      this.letGo()
      const window = this.ahead ?? this.begin()
      this.ahead = null
      if (!window) return null
      try {
        this.parts = await window.parts
      } catch (error) {
        // A read may still be filling the buffer.
        this.buffers.giveUp(window.buffer)
        throw error
      }
      this.buffer = window.buffer
      if (this.isClosed) this.close()
    }
  }

  readAhead(): void {
    this.windowBytes = windowBytesMax
    if (!this.ahead && this.buffers.lent < aheadMax) this.ahead = this.begin()
  }

  rest(): void {
    this.windowBytes = slowWindowBytes
    if (this.parts.length === 0) this.letGo()
  }

  close(): void {
    this.isClosed = true
    this.at = this.end
    this.parts = []
    this.letGo()
    const { buffer, parts } = this.ahead ?? {}
    this.ahead = null
    if (!buffer || !parts) return
    parts.then(
      () => this.buffers.giveBack(buffer),
      () => this.buffers.giveUp(buffer),
    )
  }

  private letGo(): void {
    if (this.buffer) this.buffers.giveBack(this.buffer)
    this.buffer = null
  }

  private begin(): Window | null {
    if (this.at >= this.end) return null
    const from = this.at
    const size = this.windowBytes
    this.at = Math.min(this.end, (Math.floor(from / size) + 1) * size)
    const buffer = this.buffers.take(size)
    const parts = this.load(from, this.at, buffer)
    // A reader that awaits the window gets its failure; after a stream is given up, no reader awaits the window.
    parts.catch(() => {})
    return { buffer, parts }
  }
}
