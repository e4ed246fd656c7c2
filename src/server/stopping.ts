/**
 * The moment from which nothing is waited for any more.
 *
 * What has ended leaves nothing behind here: a race against one promise that lives as long as the process would keep
 * every answer that was ever raced.
 */
export class Stopping {
  private readonly ends = new Set<() => void>()
  private begun = false

  get hasBegun(): boolean {
    return this.begun
  }

  /** How much would end now. */
  get waiting(): number {
    return this.ends.size
  }

  begin(): void {
    this.begun = true
    for (const end of this.ends) end()
  }

  /** What the work gives, or `stopping` at once when that begins before. */
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
