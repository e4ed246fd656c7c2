/**
 * What is given back is overwritten, in every test that asks for it: the harnesses of engine, files, door, mirror and
 * laboratory do. So a use after the end of a loan shows as wrong bytes in whatever compares bytes, and needs no test of its
 * own.
 *
 * | what                          | is over when                                               |
 * |-------------------------------|------------------------------------------------------------|
 * | a buffer of a pool            | it is given back; a buffer that is lent has anything in it |
 * | the buffers of nodes          | the same                                                   |
 * | a frame of the node cache     | it is released                                             |
 * | the buffer of the intent log  | its group is written                                       |
 * | what a read at once gives     | the synchronous step that asked has ended                  |
 * | blocks of a device            | the allocator may give them to something else: see `scribbled.ts` |
 */
import { IntentLog } from '../../src/cp-engine/log/intent-log.ts'
import { RecordReader } from '../../src/cp-engine/records/record-reader.ts'
import { NodeBuffers } from '../../src/cp-engine/tree/node-buffers.ts'
import { NodeCache } from '../../src/cp-engine/tree/node-cache.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { BufferPool } from '../../src/lib/buffer-pool.ts'

export const poison = 0xdb

const isIn = (part: Uint8Array, whole: Uint8Array): boolean => part.buffer === whole.buffer

function poisonBuffers(): void {
  const { take, giveBack } = BufferPool.prototype
  BufferPool.prototype.take = function (bytes) {
    return take.call(this, bytes).fill(poison)
  }
  BufferPool.prototype.giveBack = function (part) {
    if (this['lentOut'].has(part.buffer)) new Uint8Array(part.buffer).fill(poison)
    giveBack.call(this, part)
  }

  const nodes = { take: NodeBuffers.prototype.take, giveBack: NodeBuffers.prototype.giveBack }
  NodeBuffers.prototype.take = function (count) {
    return nodes.take.call(this, count).map((buffer) => buffer.fill(poison))
  }
  NodeBuffers.prototype.giveBack = function (buffers) {
    for (const buffer of buffers) buffer.fill(poison)
    nodes.giveBack.call(this, buffers)
  }
}

function poisonFrames(): void {
  const { release } = NodeCache.prototype
  NodeCache.prototype.release = function (frame) {
    release.call(this, frame)
    this.bytes.fill(poison, frame * blockBytes, (frame + 1) * blockBytes)
  }
}

function poisonGroups(): void {
  const log = IntentLog.prototype as unknown as {
    buffer: Uint8Array
    writeRing(position: number, bytes: Uint8Array): Promise<void>
  }
  const { writeRing } = log
  log.writeRing = async function (position, bytes) {
    await writeRing.call(this, position, bytes)
    if (isIn(bytes, this.buffer)) bytes.fill(poison)
  }
}

/** The target of a read at once is used again by the next one. */
function poisonReadsAtOnce(): void {
  const over = (bytes: Uint8Array | null, target: Uint8Array | null): Uint8Array | null => {
    if (bytes && target && isIn(bytes, target)) queueMicrotask(() => void bytes.fill(poison))
    return bytes
  }
  const { wholeNow, partNow } = RecordReader.prototype
  RecordReader.prototype.wholeNow = function (pointer, target) {
    return over(wholeNow.call(this, pointer, target), target ?? null)
  }
  RecordReader.prototype.partNow = function (pointer, start, end, target) {
    return over(partNow.call(this, pointer, start, end, target), target)
  }
}

let isDone = false

/** Once in a process, whichever of its test files asks first. */
export function poisonWhatIsGivenBack(): void {
  if (isDone) return
  isDone = true
  poisonBuffers()
  poisonFrames()
  poisonGroups()
  poisonReadsAtOnce()
}
