/**
 * Codec for a patch, which says how the bytes of one run of blocks are made from the bytes of another run.
 *
 * - A patch is a list of steps. Each step begins with a number, `length × 4 + kind`, and makes `length` bytes, at
 *   least one.
 * - A place in the base moves along with the bytes that are made. The place begins at 0, and every step moves the
 *   place by the step's length, so bytes that have not moved need no offset.
 * - Numbers are little-endian base 128, at most four bytes; a move is zigzag coded.
 * - `applyPatch` believes nothing (`corrupt`), and makes exactly as many bytes as the caller says.
 */
import { assert } from '../../lib/assert.ts'
import { corrupt, layout } from '../fields.ts'

export const patchSteps = {
  zeros: 0,
  bytes: 1,
  copy: 2,
  move: 3,
} as const

export const patchLayout = layout(
  'patch step',
  1,
  [
    [
      'head',
      0,
      1,
      'length × 4 + kind; 128 and more: goes on in the next byte, which holds bits 7 to 13, and so on',
    ],
  ],
  [
    ['kind 0', 'so many zeros'],
    ['kind 1', 'so many bytes, which follow'],
    ['kind 2', 'so many bytes of the base, from where it stands'],
    ['kind 3', 'a move of the place in the base follows (n ≥ 0: 2n, n < 0: −2n − 1), then as kind 2'],
  ],
)
const numberBytesMax = 4
const numberMax = 2 ** (7 * numberBytesMax) - 1
/** Limit for the bytes that one step makes. */
const stepBytesMax = Math.floor(numberMax / 4)

export class PatchWriter {
  private readonly bytes: Uint8Array
  private length = 0
  private place = 0
  private isFull = false

  constructor(bytesMax: number) {
    this.bytes = new Uint8Array(bytesMax)
  }

  /** True when the patch has become longer than its limit; steps that are added now are lost. */
  get isTooLong(): boolean {
    return this.isFull
  }

  zeros(length: number): void {
    this.step(patchSteps.zeros, length)
  }

  insert(from: Uint8Array, start: number, end: number): void {
    this.step(patchSteps.bytes, end - start)
    if (this.length + end - start > this.bytes.length) this.isFull = true
    if (this.isFull) return
    this.bytes.set(from.subarray(start, end), this.length)
    this.length += end - start
  }

  copy(from: number, length: number): void {
    const move = from - this.place
    this.place = from
    this.step(move === 0 ? patchSteps.copy : patchSteps.move, length)
    if (move !== 0) this.number(move < 0 ? -2 * move - 1 : 2 * move)
  }

  /** Returns null when the patch became too long. */
  finish(): Uint8Array | null {
    return this.isFull ? null : this.bytes.subarray(0, this.length)
  }

  private step(kind: number, length: number): void {
    assert(length > 0 && length <= stepBytesMax, 'a step makes something')
    this.place += length
    this.number(length * 4 + kind)
  }

  private number(value: number): void {
    if (this.length + numberBytesMax > this.bytes.length) this.isFull = true
    if (this.isFull) return
    let rest = value
    for (; rest >= 128; rest >>>= 7) this.bytes[this.length++] = (rest & 127) | 128
    this.bytes[this.length++] = rest
  }
}

/** Returns exactly `length` bytes, or throws `corrupt`. */
export function applyPatch(patch: Uint8Array, base: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(length)
  const reader = new NumberReader(patch)
  let made = 0
  let place = 0
  while (made < length) {
    const head = reader.next()
    const [kind, count] = [head & 3, head >>> 2]
    if (count === 0 || count > length - made)
      throw problem('head', 'makes more or less than there is room for')
    if (kind === patchSteps.bytes) {
      if (reader.at + count > patch.length) throw problem('kind 1', 'ends before its bytes')
      target.set(patch.subarray(reader.at, reader.at + count), made)
      reader.at += count
    } else if (kind !== patchSteps.zeros) {
      if (kind === patchSteps.move) {
        const move = reader.next()
        place += move & 1 ? -(move + 1) / 2 : move / 2
      }
      if (place < 0 || place + count > base.length) throw problem('kind 2', 'leaves the base')
      target.set(base.subarray(place, place + count), made)
    }
    made += count
    place += count
  }
  if (reader.at !== patch.length) throw problem('head', 'is one too many')
  return target
}

class NumberReader {
  at = 0
  constructor(private readonly bytes: Uint8Array) {}

  next(): number {
    let value = 0
    for (let i = 0; i < numberBytesMax; i++) {
      const byte = this.bytes[this.at++]
      if (byte === undefined) throw problem('head', 'is missing')
      value |= (byte & 127) << (7 * i)
      if (byte < 128) {
        if (byte === 0 && i > 0) throw problem('head', 'is longer than it needs to be')
        return value
      }
    }
    throw problem('head', 'is too long')
  }
}

const problem = (field: string, why: string) => corrupt(patchLayout.title, field, why)
