/** Bytes and text, with what Node 20 and every browser have. */
export type Bytes = Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()
// U+FEFF is a character of the text, wherever it stands.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export const encodeUtf8 = (text: string): Bytes => encoder.encode(text)
export const decodeUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes)

export function concat(pieces: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

export const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, at) => byte === other[at])

/** An engine takes only so many arguments; a multiple of 3, so that no piece but the last is padded. */
const pieceBytes = 3 * 2 ** 12

export function toBase64(bytes: Uint8Array): string {
  const own = (bytes as { readonly toBase64?: () => string }).toBase64
  if (own !== undefined) return own.call(bytes)
  let text = ''
  for (let at = 0; at < bytes.length; at += pieceBytes)
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + pieceBytes)))
  return text
}
