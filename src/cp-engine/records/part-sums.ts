/**
 * Sums of the parts of large records, made when a record has been verified whole: a later read of a part verifies that
 * part alone, and is as sure of it.
 *
 * - A place answers for one address and one sum of a record, so for one content: what has been written there since has
 *   another sum.
 * - It says yes or nothing: bytes that do not match are for the sum of the record to judge.
 * - A fixed number of places, taken when the first is needed; a newer record takes that of an older one.
 * - Only for XXH3: where the sums have to hold against malice every record is read whole.
 */
import { assert } from '../../lib/assert.ts'
import { blockBytes, recordBytesDefault } from '../../format/geometry.ts'
import { type BlockPointer, type RecordSums, recordSum } from '../../format/pointer.ts'

const placesLog2 = 15
const partsMax = 16
const partBytesMin = 16 * 1024
const sumBytes = 8
/** Address, the sum of the record, the sums of its parts. */
const placeBytes = sumBytes * (2 + partsMax)

/** Parts are whole blocks, and at most `partsMax`. */
const partBytesOf = ({ payloadBytes }: BlockPointer): number =>
  Math.max(partBytesMin, 2 ** Math.ceil(Math.log2(payloadBytes / partsMax)))

export class PartSums {
  private places: { readonly bytes: Uint8Array; readonly addresses: Float64Array } | null = null

  /** Remembers a record whose payload has just been verified. */
  learn(pointer: BlockPointer, payload: Uint8Array, sums: RecordSums): void {
    if (!isPartitioned(pointer, sums)) return
    assert(payload.length === pointer.payloadBytes, 'a raw payload is as long as its pointer says')
    this.places ??= emptyPlaces()
    const { bytes, addresses } = this.places
    const at = placeOf(pointer)
    addresses[at / sumBytes] = pointer.address
    bytes.set(pointer.sum, at + sumBytes)
    const size = partBytesOf(pointer)
    let to = at + 2 * sumBytes
    for (let from = 0; from < payload.length; from += size, to += sumBytes)
      bytes.set(recordSum(payload.subarray(from, from + size), sums), to)
  }

  /** The blocks that have bytes [start, end) of a record that is remembered, as parts of it; else null. */
  extentOf(
    pointer: BlockPointer,
    start: number,
    end: number,
    sums: RecordSums,
  ): { readonly from: number; readonly bytes: number } | null {
    if (!this.places || !isPartitioned(pointer, sums) || !this.has(pointer)) return null
    const size = partBytesOf(pointer)
    const from = Math.floor(start / size) * size
    const to = Math.min(Math.ceil(end / size) * size, pointer.blocks * blockBytes)
    return { from, bytes: to - from }
  }

  /** Bytes [start, end) of the record, out of what was read of that extent; null unless the parts match. */
  verified(
    pointer: BlockPointer,
    from: number,
    extent: Uint8Array,
    start: number,
    end: number,
    sums: RecordSums,
  ): Uint8Array | null {
    if (!this.places || !this.has(pointer)) return null
    const { bytes } = this.places
    const size = partBytesOf(pointer)
    const payload = extent.subarray(0, Math.min(extent.length, pointer.payloadBytes - from))
    let expected = placeOf(pointer) + (2 + from / size) * sumBytes
    for (let at = 0; at < payload.length; at += size, expected += sumBytes) {
      const sum = recordSum(payload.subarray(at, at + size), sums)
      if (!hasAt(bytes, expected, sum)) return null
    }
    return payload.subarray(start - from, end - from)
  }

  private has(pointer: BlockPointer): boolean {
    const { bytes, addresses } = this.places!
    const at = placeOf(pointer)
    return addresses[at / sumBytes] === pointer.address && hasAt(bytes, at + sumBytes, pointer.sum)
  }
}

/** A smaller record is read whole as fast. */
const isPartitioned = ({ encoding, payloadBytes }: BlockPointer, { kind }: RecordSums): boolean =>
  kind === 'xxh3' && encoding === 'raw' && payloadBytes > recordBytesDefault

function emptyPlaces() {
  const bytes = new Uint8Array(placeBytes * 2 ** placesLog2)
  const addresses = new Float64Array(bytes.buffer)
  // No record is at a negative address.
  for (let i = 0; i < addresses.length; i += placeBytes / sumBytes) addresses[i] = -1
  return { bytes, addresses }
}

/** Neighbours go to places that are far apart. */
const placeOf = ({ address }: BlockPointer): number =>
  (Math.imul(address, 0x9e37_79b1) >>> (32 - placesLog2)) * placeBytes

function hasAt(bytes: Uint8Array, at: number, sum: Uint8Array): boolean {
  for (let i = 0; i < sumBytes; i++) if (bytes[at + i] !== sum[i]) return false
  return true
}
