const pageBlocks = 32_640

/** A set of block numbers, kept as bits. */
export class BlockSet {
  private readonly pages = new Map<number, Uint8Array>()

  has(block: number): boolean {
    const page = this.pages.get(Math.floor(block / pageBlocks))
    const bit = block % pageBlocks
    return page !== undefined && ((page[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
  }

  /** Adds a block; the answer says whether it is new. */
  add(block: number): boolean {
    if (this.has(block)) return false
    const index = Math.floor(block / pageBlocks)
    const page = this.pages.get(index) ?? new Uint8Array(pageBlocks / 8)
    const bit = block % pageBlocks
    page[bit >> 3] = (page[bit >> 3] ?? 0) | (1 << (bit & 7))
    this.pages.set(index, page)
    return true
  }

  addAll(other: BlockSet): void {
    for (const block of other) this.add(block)
  }

  *[Symbol.iterator](): Generator<number> {
    for (const [index, page] of this.pages) {
      for (const [at, byte] of page.entries()) {
        for (let bit = 0; byte >> bit !== 0; bit += 1) {
          if (((byte >> bit) & 1) !== 0) yield index * pageBlocks + at * 8 + bit
        }
      }
    }
  }

  /** Up to `most` blocks that are here and not in the other set. */
  without(other: BlockSet, most = 5): number[] {
    const list: number[] = []
    for (const block of this) {
      if (!other.has(block)) list.push(block)
      if (list.length === most) break
    }
    return list
  }
}
