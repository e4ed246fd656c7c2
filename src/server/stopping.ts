/**
 * The moment from which the server waits for nothing any more.
 *
 * Work that has ended leaves nothing behind here. A race against one promise that lives as long as the process would
 * keep every answer that was ever raced.
 */
export class Stopping {
  private readonly ends = new Set<() => void>()
  private begun = false

  get hasBegun(): boolean {
    return this.begun
  }

  /** Number of waits that `begin` would end now. */
  get waiting(): number {
    return this.ends.size
  }

  begin(): void {
    this.begun = true
    for (const end of this.ends) end()
  }

  /** Gives the result of the work, or `stopping` as soon as the stop begins before the work has ended. */
  async unless<T>(work: Promise<T>): Promise<T | 'stopping'> {
    const { promise, resolve } = Promise.withResolvers<'stopping'>()
    const end = () => resolve('stopping')
    this.ends.add(end)
    if (this.begun) end()
    try {
      return await Promise.race([work, promise])
    } finally {
      this.ends.delete(end)
    }
  }
}
