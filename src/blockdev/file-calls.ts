/**
 * The calls that the file device makes, as an interface: a test replaces them to play short writes, errors and lost
 * syncs. Each call does once what the kernel does: a call may write less than it was given, and no call retries.
 */
import * as fs from 'node:fs'
import { StillpointError, systemCodeOf } from '../lib/errors.ts'
import { DeviceError } from './block-device.ts'
import { forgetPages, punchHole, reserveSpace } from './libc.ts'
import type { Reservation } from './reservation.ts'

export interface FileCalls {
  /** Resolves to the number of bytes written, which may be smaller than the number given. */
  writev(descriptor: number, buffers: readonly Uint8Array[], position: number): Promise<number>
  /** Resolves to the number of bytes read; 0 is the end of the file. */
  read(descriptor: number, target: Uint8Array, position: number): Promise<number>
  readSync(descriptor: number, target: Uint8Array, position: number): number
  fdatasync(descriptor: number): Promise<void>
  reserve(descriptor: number, from: number, bytes: number): Reservation
  forgetPages(descriptor: number, from: number, bytes: number): void
  /** False where the file system has no holes. */
  punch(descriptor: number, from: number, bytes: number): boolean
  truncate(descriptor: number, bytes: number): void
  /** Bytes of the file system that this process may still take; null where the file system does not say. */
  freeBytes(path: string): number | null
}

export const systemFileCalls: FileCalls = {
  writev: (descriptor, buffers, position) =>
    new Promise((resolve, reject) => {
      fs.writev(descriptor, buffers, position, (error, written) => (error ? reject(error) : resolve(written)))
    }),
  read: (descriptor, target, position) =>
    new Promise((resolve, reject) => {
      fs.read(descriptor, target, 0, target.length, position, (error, count) =>
        error ? reject(error) : resolve(count),
      )
    }),
  readSync: (descriptor, target, position) => fs.readSync(descriptor, target, 0, target.length, position),
  fdatasync: (descriptor) =>
    new Promise((resolve, reject) =>
      fs.fdatasync(descriptor, (error) => (error ? reject(error) : resolve())),
    ),
  reserve: reserveSpace,
  forgetPages,
  punch: punchHole,
  truncate: (descriptor, bytes) => fs.ftruncateSync(descriptor, bytes),
  freeBytes,
}

/** Fills `target`, by as many calls as the kernel wants. DeviceError when the file ends too early. */
export function readWholeSync(
  calls: FileCalls,
  descriptor: number,
  target: Uint8Array,
  position: number,
): void {
  for (let done = 0; done < target.length;) {
    const rest = done === 0 ? target : target.subarray(done)
    const count = calls.readSync(descriptor, rest, position + done)
    if (count <= 0) throw new DeviceError('the file ends too early')
    done += count
  }
}

const fullCodes: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

export const isDiskFull = (error: unknown): boolean => fullCodes.has(systemCodeOf(error))

function freeBytes(path: string): number | null {
  try {
    const { blocks, bavail, bfree, bsize } = fs.statfsSync(path)
    // Space that the file system keeps for root is available when this process runs as root.
    return blocks === 0 ? null : (process.getuid?.() === 0 ? bfree : bavail) * bsize
  } catch {
    return null
  }
}
/** The short text of an error for a person: the system's error code where there is one. */
export function reason(error: unknown): string {
  return systemCodeOf(error) ?? (error instanceof Error ? error.message : String(error))
}

/** Throws StillpointError `exists` and `disk-full`; every other error is a DeviceError. */
export function openFile(path: string, flags: number): number {
  try {
    return fs.openSync(path, flags, 0o600)
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST')
      throw new StillpointError('exists', `${path} exists`, {}, { cause: error })
    if (isDiskFull(error))
      throw new StillpointError('disk-full', `no space for ${path}`, {}, { cause: error })
    throw new DeviceError(`cannot open ${path}: ${reason(error)}`, { cause: error })
  }
}
