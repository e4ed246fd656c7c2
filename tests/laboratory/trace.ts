/** A hash over everything that happened, in order: the same seed must give the same one. */
export class Trace {
  private hash: bigint
  events = 0
  /** Set to see what happens. */
  print: ((line: string) => void) | null = null

  constructor(seed: string) {
    this.hash = Bun.hash.xxHash3(`seed ${seed}`)
  }

  note(what: string): void {
    this.events++
    this.hash = Bun.hash.xxHash3(what, this.hash)
    this.print?.(what)
  }

  get hex(): string {
    return this.hash.toString(16).padStart(16, '0')
  }
}
