/**
 * The few calls of the C library that the runtime does not offer. bun:ffi is called experimental, so each of them is
 * optional: where a symbol is absent the caller has another way.
 */
import { dlopen, FFIType, ptr, read } from 'bun:ffi'

const lockExclusive = 2
const lockNonBlocking = 4
const adviceDontNeed = 4
const again = 11
const notNow = 8
const fileTooBig = 27
const noSpace = 28
const quotaExceeded = 122

const libraries =
  process.platform === 'linux'
    ? ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`]
    : []

/** Null where the library or the symbol does not exist. */
function load<T>(open: (library: string) => T): T | null {
  for (const library of libraries) {
    try {
      return open(library)
    } catch {
      // Not this one.
    }
  }
  return null
}

const allocate = load(
  (library) =>
    dlopen(library, {
      posix_fallocate: { args: [FFIType.i32, FFIType.i64, FFIType.i64], returns: FFIType.i32 },
    }).symbols.posix_fallocate,
)
const advise = load(
  (library) =>
    dlopen(library, {
      posix_fadvise: { args: [FFIType.i32, FFIType.i64, FFIType.i64, FFIType.i32], returns: FFIType.i32 },
    }).symbols.posix_fadvise,
)
const locking = load(
  (library) =>
    dlopen(library, {
      flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
      __errno_location: { args: [], returns: FFIType.ptr },
    }).symbols,
)

const reading = load(
  (library) =>
    dlopen(library, {
      preadv2: {
        args: [FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.i64, FFIType.i32],
        returns: FFIType.i64_fast,
      },
      __errno_location: { args: [], returns: FFIType.ptr },
    }).symbols,
)
/** One `struct iovec`: an address and a length, in halves, because big integers would be made for each call. */
const vector = new Uint32Array(4)
const vectorAddress = ptr(vector)
const isWide = process.arch === 'x64' || process.arch === 'arm64'
let canReadCached = false

/**
 * What the page cache has, without waiting for a disk: the bytes read, from the first on. Null where the system or the
 * file system cannot say.
 */
export function readCached(descriptor: number, target: Uint8Array, position: number): number | null {
  if (!canReadCached || !reading) return null
  const address = ptr(target)
  vector[0] = address
  vector[1] = Math.floor(address / 2 ** 32)
  vector[2] = target.length
  const count = Number(reading.preadv2(descriptor, vectorAddress, 1, position, notNow))
  if (count >= 0) return count
  const location = reading.__errno_location()
  if (location !== null && read.i32(location, 0) === again) return 0
  canReadCached = false
  return null
}

export type Reservation = 'reserved' | 'full' | 'unsupported'

/** Really allocates [from, from + bytes) and extends the file. posix_fallocate returns its error, so no errno here. */
export function reserveSpace(descriptor: number, from: number, bytes: number): Reservation {
  if (!allocate) return 'unsupported'
  const result = allocate(descriptor, from, bytes)
  if (result === 0) return 'reserved'
  return result === noSpace || result === quotaExceeded || result === fileTooBig ? 'full' : 'unsupported'
}

/** Asks the kernel to forget clean pages; a hint. */
export function forgetPages(descriptor: number, from: number, bytes: number): void {
  advise?.(descriptor, from, bytes, adviceDontNeed)
}

/** An exclusive lock that goes with the open file, so with the process at the latest. */
export function tryLock(descriptor: number): 'locked' | 'busy' | 'unsupported' {
  if (!locking) return 'unsupported'
  if (locking.flock(descriptor, lockExclusive | lockNonBlocking) === 0) return 'locked'
  const location = locking.__errno_location()
  return location !== null && read.i32(location, 0) === again ? 'busy' : 'unsupported'
}
