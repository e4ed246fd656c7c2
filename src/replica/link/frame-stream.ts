/**
 * Takes a stream of bytes apart into frames, however it was cut into chunks.
 *
 * - Memory is bounded by one frame: head, body and data are limited before they are taken in.
 * - A damaged head or body ends the stream (`corrupt`): where the next frame begins is not known any more. Damaged
 *   blocks do not: the run is left out and counted.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { blockBytes } from '../../format/geometry.ts'
import { decodeFrame, frameHeadBytes, frameLengths, wireSumOf } from '../../format/wire/frames.ts'
import type { Claim, Message } from '../../format/wire/messages.ts'

/** Blocks that arrived as they were sent. */
export interface ReceivedRun {
  readonly address: number
  readonly blocks: number
  /** The sum of one that was made from a patch is empty: it is computed here. */
  readonly claim: Claim | null
  readonly bytes: Uint8Array
}

export interface ReceivedFrame {
  readonly message: Message
  readonly runs: readonly ReceivedRun[]
  /** Runs that were damaged on the way. */
  readonly damaged: number
  /** What travelled. */
  readonly bytes: number
}

export class FrameStream {
  private readonly head = new Uint8Array(frameHeadBytes)
  private frame: Uint8Array | null = null
  private data: Uint8Array | null = null
  /** Of the frame whose data is being filled; null when its kind is not known here. */
  private message: Message | null = null
  /** Bytes that the part which is being filled has. */
  private filled = 0

  /** True between two frames: what ends here was not cut. */
  get isAtBoundary(): boolean {
    return this.frame === null && this.filled === 0
  }

  /** The frames that this chunk completes; those of an unknown kind are left out. */
  *push(chunk: Uint8Array): Generator<ReceivedFrame> {
    let at = 0
    for (;;) {
      const part = this.data ?? this.frame ?? this.head
      const taken = Math.min(part.length - this.filled, chunk.length - at)
      part.set(chunk.subarray(at, at + taken), this.filled)
      this.filled += taken
      at += taken
      if (this.filled < part.length) return
      const done = this.completed()
      if (done) yield done
      if (at === chunk.length && (this.data ?? this.frame ?? this.head).length > this.filled) return
    }
  }

  private completed(): ReceivedFrame | null {
    if (!this.frame) {
      this.frame = new Uint8Array(frameHeadBytes + frameLengths(this.head).body)
      this.frame.set(this.head)
      this.filled = frameHeadBytes
      return null
    }
    if (!this.data) {
      // The length of the data is believed only after the checksum.
      const message = decodeFrame(this.frame)
      const { data } = frameLengths(this.frame)
      this.message = message
      this.data = new Uint8Array(data)
      this.filled = 0
      return null
    }
    const { message, data } = this
    const bytes = this.frame.length + data.length
    this.frame = null
    this.data = null
    this.message = null
    this.filled = 0
    return message ? { message, bytes, ...takeRuns(message, data) } : null
  }
}

function takeRuns(message: Message, data: Uint8Array): { runs: ReceivedRun[]; damaged: number } {
  const runs: ReceivedRun[] = []
  let damaged = 0
  if (message.kind !== 'blocks') return { runs, damaged }
  let at = 0
  for (const { address, blocks, claim, wireSum } of message.runs) {
    const bytes = data.subarray(at, at + blocks * blockBytes)
    at += bytes.length
    if (equalBytes(wireSumOf(bytes), wireSum)) runs.push({ address, blocks, claim, bytes })
    else damaged++
  }
  return { runs, damaged }
}
