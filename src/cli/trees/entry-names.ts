/**
 * Names between the two ends. Locally a name is bytes, on the server a name is text: bytes that are no text have no name
 * there, and become none by being changed.
 */
import { isUtf8 } from 'node:buffer'
import { UserError } from '../../lib/user-error.ts'

/** Null when the bytes are no UTF-8. */
export const textOfBytes = (bytes: Uint8Array): string | null =>
  isUtf8(bytes) ? Buffer.from(bytes).toString() : null

/** For people: each byte that is no plain character is `\xNN`. */
export const escapedBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('')

const nameBytesMax = 255
/** Limits of the contract. A path that breaks them is not of the contract. */
const depthMax = 256
const pathBytesMax = 4096

/** The names of a path that a server has listed. Throws where the path could mean something else here. */
export function checkedNames(path: string): string[] {
  const isShort = path.length <= pathBytesMax && Buffer.byteLength(path) <= pathBytesMax
  const names = isShort ? path.split('/') : []
  if (names.length === 0 || names.length > depthMax || !names.every(isPossible))
    throw new UserError(`the server listed a name that cannot be: ${JSON.stringify(path.slice(0, 300))}`)
  return names
}

/** Half of a character would become the bytes of another name. */
const isPossible = (name: string): boolean =>
  name !== '' &&
  name !== '.' &&
  name !== '..' &&
  !name.includes('\0') &&
  name.isWellFormed() &&
  Buffer.byteLength(name) <= nameBytesMax
