import type { BlockRun } from '../lib/block-run.ts'

/**
 * The contract of a block device, for the file, the memory device and the simulated one.
 *
 * - Addresses and lengths are in whole blocks of 4 KiB; a buffer is a whole number of blocks.
 * - `write` resolves when the device has the bytes, not when they are durable. Writes that are not synced may be
 *   lost, reordered and torn at any sector of 512 bytes by a crash, in any combination.
 * - `sync` covers every write that had resolved when it was called. After a failed write or sync nothing is known
 *   about any write since the last sync, and the device must not be used again: a sync is never retried.
 * - `writeDurable` resolves when its bytes are durable, and waits for no other dirty block. One at a time.
 * - `read`, `readNow` and `readSync` see every write that has resolved. Reading beyond `blockCount` is an assertion.
 * - `grow` really reserves the space (`disk-full` when there is none) and what it adds reads as zeros, or as bytes
 *   that were never acknowledged. It is durable with the next sync, like a write.
 * - A sparse device has blocks without space of their own: those that `extend` added, those that were punched, and the
 *   holes of a file that is opened. They read as zeros. A write to one may find the disk full: any part of the write
 *   may have arrived then, and the device goes on. On a device without such blocks that is a failed write.
 *
 * Errors: StillpointError `disk-full` from `grow`, `extend`, `allocate` and a write to a sparse device; else DeviceError.
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
   * Past the page cache: what the disk has, not what the kernel remembers of a write that a failed sync has dropped. Reads
   * of every kind give that from then on.
   */
  readonly uncached?: boolean
}

export interface BlockDevice {
  /** Blocks that exist. */
  readonly blockCount: number
  read(address: number, target: Uint8Array, options?: ReadOptions): Promise<void>
  /** True when it was worth reading at once and all of it was; else nothing is known of `target`. */
  readNow(address: number, target: Uint8Array): boolean
  /** For short reads that are probably cached: it blocks the event loop. */
  readSync(address: number, target: Uint8Array): void
  /** Runs may be given in any order; neighbours are joined into few vectored writes. */
  write(runs: readonly WriteRun[]): Promise<void>
  sync(): Promise<void>
  writeDurable(address: number, buffers: readonly Uint8Array[]): Promise<void>
  grow(blockCount: number): Promise<void>
  /** As `grow`, without space: to be allocated before it is written. */
  extend(blockCount: number): Promise<void>
  /**
   * Gives the blocks space of their own and changes no byte. `disk-full`: some of them may have it now. Where the host
   * cannot do that, nothing happens, and a write shows whether there is room.
   */
  allocate(run: BlockRun): Promise<void>
  /**
   * Gives back the space of blocks that nobody writes meanwhile: they read as zeros, after a crash before the next sync
   * maybe as before. False where the host cannot do that: nothing has happened.
   */
  punch(run: BlockRun): boolean
  /** What the disk still has for everybody; infinite where nothing is known. */
  freeBlocks(): number
  close(): Promise<void>
}
