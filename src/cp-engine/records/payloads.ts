/**
 * The bytes of records as they are stored: as they came, or in zstd where that saves a block at least.
 *
 * - A record of zeros alone is none: whoever reads finds nothing there, and takes that for zeros.
 * - Packing is decided for each record by itself, and said by its pointer, so a volume may hold both and the wish may
 *   change with every start. What is within one block is never tried.
 */
import { blockBytes } from '../../format/geometry.ts'
import type { Encoding } from '../../format/pointer.ts'
import { isZeros } from '../../lib/bytes.ts'
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

/** In records of `recordBytes`, uncopied, without those that would be zeros alone. */
export function asTheyCame(raw: Uint8Array, recordBytes: number): Payload[] {
  const payloads: Payload[] = []
  for (let offset = 0; offset < raw.length; offset += recordBytes) {
    const bytes = raw.length <= recordBytes ? raw : raw.subarray(offset, offset + recordBytes)
    if (!isZeros(bytes)) payloads.push({ offset, length: bytes.length, bytes, encoding: 'raw' })
  }
  return payloads
}

export function packed(packing: Packing, payloads: readonly Payload[]): Promise<Payload[]> {
  return Promise.all(
    payloads.map(async (payload) =>
      isWorthTrying(payload) ? shorter(payload, await packing.later(payload.bytes)) : payload,
    ),
  )
}

/** At once: while the bytes are so few that nobody has to wait for long. */
export function packedNow(packing: Packing, payloads: readonly Payload[]): Payload[] {
  return payloads.map((payload) =>
    isWorthTrying(payload) ? shorter(payload, packing.now(payload.bytes)) : payload,
  )
}

/** The blocks that the bytes take as they came: no cut makes them more. */
export const rawBlocksOf = (payloads: readonly Payload[]): number =>
  payloads.reduce((sum, { length }) => sum + blocksOf(length), 0)

const isWorthTrying = ({ length }: Payload): boolean => length > blockBytes

const shorter = (raw: Payload, bytes: Uint8Array): Payload =>
  blocksOf(bytes.length) < blocksOf(raw.length) ? { ...raw, bytes, encoding: 'zstd' } : raw
