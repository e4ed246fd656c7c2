/** The calls of the C library about files that the runtime does not offer; each is optional. */
import { FFIType, ptr, read } from 'bun:ffi'
import { symbolsOf } from '../lib/c-library.ts'
import { type Reservation, reservationOf } from './reservation.ts'

const lockExclusive = 2
const lockNonBlocking = 4
const adviceDontNeed = 4
const again = 11
const keepSize = 1
const punch = 2

const allocate = symbolsOf({
  posix_fallocate: { args: [FFIType.i32, FFIType.i64, FFIType.i64], returns: FFIType.i32 },
})?.posix_fallocate
const changeSpace = symbolsOf({
  fallocate: { args: [FFIType.i32, FFIType.i32, FFIType.i64, FFIType.i64], returns: FFIType.i32 },
})?.fallocate
const advise = symbolsOf({
  posix_fadvise: { args: [FFIType.i32, FFIType.i64, FFIType.i64, FFIType.i32], returns: FFIType.i32 },
})?.posix_fadvise
const locking = symbolsOf({
  flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  __errno_location: { args: [], returns: FFIType.ptr },
})

/** ioctl is variadic in C. With a pointer as its third argument the call is the same on the supported machines. */
const control = symbolsOf({
  ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
})?.ioctl
const getInodeFlags = 0x8008_6601
const setInodeFlags = 0x4008_6602
/** FIEMAP: a head, and an array of extents behind it. */
const mapExtents = 0xc020_660b
const mapHeadBytes = 32
const extentBytes = 56
const extentsPerCall = 512

/**
 * Really allocates [from, from + bytes) and extends the file. posix_fallocate returns its error code, so errno is not
 * read.
 */
export function reserveSpace(descriptor: number, from: number, bytes: number): Reservation {
  if (!allocate) return 'unsupported'
  return reservationOf(allocate(descriptor, from, bytes))
}

/**
 * Gives [from, from + bytes) back to the file system; the range reads as zeros afterwards. False where the file
 * system cannot do that.
 */
export function punchHole(descriptor: number, from: number, bytes: number): boolean {
  return changeSpace?.(descriptor, punch | keepSize, from, bytes) === 0
}

/** Whether a part of the first `bytes` has no space of its own; null where the file system does not say. */
export function hasHoles(descriptor: number, bytes: number): boolean | null {
  const map = new DataView(new ArrayBuffer(mapHeadBytes + extentsPerCall * extentBytes))
  for (let at = 0; at < bytes;) {
    map.setBigUint64(0, BigInt(at), true)
    map.setBigUint64(8, BigInt(bytes - at), true)
    map.setUint32(24, extentsPerCall, true)
    if (control?.(descriptor, mapExtents, ptr(map)) !== 0) return null
    const count = map.getUint32(20, true)
    for (let i = 0; i < count; i++) {
      const extent = mapHeadBytes + i * extentBytes
      const from = Number(map.getBigUint64(extent, true))
      if (from > at) return true
      at = from + Number(map.getBigUint64(extent + 16, true))
    }
    if (count === 0) return true
  }
  return false
}

/** Asks the kernel to forget clean pages. The call is a hint: an error is ignored. */
export function forgetPages(descriptor: number, from: number, bytes: number): void {
  advise?.(descriptor, from, bytes, adviceDontNeed)
}

/**
 * Takes an exclusive lock on the open file. The lock ends when the file is closed, so at the latest when the process
 * ends.
 */
export function tryLock(descriptor: number): 'locked' | 'busy' | 'unsupported' {
  if (!locking) return 'unsupported'
  if (locking.flock(descriptor, lockExclusive | lockNonBlocking) === 0) return 'locked'
  const location = locking.__errno_location()
  return location !== null && read.i32(location, 0) === again ? 'busy' : 'unsupported'
}

/** The attributes that `lsattr` shows; null where the file system has none. */
export function readInodeFlags(descriptor: number): number | null {
  // The kernel writes 32 bits, whatever size the definition of the call names.
  const flags = new Uint32Array(2)
  return control?.(descriptor, getInodeFlags, ptr(flags)) === 0 ? flags[0]! : null
}

/** False when the file system refuses the attributes. */
export function writeInodeFlags(descriptor: number, flags: number): boolean {
  return control?.(descriptor, setInodeFlags, ptr(new Uint32Array([flags, 0]))) === 0
}
