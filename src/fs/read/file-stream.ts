/**
 * A long part of a file, in order, window by window.
 *
 * - A window is read into a buffer that is used again: the first touch of fresh memory costs more than reading into it.
 *   So its bytes are the reader's only until it asks for more.
 * - Whoever keeps up has the next window read while the last one is being sent; all streams together have at most
 *   `aheadMax` buffers for that. Who does not keep up gets smaller windows, and holds none while it waits.
 * - Windows lie at multiples of their size, so the records of one are read whole and once.
 */
import { assert } from '../../lib/assert.ts'
import { type ByteStream, bufferedBytesMax } from '../contract.ts'

const windowBytesMax = bufferedBytesMax
/** A record of a large file. */
const slowWindowBytes = 256 * 1024
const aheadMax = 32
const restingMax = 8

/** Buffers of a window each. */
class WindowBuffers {
  private isLent = 0
  private readonly resting: Uint8Array[] = []

  get lent(): number {
    return this.isLent
  }

  take(): Uint8Array {
    this.isLent++
    return this.resting.pop() ?? new Uint8Array(windowBytesMax)
  }

  /** `isFree`: nobody reads or fills it any more. */
  giveBack(buffer: Uint8Array, isFree: boolean): void {
    this.isLent--
    assert(this.isLent >= 0 && !this.resting.includes(buffer), 'a buffer comes back once')
    if (isFree && this.resting.length < restingMax) this.resting.push(buffer)
  }
}

const buffers = new WindowBuffers()

export type LoadWindow = (start: number, end: number, buffer: Uint8Array) => Promise<Uint8Array[]>

interface Window {
  readonly buffer: Uint8Array
  readonly parts: Promise<Uint8Array[]>
}

export class FileStream implements ByteStream {
  private parts: Uint8Array[] = []
  /** What `#parts` lie in. */
  private buffer: Uint8Array | null = null
  private ahead: Window | null = null
  private windowBytes = windowBytesMax
  private isClosed = false

  constructor(
    private readonly load: LoadWindow,
    private at: number,
    private readonly end: number,
  ) {}

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
        // Something may still be filling it.
        buffers.giveBack(window.buffer, false)
        throw error
      }
      this.buffer = window.buffer
      if (this.isClosed) this.close()
    }
  }

  readAhead(): void {
    this.windowBytes = windowBytesMax
    if (!this.ahead && buffers.lent < aheadMax) this.ahead = this.begin()
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
      () => buffers.giveBack(buffer, true),
      () => buffers.giveBack(buffer, false),
    )
  }

  private letGo(): void {
    if (this.buffer) buffers.giveBack(this.buffer, true)
    this.buffer = null
  }

  private begin(): Window | null {
    if (this.at >= this.end) return null
    const from = this.at
    const size = this.windowBytes
    this.at = Math.min(this.end, (Math.floor(from / size) + 1) * size)
    const buffer = buffers.take()
    const parts = this.load(from, this.at, buffer)
    // Whoever awaits it hears of a failure; a stream that is given up leaves it to nobody.
    parts.catch(() => {})
    return { buffer, parts }
  }
}
