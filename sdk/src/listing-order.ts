/**
 * The order of a listing: by the bytes of names, a directory before its content. Every entry comes after the one before,
 * so a listing that comes back to where it was is no listing, however its cursors look.
 */

/** Paths are compared name by name; `before` is null for the first entry. */
export function comesAfter(before: string | null, path: string): boolean {
  if (before === null) return true
  const length = Math.min(before.length, path.length)
  for (let at = 0; at < length; at++) {
    const one = before.charCodeAt(at)
    const other = path.charCodeAt(at)
    if (one !== other) return rank(one) < rank(other)
  }
  return path.length > before.length
}

/** The end of a name is before every character; halves of pairs are behind every whole character, as in UTF-8. */
function rank(unit: number): number {
  if (unit === 0x2f) return -1
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
