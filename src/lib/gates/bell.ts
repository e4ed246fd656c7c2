/** Wakes the callers that wait for a change. Each caller looks again, and may have to wait once more. */
export class Bell {
  private waiting: (() => void)[] = []

  /** Resolves when the bell rings the next time. */
  next(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  ring(): void {
    if (this.waiting.length === 0) return
    const { waiting } = this
    this.waiting = []
    for (const resume of waiting) resume()
  }
}
