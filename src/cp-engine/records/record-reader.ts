/**
 * The reader of the records of one image. A caller reads a whole record, a part of one, or a run of records that lie
 * behind each other; the answer comes as a promise, or at once.
 *
 * - The reader gives out only bytes that have been verified since they were read: the whole record, or the part that
 *   the caller asks for.
 * - A record that is still queued is given from the queue. The bytes of the record may not be on the device yet, and
 *   never change.
 */
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { blockBytes, recordBytesMax } from '../../format/geometry.ts'
import type { BlockPointer, RecordSums } from '../../format/pointer.ts'
import { assert } from '../../lib/assert.ts'
import { BufferPool } from '../../lib/buffer-pool.ts'
import type { PartSums } from './part-sums.ts'
import { checkWithin, decodeRecord, readRecord } from './records.ts'

/** Bytes of the largest record that is read at once: a larger record is not worth the wait of all other callers. */
const nowBytesMax = 64 * 1024
const scratchRestingMax = 8

/** Parts that the readers of one volume share. */
interface RecordPlace {
  readonly device: BlockDevice
  readonly partSums: PartSums
  /** Buffers for records of which only a part is given out; no caller sees these buffers. */
  readonly scratch: BufferPool
}

export const newScratch = (): BufferPool => new BufferPool(scratchRestingMax * recordBytesMax)

/** Null means that the record is on the device. */
type FindQueued = (pointer: BlockPointer) => Uint8Array | null
const nothingQueued: FindQueued = () => null

export class RecordReader {
  constructor(
    private readonly place: RecordPlace,
    readonly sums: RecordSums,
    private readonly queued: FindQueued = nothingQueued,
  ) {}

  async whole(pointer: BlockPointer): Promise<Uint8Array> {
    const queued = this.queued(pointer)
    return queued
      ? decodeRecord(queued, pointer, this.sums)
      : readRecord(this.place.device, pointer, this.sums)
  }

  /** Null when the device would have to wait for the record, or when the record is too large to be read at once. */
  wholeNow(pointer: BlockPointer, target: Uint8Array | null = null): Uint8Array | null {
    const { sums } = this
    const queued = this.queued(pointer)
    if (queued) return decodeRecord(queued, pointer, sums)
    if (pointer.payloadBytes > nowBytesMax) return null
    const { device } = this.place
    checkWithin(device, pointer)
    const bytes = pointer.blocks * blockBytes
    const blocks = target ? target.subarray(0, bytes) : new Uint8Array(bytes)
    assert(blocks.length === bytes, 'a target has room for the record')
    return device.readNow(pointer.address, blocks) ? decodeRecord(blocks, pointer, sums) : null
  }

  /**
   * Bytes [start, end) of the record. The answer never shares a buffer that is used again. A record whose parts are
   * not remembered is verified whole.
   */
  async part(pointer: BlockPointer, start: number, end: number): Promise<Uint8Array> {
    const { sums } = this
    const queued = this.queued(pointer)
    if (queued) return decodeRecord(queued, pointer, sums).subarray(start, end)
    const { device, partSums, scratch } = this.place
    const extent = partSums.extentOf(pointer, start, end, sums)
    if (extent) {
      checkWithin(device, pointer)
      const blocks = new Uint8Array(extent.bytes)
      const address = pointer.address + extent.from / blockBytes
      if (!device.readNow(address, blocks)) await device.read(address, blocks)
      const part = partSums.verified(pointer, extent.from, blocks, start, end, sums)
      if (part) return part
    }
    if (end - start > pointer.payloadBytes / 2) return (await this.whole(pointer)).subarray(start, end)
    checkWithin(device, pointer)
    const taken = scratch.take(recordBytesMax)
    const blocks = taken.subarray(0, pointer.blocks * blockBytes)
    try {
      if (!device.readNow(pointer.address, blocks)) await device.read(pointer.address, blocks)
    } catch (error) {
      // The device may still be writing into the buffer.
      scratch.giveUp(taken)
      throw error
    }
    try {
      const payload = decodeRecord(blocks, pointer, sums)
      partSums.learn(pointer, payload, sums)
      return payload.slice(start, end)
    } finally {
      scratch.giveBack(taken)
    }
  }

  /** The same as `part`, but at once and through `target`; null where the device would wait, or `target` is small. */
  partNow(pointer: BlockPointer, start: number, end: number, target: Uint8Array): Uint8Array | null {
    const { sums } = this
    const queued = this.queued(pointer)
    if (queued) return decodeRecord(queued, pointer, sums).subarray(start, end)
    const { device, partSums } = this.place
    checkWithin(device, pointer)
    const extent = partSums.extentOf(pointer, start, end, sums)
    if (extent && extent.bytes <= target.length) {
      const blocks = target.subarray(0, extent.bytes)
      if (!device.readNow(pointer.address + extent.from / blockBytes, blocks)) return null
      const part = partSums.verified(pointer, extent.from, blocks, start, end, sums)
      if (part) return part
    }
    const bytes = pointer.blocks * blockBytes
    if (bytes > target.length) return null
    const blocks = target.subarray(0, bytes)
    if (!device.readNow(pointer.address, blocks)) return null
    const payload = decodeRecord(blocks, pointer, sums)
    partSums.learn(pointer, payload, sums)
    return payload.subarray(start, end)
  }

  /** See `TreeView.recordRun`. */
  async run(pointers: readonly BlockPointer[], target: Uint8Array): Promise<Uint8Array[]> {
    // A buffer that is still queued is as good as the device's copy, and needs no copy.
    if (pointers.some((pointer) => this.queued(pointer)))
      return Promise.all(pointers.map((pointer) => this.whole(pointer)))
    const { device } = this.place
    const first = pointers[0]!.address
    const blocks = target.length / blockBytes
    checkWithin(device, { address: first, blocks })
    await device.read(first, target)
    let next = 0
    return pointers.map((pointer) => {
      assert(pointer.address === first + next && next + pointer.blocks <= blocks, 'a run has no gap')
      const from = next * blockBytes
      next += pointer.blocks
      return decodeRecord(target.subarray(from, next * blockBytes), pointer, this.sums)
    })
  }
}
