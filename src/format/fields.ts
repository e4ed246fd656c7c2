/**
 * Layouts of structures, and how fields are read and written. A layout is the table of a structure's fields: name,
 * offset, size, meaning. Each layout is checked when its module is loaded (no gap, no overlap, the sizes add up). The
 * codecs take their offsets from layouts, and the tables of docs/format.md are made from layouts. So the place of a
 * field is written down once.
 *
 * - A Reader and a Writer are bound to one layout.
 * - A Reader believes nothing: every value that a Reader returns was in range. Any other value is a `corrupt` error
 *   that names structure and field; a version of a later program is `newer-format`.
 * - A Writer asserts: a value out of range is a bug in Stillpoint.
 */
import { assert } from '../lib/assert.ts'
import {
  decodeUtf8,
  readU16,
  readU32,
  readU48,
  readU64,
  writeU16,
  writeU32,
  writeU48,
  writeU64,
} from '../lib/bytes.ts'
import { StillpointError } from '../lib/errors.ts'
import { newerFormat } from './features.ts'
import type { StructureHead } from './kinds.ts'
import { type NodePointer, nodePointerBytes, readNodePointer, writeNodePointer } from './pointer.ts'

interface Field {
  readonly name: string
  readonly offset: number
  readonly size: number
  readonly meaning: string
}

export interface Layout<N extends string = string> {
  readonly title: string
  /** Size of the fixed part, in bytes. */
  readonly bytes: number
  readonly at: Readonly<Record<N, number>>
  readonly size: Readonly<Record<N, number>>
  readonly fields: readonly Field[]
  /** Parts that follow the fixed part, in order: name and meaning. */
  readonly tail: readonly (readonly [name: string, meaning: string])[]
}

type Rows = readonly (readonly [name: string, offset: number, size: number, meaning: string])[]

export function layout<const R extends Rows>(
  title: string,
  bytes: number,
  rows: R,
  tail: readonly (readonly [string, string])[] = [],
): Layout<R[number][0]> {
  let end = 0
  const at: Record<string, number> = {}
  const size: Record<string, number> = {}
  for (const [name, offset, bytesOfField] of rows) {
    assert(offset === end, `${title}: ${name} begins at ${offset}, the field before ends at ${end}`)
    assert(bytesOfField > 0 && at[name] === undefined, `${title}: ${name} has a size and is there once`)
    at[name] = offset
    size[name] = bytesOfField
    end += bytesOfField
  }
  assert(end === bytes, `${title}: the fields take ${end} bytes, not ${bytes}`)
  const fields = rows.map(([name, offset, bytesOfField, meaning]) => ({
    name,
    offset,
    size: bytesOfField,
    meaning,
  }))
  type N = R[number][0]
  return { title, bytes, at: at as Record<N, number>, size: size as Record<N, number>, fields, tail }
}

/** Error for bytes that no program should have written. */
export function corrupt(structure: string, field: string, why: string): StillpointError {
  return new StillpointError('corrupt', `${structure}: ${field} ${why}`, { structure, field })
}

/** Versions count from 1. A version above the known one belongs to a later program, and the structure is sound. */
export function verifyHead(title: string, kind: number, version: number, expected: StructureHead): void {
  if (kind !== expected.kind) throw corrupt(title, 'kind', `is ${kind}`)
  if (version > expected.version)
    throw newerFormat(
      title,
      `its version is ${version}, and ${expected.version} is the highest that is known`,
    )
  if (version !== expected.version) throw corrupt(title, 'version', `is ${version}`)
}

export function isZero(bytes: Uint8Array, from: number, end: number): boolean {
  for (let i = from; i < end; i++) if (bytes[i] !== 0) return false
  return true
}

/** Control characters have no place in a name or a header value. */
export function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}

const readers: Readonly<Record<number, (bytes: Uint8Array, at: number) => number>> = {
  1: (bytes, at) => bytes[at]!,
  2: readU16,
  4: readU32,
  6: readU48,
  8: readU64,
}
const writers: Readonly<Record<number, (bytes: Uint8Array, at: number, value: number) => void>> = {
  1: (bytes, at, value) => {
    bytes[at] = value
  },
  2: writeU16,
  4: writeU32,
  6: writeU48,
  8: writeU64,
}

class Bound<N extends string> {
  constructor(
    readonly of: Layout<N>,
    readonly bytes: Uint8Array,
    readonly base: number,
  ) {}
  protected at(name: N): number {
    return this.base + this.of.at[name]
  }
  protected size(name: N): number {
    return this.of.size[name]
  }
}

export class Reader<N extends string> extends Bound<N> {
  constructor(of: Layout<N>, bytes: Uint8Array, base = 0) {
    super(of, bytes, base)
    if (base + of.bytes > bytes.length) throw corrupt(of.title, 'length', 'is too short')
  }

  /**
   * Checks kind and version, with which every structure begins. The caller has verified the structure's sum before.
   */
  head(expected: StructureHead): void {
    const { bytes, base } = this
    verifyHead(this.of.title, bytes[base]!, bytes[base + 1]!, expected)
  }

  number(name: N, max = Number.MAX_SAFE_INTEGER, min = 0): number {
    const value = readers[this.size(name)]!(this.bytes, this.at(name))
    // The comparison also refuses NaN, which stands for a number of 2^53 and more.
    if (!(value >= min && value <= max)) throw this.problem(name, `is out of range (${value})`)
    return value
  }

  copy(name: N): Uint8Array {
    return this.bytes.slice(this.at(name), this.at(name) + this.size(name))
  }

  /** Reserved bytes are zero, so that a value has one form and later versions can give the bytes a meaning. */
  zero(name: N): void {
    const at = this.at(name)
    if (!isZero(this.bytes, at, at + this.size(name))) throw this.problem(name, 'is not zero')
  }

  /** Text of a known length in a field that may be longer; the rest of the field is zero. */
  text(name: N, length: number): string {
    const at = this.at(name)
    if (length > this.size(name)) throw this.problem(name, 'is too long')
    if (!isZero(this.bytes, at + length, at + this.size(name)))
      throw this.problem(name, 'has bytes after its end')
    return textOf(this.bytes, at, length) ?? this.reject(name, 'is not UTF-8 text')
  }

  pointer(name: N): NodePointer {
    return soundPointer(this.bytes, this.at(name)) ?? this.reject(name, 'is not a node pointer')
  }

  problem(name: N, why: string): StillpointError {
    return corrupt(this.of.title, name, why)
  }

  private reject(name: N, why: string): never {
    throw this.problem(name, why)
  }
}

/** Returns null unless the bytes are UTF-8 without control characters. */
export function textOf(bytes: Uint8Array, at: number, length: number): string | null {
  try {
    const text = decodeUtf8(bytes.subarray(at, at + length))
    return hasControl(text) ? null : text
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}

/** Returns null for bytes that no writer made: reserved bytes set, or a sum without an address. */
export function soundPointer(bytes: Uint8Array, at: number): NodePointer | null {
  if (bytes[at + 6] !== 0 || bytes[at + 7] !== 0) return null
  const pointer = readNodePointer(bytes, at)
  return pointer.address === 0 && !isZero(bytes, at, at + nodePointerBytes) ? null : pointer
}

export class Writer<N extends string> extends Bound<N> {
  constructor(of: Layout<N>, bytes: Uint8Array, base = 0) {
    super(of, bytes, base)
    assert(base + of.bytes <= bytes.length, `${of.title}: fits its buffer`)
  }

  head(of: StructureHead): void {
    this.bytes[this.base] = of.kind
    this.bytes[this.base + 1] = of.version
  }

  number(name: N, value: number, max = Number.MAX_SAFE_INTEGER): void {
    const size = this.size(name)
    const fits = Number.isSafeInteger(value) && value >= 0 && value <= max && value < 2 ** (size * 8)
    assert(fits, `${this.of.title}: ${name} takes an integer up to ${max}, not ${value}`)
    writers[size]!(this.bytes, this.at(name), value)
  }

  /** The value must have exactly the size of the field. */
  put(name: N, value: Uint8Array): void {
    assert(value.length === this.size(name), `${this.of.title}: ${name} takes ${this.size(name)} bytes`)
    this.bytes.set(value, this.at(name))
  }

  /** Writes a text into a field that is zero, so that zeros follow the text. */
  text(name: N, value: Uint8Array): void {
    assert(value.length <= this.size(name), `${this.of.title}: ${name} takes up to ${this.size(name)} bytes`)
    this.bytes.set(value, this.at(name))
  }

  pointer(name: N, pointer: NodePointer): void {
    writeSoundPointer(this.bytes, this.at(name), pointer)
  }
}

export function writeSoundPointer(bytes: Uint8Array, at: number, pointer: NodePointer): void {
  assert(Number.isSafeInteger(pointer.address) && pointer.address >= 0, 'an address is a block number')
  assert(
    pointer.address < 2 ** 48 && pointer.sum.length === nodePointerBytes - 8,
    'a node pointer fits its field',
  )
  assert(pointer.address > 0 || isZero(pointer.sum, 0, pointer.sum.length), 'no address, no checksum')
  writeNodePointer(bytes, at, pointer)
}

/** The table of a layout as docs/format.md shows it. */
export function markdownTable(of: Layout): string {
  const rows = of.fields.map((f) => `| ${f.offset} | ${f.size} | ${f.name} | ${f.meaning} |`)
  const tail = of.tail.map(([name, meaning]) => `| … | … | ${name} | ${meaning} |`)
  return ['| offset | bytes | field | meaning |', '| --: | --: | --- | --- |', ...rows, ...tail].join('\n')
}
