/**
 * Sums of the parts of large records. The sums are made when a reader has verified a whole record, so that a later
 * read of a part verifies that part alone, with the same certainty.
 *
 * - A place answers for one address and one sum of a record, so for one content. A record that was written to the
 *   same address later has another sum.
 * - A check of parts says yes or nothing: for bytes that do not match, the sum of the whole record decides.
 * - The number of places is fixed, and their memory is taken with the first record; a newer record replaces an older
 *   one in its place.
 * - Parts have sums only where records have XXH3 sums. A record is always read whole where its sum has to hold
 *   against malice.
 */
import { assert } from '../../lib/assert.ts'
import { blockBytes, recordBytesDefault } from '../../format/geometry.ts'
import { type BlockPointer, type RecordSums, recordSum } from '../../format/pointer.ts'

const placesLog2 = 15
const partsMax = 16
const partBytesMin = 16 * 1024
const sumBytes = 8
/** Bytes of a place: address, sum of the record, sums of the parts. */
const placeBytes = sumBytes * (2 + partsMax)

/** Size of a part in bytes. Parts are whole blocks, and a record has at most `partsMax` parts. */
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

  /** The parts of a remembered record that have bytes [start, end), as a range of blocks; null for other records. */
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

  /** Bytes [start, end) of the record, taken from the bytes of that extent; null unless all parts match. */
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

/** A smaller record is read whole just as fast. */
const isPartitioned = ({ encoding, payloadBytes }: BlockPointer, { kind }: RecordSums): boolean =>
  kind === 'xxh3' && encoding === 'raw' && payloadBytes > recordBytesDefault

function emptyPlaces() {
  const bytes = new Uint8Array(placeBytes * 2 ** placesLog2)
  const addresses = new Float64Array(bytes.buffer)
  // No record is at a negative address.
  for (let i = 0; i < addresses.length; i += placeBytes / sumBytes) addresses[i] = -1
  return { bytes, addresses }
}

/** The hash sends neighbouring addresses to places that are far apart. */
const placeOf = ({ address }: BlockPointer): number =>
  (Math.imul(address, 0x9e37_79b1) >>> (32 - placesLog2)) * placeBytes

function hasAt(bytes: Uint8Array, at: number, sum: Uint8Array): boolean {
  for (let i = 0; i < sumBytes; i++) if (bytes[at + i] !== sum[i]) return false
  return true
}
