/**
 * Short readers. Blocks and buffers that are dropped while a reader runs stay readable until the reader has ended: a
 * reader that began before a release may still follow pointers into the released blocks.
 */
export class Readers {
  private tick = 0
  private readonly running = new Set<number>()
  private readonly waiting: { readonly tick: number; readonly release: () => void }[] = []

  get count(): number {
    return this.running.size
  }

  /** Begins a reader, and returns the function that ends the reader; a second call of that function is harmless. */
  begin(): () => void {
    const tick = ++this.tick
    this.running.add(tick)
    return () => {
      if (this.running.delete(tick)) this.drain()
    }
  }

  /** Calls `release` when every reader that runs now has ended; at once when no reader runs. */
  afterCurrent(release: () => void): void {
    if (this.running.size === 0) release()
    else this.waiting.push({ tick: this.tick, release })
  }

  private drain(): void {
    if (this.waiting.length === 0) return
    // Ticks ascend and a set iterates in the order of insertion, so the first is the oldest.
    const oldest = this.running.values().next().value ?? Infinity
    let ready = 0
    while (ready < this.waiting.length && this.waiting[ready]!.tick < oldest) ready++
    for (const { release } of this.waiting.splice(0, ready)) release()
  }
}
