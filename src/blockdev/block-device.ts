import type { BlockRun } from '../lib/block-run.ts'

/**
 * The contract of a block device: the device in a file, the memory device and the simulated device keep to it.
 *
 * - Addresses and lengths are in whole blocks of 4 KiB. A buffer is a whole number of blocks.
 * - `write` resolves when the device has the bytes, not when the bytes are durable. A crash may lose, reorder and
 *   tear (at any sector of 512 bytes) the writes that are not synced, in any combination.
 * - `sync` covers every write that had resolved when `sync` was called. After a failed write or sync the caller knows
 *   nothing about any write since the last sync. The device must not be used again, and a sync is never retried.
 * - `writeDurable` resolves when its bytes are durable, and waits for no other dirty block. A caller makes one
 *   durable write at a time.
 * - `read`, `readNow` and `readSync` see every write that has resolved. A read beyond `blockCount` fails an
 *   assertion.
 * - `grow` really reserves the space (`disk-full` when there is none). The added blocks read as zeros, or as bytes
 *   that were never acknowledged. The growth is durable with the next sync, as a write is.
 * - A sparse device has blocks without space of their own: blocks that `extend` added, blocks that were punched, and
 *   the holes of a file that is opened. Such blocks read as zeros. A write to such a block may find the disk full:
 *   any part of the write may have arrived by then, and the device stays usable. On a device without such blocks a
 *   full disk is a failed write.
 *
 * Errors: `grow`, `extend`, `allocate` and a write to a sparse device throw StillpointError `disk-full`. Every other
 * error is a DeviceError.
 */
export class DeviceError extends Error {
  override readonly name = 'DeviceError'
}

export interface WriteRun {
  readonly address: number
  readonly bytes: Uint8Array
}

export interface ReadOptions {
  /**
   * Reads past the page cache, so that the caller gets the bytes of the disk and not the kernel's memory of a write
   * that a failed sync has dropped. After such a read, reads of every kind give the bytes of the disk.
   */
  readonly uncached?: boolean
}

export interface BlockDevice {
  readonly blockCount: number
  read(address: number, target: Uint8Array, options?: ReadOptions): Promise<void>
  /** True when the device read all of `target` at once. After false the content of `target` is undefined. */
  readNow(address: number, target: Uint8Array): boolean
  /** Blocks the event loop: meant for short reads that are probably cached. */
  readSync(address: number, target: Uint8Array): void
  /** The caller may give the runs in any order. The device joins neighbours into few vectored writes. */
  write(runs: readonly WriteRun[]): Promise<void>
  sync(): Promise<void>
  writeDurable(address: number, buffers: readonly Uint8Array[]): Promise<void>
  grow(blockCount: number): Promise<void>
  /** Adds blocks as `grow` does, but without space: the caller allocates the space before writing. */
  extend(blockCount: number): Promise<void>
  /**
   * Gives the blocks space of their own and changes no byte. After `disk-full` some of the blocks may have space.
   * Where the host cannot allocate, nothing happens, and a later write shows whether there is room.
   */
  allocate(run: BlockRun): Promise<void>
  /**
   * Gives back the space of blocks that no caller writes meanwhile. The blocks read as zeros; after a crash before
   * the next sync they may read as before. Returns false where the host cannot punch: nothing has happened then.
   */
  punch(run: BlockRun): boolean
  /** Blocks that any user of the disk may still take; infinite where the host does not tell. */
  freeBlocks(): number
  close(): Promise<void>
}
