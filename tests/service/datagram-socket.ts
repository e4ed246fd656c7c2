/** A bound Unix datagram socket, as a service manager has one. */
import { FFIType, ptr } from 'bun:ffi'
import { symbolsOf } from '../../src/lib/c-library.ts'
import { concatBytes, encodeUtf8 } from '../../src/lib/bytes.ts'

const dontWait = 0x40

const calls = symbolsOf({
  socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  bind: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  recv: { args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i64 },
  close: { args: [FFIType.i32], returns: FFIType.i32 },
})

/** Why the tests with such a socket are skipped; null where they run. */
export const socketProblem = calls === null ? 'no C library with Unix sockets' : null

export class DatagramSocket {
  private constructor(private readonly descriptor: number) {}

  /** `name` is a path, or an abstract name that begins with `@`. */
  static bind(name: string): DatagramSocket {
    const descriptor = calls!.socket(1, 2, 0)
    const isAbstract = name.startsWith('@')
    const bytes = encodeUtf8(isAbstract ? `\0${name.slice(1)}` : `${name}\0`)
    const address = concatBytes(new Uint8Array([1, 0]), bytes)
    if (calls!.bind(descriptor, ptr(address), address.length) !== 0) throw new Error(`cannot bind ${name}`)
    return new DatagramSocket(descriptor)
  }

  /** The oldest datagram that waits; null when none does. */
  receive(): string | null {
    const bytes = new Uint8Array(4096)
    const count = Number(calls!.recv(this.descriptor, ptr(bytes), bytes.length, dontWait))
    return count < 0 ? null : new TextDecoder().decode(bytes.subarray(0, count))
  }

  /** Every datagram that waits, the oldest first. */
  receiveAll(): string[] {
    const all: string[] = []
    for (let next = this.receive(); next !== null; next = this.receive()) all.push(next)
    return all
  }

  close(): void {
    calls!.close(this.descriptor)
  }
}
