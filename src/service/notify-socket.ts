/**
 * Datagrams to a Unix socket, which the runtime does not have. A send never waits: a service manager that does not
 * read keeps no request waiting.
 */
import { FFIType, ptr } from 'bun:ffi'
import { symbolsOf } from '../lib/c-library.ts'
import { concatBytes, encodeUtf8 } from '../lib/bytes.ts'

const familyUnix = 1
const datagram = 2
const closeOnExec = 0o2000000
const dontWait = 0x40
const noSignal = 0x4000
/** Bytes of a path, or of an abstract name with its leading zero, in the address of a socket. */
const nameBytesMax = 108

const calls = symbolsOf({
  socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  sendto: {
    args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.ptr, FFIType.u32],
    returns: FFIType.i64,
  },
})

/** Sends one datagram; false when nobody has taken it. */
export type SendDatagram = (text: string) => boolean

/**
 * `name` is a path that begins with `/`, or an abstract name that begins with `@`. Null where there is no such socket
 * for this process: another kind of address, no C library, no descriptor.
 */
export function openNotifySocket(name: string): SendDatagram | null {
  const address = addressOf(name)
  if (address === null || calls === null) return null
  const { socket, sendto } = calls
  const descriptor = socket(familyUnix, datagram | closeOnExec, 0)
  if (descriptor < 0) return null
  return (text) => {
    const bytes = encodeUtf8(text)
    const flags = dontWait | noSignal
    const sent = sendto(descriptor, ptr(bytes), bytes.length, flags, ptr(address), address.length)
    return Number(sent) === bytes.length
  }
}

function addressOf(name: string): Uint8Array | null {
  const isAbstract = name.startsWith('@')
  if (!isAbstract && !name.startsWith('/')) return null
  const bytes = encodeUtf8(isAbstract ? `\0${name.slice(1)}` : `${name}\0`)
  if (bytes.length < 2 || bytes.length > nameBytesMax) return null
  return concatBytes(new Uint8Array(new Uint16Array([familyUnix]).buffer), bytes)
}
