import { assert } from './assert.ts'

/** Compares unsigned bytes; a prefix comes first. A plain loop is ten times faster than Buffer.compare here. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = a.length < b.length ? a.length : b.length
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

const zeros = new Uint8Array(64 * 1024)

/** Content nearly always shows in its first, middle or last byte; the runtime compares all other content whole. */
export function isZeros(bytes: Uint8Array): boolean {
  const { length } = bytes
  if (length === 0) return true
  if (bytes[0] !== 0 || bytes[length - 1] !== 0 || bytes[length >>> 1] !== 0) return false
  for (let at = 0; at < length; at += zeros.length) {
    const part = Math.min(zeros.length, length - at)
    if (Buffer.compare(bytes.subarray(at, at + part), zeros.subarray(0, part)) !== 0) return false
  }
  return true
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const encoder = new TextEncoder()
/** A text that begins with U+FEFF keeps it (`ignoreBOM`): without that it would be another text. */
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lenientDecoder = new TextDecoder('utf-8', { ignoreBOM: true })

export const encodeUtf8 = (text: string): Uint8Array => encoder.encode(text)

/** Throws a TypeError for bytes that are not UTF-8. */
export const decodeUtf8 = (bytes: Uint8Array): string => strictDecoder.decode(bytes)

/** Shows what is no UTF-8 as U+FFFD: for people alone. */
export const showUtf8 = (bytes: Uint8Array): string => lenientDecoder.decode(bytes)

/** Copies a text into memory of its own: a part of a longer text would keep all of the longer text in memory. */
export const ownText = (text: string): string => Buffer.from(text).toString()

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

export function fromHex(text: string): Uint8Array {
  assert(text.length % 2 === 0 && /^[0-9a-f]*$/.test(text), 'hexadecimal text expected')
  return new Uint8Array(Buffer.from(text, 'hex'))
}

/** Little-endian integers at an offset. The 48 and 53 bit forms stay exact in a JavaScript number. */
export function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}
export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}
export function readU48(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) + readU16(bytes, at + 4) * 2 ** 32
}
export function writeU48(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value % 2 ** 32)
  writeU16(bytes, at + 4, Math.floor(value / 2 ** 32))
}

/**
 * Reads eight bytes. Returns NaN for 2^53 and more: no writer stores such a value, and the caller must refuse NaN.
 */
export function readU64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at + 4)
  return high >= 2 ** 21 ? Number.NaN : readU32(bytes, at) + high * 2 ** 32
}
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'u64 takes a safe, non-negative integer')
  writeU32(bytes, at, value % 2 ** 32)
  writeU32(bytes, at + 4, Math.floor(value / 2 ** 32))
}

/** Big-endian numbers, so that keys sort as their numbers do. Returns NaN as `readU64` does. */
export function readU64BigEndian(bytes: Uint8Array, at: number): number {
  let value = 0
  for (let i = 0; i < 8; i++) value = value * 256 + bytes[at + i]!
  return Number.isSafeInteger(value) ? value : Number.NaN
}
export function writeU64BigEndian(bytes: Uint8Array, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'u64 takes a safe, non-negative integer')
  for (let i = 7; i >= 0; i--) {
    bytes[at + i] = value % 256
    value = Math.floor(value / 256)
  }
}
