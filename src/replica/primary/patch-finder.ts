/**
 * Finds a short patch from one run of blocks to another. The patch need not be the shortest: time counts as much.
 *
 * | run             | how a match is found                                                                     |
 * |-----------------|------------------------------------------------------------------------------------------|
 * | both kinds      | an equal begin is found by comparing                                                     |
 * | address block   | the rest may have moved in pieces: chunks of the base are looked up by hash              |
 * | record          | an equal end is found by comparing; a middle of equal length is compared in place, a     |
 * |                 | middle of another length is looked up by hash                                            |
 */
import { blockBytes } from '../../format/geometry.ts'
import { PatchWriter } from '../../format/wire/patch-codec.ts'

/** Shorter matches cost as much as they save. */
const matchBytesMin = 8
const chunkBytes = 8
const zerosMin = 8
/** Table of places in the base, kept for all calls. A place that is not found again costs bytes, not correctness. */
const tableBits = 13
const table = new Int32Array(1 << tableBits)
/** A longer middle is not looked up, because the search would take too long. */
const middleBytesMax = 64 * 1024
/** A run whose begin and end differ, and that has nothing in common for so many bytes, has unrelated content. */
const hopelessBytes = 8192
/** After so many bytes without a match the search tries every second place, then every third, and so on. */
const patienceBytes = 64

/** Null when the patch would be longer than `bytesMax`. The target is zeros from `targetEnd` on. */
export function findPatch(
  base: Uint8Array,
  target: Uint8Array,
  targetEnd: number,
  bytesMax: number,
): Uint8Array | null {
  const writer = new PatchWriter(bytesMax)
  const baseEnd = base.length > blockBytes || targetEnd < target.length ? endOf(base) : base.length
  const prefix = matching(base, 0, target, 0, Math.min(baseEnd, targetEnd))
  const rest = Math.min(baseEnd, targetEnd) - prefix
  const suffix =
    base.length === blockBytes && target.length === blockBytes
      ? 0
      : matchingBack(base, baseEnd, target, targetEnd, rest)
  if (prefix > 0) writer.copy(0, prefix)
  const middle = { base, from: prefix, end: baseEnd - suffix, target, at: prefix, to: targetEnd - suffix }
  const isInPlace = middle.end === middle.to && target.length > blockBytes
  if (isInPlace) inPlace(middle, prefix + suffix === 0, writer)
  else if (middle.to - middle.at <= middleBytesMax) lookUp(middle, writer)
  else insert(target, middle.at, middle.to, writer)
  if (suffix > 0) writer.copy(baseEnd - suffix, suffix)
  if (targetEnd < target.length) writer.zeros(target.length - targetEnd)
  return writer.finish()
}

interface Middle {
  readonly base: Uint8Array
  readonly from: number
  readonly end: number
  readonly target: Uint8Array
  readonly at: number
  readonly to: number
}

function inPlace({ base, target, at, to }: Middle, isAllOfIt: boolean, writer: PatchWriter): void {
  let done = at
  let i = at
  const hopeless = isAllOfIt ? at + hopelessBytes : to
  while (i < to && !writer.isTooLong) {
    if (i >= hopeless && done === at) break
    if (target[i] !== base[i]) {
      i += 4
      continue
    }
    const back = matchingBack(base, i, target, i, i - done)
    const length = back + matching(base, i, target, i, to - i)
    if (length >= matchBytesMin) {
      insert(target, done, i - back, writer)
      writer.copy(i - back, length)
      done = i - back + length
    }
    i += Math.max(4, length - back)
  }
  insert(target, done, to, writer)
}

function lookUp({ base, from, end, target, at, to }: Middle, writer: PatchWriter): void {
  table.fill(-1)
  for (let i = end - chunkBytes; i >= from; i -= chunkBytes) table[hashAt(base, i)] = i
  let done = at
  let i = at
  /** Distance from the target's place to the base's place at the last match. */
  let shift = 0
  while (i < to && !writer.isTooLong) {
    let place = i + shift
    let length = place >= from ? matching(base, place, target, i, Math.min(to - i, end - place)) : 0
    const zeros = zerosAt(target, i, to)
    if (zeros >= zerosMin && zeros > length) {
      insert(target, done, i, writer)
      writer.zeros(zeros)
      i += zeros
      done = i
      continue
    }
    if (length < matchBytesMin && i + chunkBytes <= to) {
      place = table[hashAt(target, i)]!
      length = place < 0 ? 0 : matching(base, place, target, i, Math.min(to - i, end - place))
    }
    if (length < matchBytesMin) {
      i += 1 + Math.floor((i - done) / patienceBytes)
      continue
    }
    const back = matchingBack(base, place, target, i, Math.min(i - done, place - from))
    insert(target, done, i - back, writer)
    writer.copy(place - back, length + back)
    shift = place - i
    i += length
    done = i
  }
  insert(target, done, to, writer)
}

/** Inserts bytes of the target. Longer stretches of zeros are written as zeros and do not travel. */
function insert(target: Uint8Array, from: number, end: number, writer: PatchWriter): void {
  let start = from
  let i = from
  while (i < end && !writer.isTooLong) {
    const zeros = zerosAt(target, i, end)
    if (zeros >= zerosMin) {
      if (i > start) writer.insert(target, start, i)
      writer.zeros(zeros)
      start = i + zeros
    }
    i += Math.max(1, zeros)
  }
  if (end > start) writer.insert(target, start, end)
}

function zerosAt(bytes: Uint8Array, from: number, end: number): number {
  let i = from
  while (i < end && bytes[i] === 0) i++
  return i - from
}

/** Index behind the last byte that is not zero. */
function endOf(bytes: Uint8Array): number {
  let end = bytes.length
  while (bytes[end - 1] === 0) end--
  return end
}

/** Number of equal bytes from these places on. Whole blocks are compared at once. */
function matching(a: Uint8Array, fromA: number, b: Uint8Array, fromB: number, max: number): number {
  let i = 0
  while (i < max && i < chunkBytes && a[fromA + i] === b[fromB + i]) i++
  if (i < chunkBytes) return i
  while (max - i >= blockBytes && areBlocksEqual(a, fromA + i, b, fromB + i)) i += blockBytes
  while (i < max && a[fromA + i] === b[fromB + i]) i++
  return i
}

/** Number of equal bytes before these places. */
function matchingBack(a: Uint8Array, endA: number, b: Uint8Array, endB: number, max: number): number {
  let i = 0
  while (max - i >= blockBytes && areBlocksEqual(a, endA - i - blockBytes, b, endB - i - blockBytes))
    i += blockBytes
  while (i < max && a[endA - i - 1] === b[endB - i - 1]) i++
  return i
}

const areBlocksEqual = (a: Uint8Array, fromA: number, b: Uint8Array, fromB: number): boolean =>
  Buffer.compare(a.subarray(fromA, fromA + blockBytes), b.subarray(fromB, fromB + blockBytes)) === 0

function hashAt(bytes: Uint8Array, i: number): number {
  const low = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
  const high = bytes[i + 4]! | (bytes[i + 5]! << 8) | (bytes[i + 6]! << 16) | (bytes[i + 7]! << 24)
  return (Math.imul(low, 0x9e37_79b1) ^ Math.imul(high, 0x85eb_ca77)) >>> (32 - tableBits)
}
