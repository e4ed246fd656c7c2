/** Runs work that must not overlap: one piece after the other, in the order in which callers asked. */

export class Turn {
  /** Resolves when the turn of the last caller ends. Null means that no caller has a turn or waits for one. */
  private last: Promise<void> | null = null

  get isFree(): boolean {
    return this.last === null
  }

  /** Resolves when the caller's turn begins. The turn lasts until the caller calls the returned function. */
  async take(): Promise<() => void> {
    const before = this.last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.last = promise
    await before
    return () => this.end(promise, resolve)
  }

  private end(turn: Promise<void>, resolve: () => void): void {
    if (this.last === turn) this.last = null
    resolve()
  }

  /** Work that fails ends its turn like any other. */
  async within<T>(work: () => Promise<T>): Promise<T> {
    const before = this.last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.last = promise
    try {
      await before
      return await work()
    } finally {
      this.end(promise, resolve)
    }
  }
}

/** Work under one name takes turns; work under different names does not wait. */
export class Turns {
  private readonly turns = new Map<string, Turn>()

  /** Number of names under which work runs or waits. */
  get size(): number {
    return this.turns.size
  }

  async within<T>(name: string, work: () => Promise<T>): Promise<T> {
    const known = this.turns.get(name)
    const turn = known ?? new Turn()
    if (!known) this.turns.set(name, turn)
    try {
      return await turn.within(work)
    } finally {
      if (turn.isFree) this.turns.delete(name)
    }
  }
}
