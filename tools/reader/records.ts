import { type Blocks, blockBytes } from './blocks.ts'
import { equal, isZero } from './bytes.ts'
import { want } from './damage.ts'
import type { BlockPointer } from './pointers.ts'
import type { Root } from './root.ts'
import { sha256, xxh3 } from './sums.ts'
import { recordBytesMax, unpack } from './zstd.ts'

/** Reads records: first among the inline writes of the log, then on the device. */
export class Records {
  /** The payloads that the log has, by address. */
  readonly inline = new Map<number, Uint8Array>()
  private readonly blocks: Blocks
  private readonly root: Pick<Root, 'checksumKind' | 'seed'>

  constructor(blocks: Blocks, root: Pick<Root, 'checksumKind' | 'seed'>) {
    this.blocks = blocks
    this.root = root
  }

  /** The record that a pointer names. `onPadding` hears that something stands behind the payload. */
  read(pointer: BlockPointer, onPadding: () => void = () => {}): Uint8Array {
    return this.decode(pointer, this.payload(pointer, onPadding))
  }

  /** Fails when the payload has another sum than the pointer says. */
  verify(pointer: BlockPointer, payload: Uint8Array): void {
    const sum = this.root.checksumKind === 1 ? xxh3(payload, this.root.seed) : sha256(payload)
    want(equal(sum, pointer.sum), 'record', 'the sum is not that of the pointer', pointer.address)
  }

  /** Fails when the device has not the record that a pointer names. */
  verifyOnDevice(pointer: BlockPointer): void {
    this.verify(pointer, this.blocks.read(pointer.address, pointer.blocks).subarray(0, pointer.payloadBytes))
  }

  private payload(pointer: BlockPointer, onPadding: () => void): Uint8Array {
    const logged = this.inline.get(pointer.address)
    if (logged !== undefined) {
      this.verify(pointer, logged)
      return logged
    }
    const run = this.blocks.read(pointer.address, Math.ceil(pointer.payloadBytes / blockBytes))
    const payload = run.subarray(0, pointer.payloadBytes)
    this.verify(pointer, payload)
    if (!isZero(run.subarray(pointer.payloadBytes))) onPadding()
    return payload
  }

  private decode(pointer: BlockPointer, payload: Uint8Array): Uint8Array {
    const record = pointer.encoding === 0 ? payload : unpack(payload, pointer.address)
    want(record.length <= recordBytesMax, 'record', 'the record is too long', pointer.address)
    return record
  }
}
