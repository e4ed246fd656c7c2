import { Damage, want } from './damage.ts'

/** What numbers may come to. */
export const greatest = {
  cp: 9000 * 1e12 - 1,
  opening: 2 ** 32 - 1,
  sequence: 2 ** 48 - 1,
  ms: 253_402_300_799_999,
}

/** A piece of bytes with a name, read field by field. Numbers are little-endian, as everywhere outside of keys. */
export class Bytes {
  readonly all: Uint8Array
  readonly kind: string
  readonly address: number | undefined
  private readonly view: DataView

  constructor(all: Uint8Array, kind: string, address?: number) {
    this.all = all
    this.kind = kind
    this.address = address
    this.view = new DataView(all.buffer, all.byteOffset, all.byteLength)
  }

  get length(): number {
    return this.all.length
  }

  /** Fails with the name of the structure when the condition does not hold. */
  want(condition: boolean, message: string): void {
    want(condition, this.kind, message, this.address)
  }

  u8(offset: number): number {
    this.reach(offset, 1)
    return this.view.getUint8(offset)
  }

  u16(offset: number): number {
    this.reach(offset, 2)
    return this.view.getUint16(offset, true)
  }

  u32(offset: number): number {
    this.reach(offset, 4)
    return this.view.getUint32(offset, true)
  }

  u48(offset: number): number {
    return this.u32(offset) + this.u16(offset + 4) * 2 ** 32
  }

  u64(offset: number): number {
    const high = this.u32(offset + 4)
    this.want(high < 2 ** 21, `the number at ${offset} is 2^53 or more`)
    return this.u32(offset) + high * 2 ** 32
  }

  /** A number of 8 bytes as it stands in keys. */
  big64(offset: number): number {
    this.reach(offset, 8)
    const high = this.view.getUint32(offset, false)
    this.want(high < 2 ** 21, `the number at ${offset} is 2^53 or more`)
    return high * 2 ** 32 + this.view.getUint32(offset + 4, false)
  }

  slice(offset: number, length: number): Uint8Array {
    this.reach(offset, length)
    return this.all.subarray(offset, offset + length)
  }

  part(offset: number, length: number, kind = this.kind): Bytes {
    return new Bytes(this.slice(offset, length), kind, this.address)
  }

  hex(offset: number, length: number): string {
    return hex(this.slice(offset, length))
  }

  /** A number of 8 bytes that has a greatest value. */
  upTo(offset: number, max: number): number {
    const value = this.u64(offset)
    this.want(value <= max, `the number at ${offset} is out of range`)
    return value
  }

  /** UTF-8 without control characters. */
  text(offset: number, length: number): string {
    const text = this.utf8(offset, length)
    // eslint-disable-next-line no-control-regex
    this.want(!/[\u0000-\u001f\u007f-\u009f]/.test(text), `the text at ${offset} has a control character`)
    return text
  }

  private utf8(offset: number, length: number): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.slice(offset, length))
    } catch (error) {
      if (error instanceof Damage) throw error
      throw new Damage(this.kind, `the text at ${offset} is not UTF-8`, this.address)
    }
  }

  zeros(offset: number, length: number, what = 'reserved'): void {
    this.want(isZero(this.slice(offset, length)), `${what} at ${offset} is not zero`)
  }

  /** Checks the two bytes that every structure begins with. */
  head(kind: number, version = 1): void {
    this.want(this.u8(0) === kind, `the kind is ${this.u8(0)}, not ${kind}`)
    const found = this.u8(1)
    this.want(found !== 0, 'the version is 0')
    if (found > version) throw new Damage('newer-format', `${this.kind} has version ${found}`, this.address)
  }

  private reach(offset: number, length: number): void {
    this.want(
      offset >= 0 && length >= 0 && offset + length <= this.all.length,
      `ends before ${offset + length}`,
    )
  }
}

export function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i += 1) if (bytes[i] !== 0) return false
  return true
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** Bytes as a string of one character each: such strings compare as the bytes do. */
export function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

export function fromBinary(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}
