/** Zeros need not be written: a range of a new file that nobody wrote reads as zeros, and takes no space. */
const blockBytes = 4096
const zeros = Buffer.alloc(blockBytes)

/** The parts of a piece to write, as offsets in the piece: all but whole blocks of zeros. `position` is the piece's. */
export function* writtenParts(piece: Uint8Array, position: number): Generator<readonly [number, number]> {
  let from = 0
  for (let at = 0; at < piece.length;) {
    const end = Math.min(piece.length, at + blockBytes - ((position + at) % blockBytes))
    if (zeros.compare(piece, at, end, 0, end - at) === 0) {
      if (from < at) yield [from, at]
      from = end
    }
    at = end
  }
  if (from < piece.length) yield [from, piece.length]
}
