/**
 * Takes a stream of bytes apart into frames, however the stream was cut into chunks.
 *
 * - Memory is bounded by one frame: head, body and data are limited before the stream takes them in.
 * - A damaged head or body ends the stream (`corrupt`), because the begin of the next frame is unknown then. A
 *   damaged run of blocks does not end the stream: the run is left out and counted.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { blockBytes } from '../../format/geometry.ts'
import { decodeFrame, frameHeadBytes, frameLengths, wireSumOf } from '../../format/wire/frames.ts'
import type { Claim, Message } from '../../format/wire/messages.ts'

/** A run of blocks that arrived undamaged. */
export interface ReceivedRun {
  readonly address: number
  readonly blocks: number
  /** A run that was made from a patch claims an empty sum: the mirror computes the sum. */
  readonly claim: Claim | null
  readonly bytes: Uint8Array
}

export interface ReceivedFrame {
  readonly message: Message
  readonly runs: readonly ReceivedRun[]
  /** Number of runs that were damaged on the way. */
  readonly damaged: number
  /** Bytes that travelled. */
  readonly bytes: number
}

export class FrameStream {
  private readonly head = new Uint8Array(frameHeadBytes)
  private frame: Uint8Array | null = null
  private data: Uint8Array | null = null
  /** Message of the frame whose data arrives now; null when this side does not know the kind. */
  private message: Message | null = null
  /** Bytes that the part has which is being filled. */
  private filled = 0

  /** True between two frames: a stream that ends here was not cut. */
  get isAtBoundary(): boolean {
    return this.frame === null && this.filled === 0
  }

  /** Yields the frames that this chunk completes; frames of an unknown kind are left out. */
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
      // The length of the data is believed only after the checksum of the frame is checked.
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
