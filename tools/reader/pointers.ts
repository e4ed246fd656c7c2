import type { Bytes } from './bytes.ts'
import { blockBytes } from './blocks.ts'

/** Names an address block. Address 0: there is none. */
export interface NodePointer {
  readonly address: number
  readonly sum: Uint8Array
}

/** Names a run of data blocks with one record. */
export interface BlockPointer {
  readonly address: number
  readonly blocks: number
  readonly payloadBytes: number
  readonly encoding: number
  readonly sum: Uint8Array
}

export const nodePointerBytes = 40

export function nodePointer(bytes: Bytes, offset: number): NodePointer {
  const address = bytes.u48(offset)
  bytes.zeros(offset + 6, 2)
  if (address === 0) bytes.zeros(offset, nodePointerBytes, 'the pointer to nothing')
  return { address, sum: bytes.slice(offset + 8, 32) }
}

/** How many bytes a block pointer has under a root's kind of checksum: 1 is XXH3-64, 2 is SHA-256. */
export function blockPointerBytes(checksumKind: number): number {
  return checksumKind === 1 ? 24 : 48
}

export function blockPointer(bytes: Bytes, offset: number, checksumKind: number): BlockPointer {
  const length = blockPointerBytes(checksumKind)
  const pointer = {
    address: bytes.u48(offset),
    blocks: bytes.u16(offset + 6),
    payloadBytes: bytes.u32(offset + 8),
    encoding: bytes.u8(offset + 12),
    sum: bytes.slice(offset + 16, length - 16),
  }
  bytes.zeros(offset + 13, 3)
  bytes.want(pointer.address > 0, 'a block pointer has address 0')
  bytes.want(pointer.blocks >= 1 && pointer.blocks <= 256, 'a block pointer has a bad count of blocks')
  bytes.want(
    pointer.blocks === Math.ceil(pointer.payloadBytes / blockBytes),
    'the run is not what the payload needs',
  )
  bytes.want(pointer.encoding <= 1, 'a block pointer has an unknown encoding')
  return pointer
}
