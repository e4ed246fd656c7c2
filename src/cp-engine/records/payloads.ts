/**
 * The bytes of records as they are stored: as they came, or in zstd where that saves a block at least.
 *
 * Decided for each record by itself, and said by its pointer, so a volume may hold both and the wish may change with
 * every start. What is within one block is never tried.
 */
import { blockBytes } from '../../format/geometry.ts'
import type { Encoding } from '../../format/pointer.ts'
import { pack, packNow } from '../../lib/zstd.ts'

/** What makes bytes shorter. */
export interface Packing {
  now(bytes: Uint8Array): Uint8Array
  /** In a thread: the bytes must not change meanwhile. */
  later(bytes: Uint8Array): Promise<Uint8Array>
}

export const zstd: Packing = { now: packNow, later: pack }

export interface Payload {
  /** What it holds of the bytes that were given: from here, so many. */
  readonly offset: number
  readonly length: number
  readonly bytes: Uint8Array
  readonly encoding: Encoding
}

export const blocksOf = (bytes: number): number => Math.ceil(bytes / blockBytes)

/** In records of `recordBytes`, uncopied. */
export function asTheyCame(raw: Uint8Array, recordBytes: number): Payload[] {
  if (raw.length <= recordBytes) return [{ offset: 0, length: raw.length, bytes: raw, encoding: 'raw' }]
  const payloads: Payload[] = []
  for (let offset = 0; offset < raw.length; offset += recordBytes) {
    const bytes = raw.subarray(offset, offset + recordBytes)
    payloads.push({ offset, length: bytes.length, bytes, encoding: 'raw' })
  }
  return payloads
}

export function packed(packing: Packing, raw: Uint8Array, recordBytes: number): Promise<Payload[]> {
  return Promise.all(
    asTheyCame(raw, recordBytes).map(async (payload) =>
      isWorthTrying(payload) ? shorter(payload, await packing.later(payload.bytes)) : payload,
    ),
  )
}

/** At once, as one record: while the bytes are so few that nobody has to wait for long. */
export function packedNow(packing: Packing, raw: Uint8Array): Payload[] {
  return asTheyCame(raw, raw.length).map((payload) =>
    isWorthTrying(payload) ? shorter(payload, packing.now(payload.bytes)) : payload,
  )
}

const isWorthTrying = ({ length }: Payload): boolean => length > blockBytes

const shorter = (raw: Payload, bytes: Uint8Array): Payload =>
  blocksOf(bytes.length) < blocksOf(raw.length) ? { ...raw, bytes, encoding: 'zstd' } : raw
