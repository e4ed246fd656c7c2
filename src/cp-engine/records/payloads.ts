/**
 * The bytes of records as the device stores them: unchanged, or packed with zstd where packing saves a block at
 * least.
 *
 * - A record of nothing but zeros is not stored. A reader that finds no record reads zeros.
 * - Packing is decided for each record by itself, and the pointer names the encoding. So a volume may hold both
 *   kinds, and the option may change with every start.
 * - Bytes that fit one block are never packed.
 */
import { blockBytes } from '../../format/geometry.ts'
import type { Encoding } from '../../format/pointer.ts'
import { isZeros } from '../../lib/bytes.ts'
import { pack, packNow } from '../../lib/zstd.ts'

/** A method that makes bytes shorter. */
export interface Packing {
  now(bytes: Uint8Array): Uint8Array
  /** Packs in a thread: the caller must not change the bytes meanwhile. */
  later(bytes: Uint8Array): Promise<Uint8Array>
}

export const zstd: Packing = { now: packNow, later: pack }

export interface Payload {
  /** Place in the given bytes where this payload begins, and the number of the given bytes that the payload holds. */
  readonly offset: number
  readonly length: number
  readonly bytes: Uint8Array
  readonly encoding: Encoding
}

export const blocksOf = (bytes: number): number => Math.ceil(bytes / blockBytes)

/** Cuts the bytes into records of `recordBytes` without a copy, and leaves out records that would be zeros alone. */
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

/** Packs before the call returns, for bytes so few that no other caller has to wait for long. */
export function packedNow(packing: Packing, payloads: readonly Payload[]): Payload[] {
  return payloads.map((payload) =>
    isWorthTrying(payload) ? shorter(payload, packing.now(payload.bytes)) : payload,
  )
}

/** Blocks that the bytes take unpacked. No cut raises this number. */
export const rawBlocksOf = (payloads: readonly Payload[]): number =>
  payloads.reduce((sum, { length }) => sum + blocksOf(length), 0)

const isWorthTrying = ({ length }: Payload): boolean => length > blockBytes

const shorter = (raw: Payload, bytes: Uint8Array): Payload =>
  blocksOf(bytes.length) < blocksOf(raw.length) ? { ...raw, bytes, encoding: 'zstd' } : raw
