/**
 * The moment from which nothing is waited for any more.
 *
 * What has ended leaves nothing behind here: a race against one promise that lives as long as the process would keep
 * every answer that was ever raced.
 */
export class Stopping {
  readonly #waiting = new Set<() => void>()
  #hasBegun = false

  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** How much would end now. */
  get waiting(): number {
    return this.#waiting.size
  }

  begin(): void {
    this.#hasBegun = true
    for (const end of this.#waiting) end()
  }

  /** What the work gives, or `stopping` at once when that begins before. */
  async unless<T>(work: Promise<T>): Promise<T | 'stopping'> {
    const { promise, resolve } = Promise.withResolvers<'stopping'>()
    const end = () => resolve('stopping')
    this.#waiting.add(end)
    if (this.#hasBegun) end()
    try {
      return await Promise.race([work, promise])
    } finally {
      this.#waiting.delete(end)
    }
  }
}
