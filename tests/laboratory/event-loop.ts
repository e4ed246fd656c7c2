/**
 * Virtual time: events in the order of their times, and of their arrival where times are equal. Between two events
 * everything has happened that waits for nothing but promises. Nothing real passes, so one seed gives one order.
 */
import type { Clock } from '../../src/lib/clock.ts'

interface Entry {
  readonly at: number
  readonly order: number
  callback: (() => void) | null
}

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

export class EventLoop {
  /** Virtual milliseconds since the begin. */
  now = 0
  private order = 0
  private readonly heap: Entry[] = []
  /** The first error that nobody was there to take; `until` throws it. */
  private failure: { readonly error: unknown } | null = null

  after(ms: number, callback: () => void): () => void {
    const entry: Entry = { at: this.now + Math.max(0, ms), order: this.order++, callback }
    this.push(entry)
    return () => void (entry.callback = null)
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  /** Something went wrong where no caller waits. */
  fail(error: unknown): void {
    this.failure ??= { error }
  }

  /** For work that nobody awaits: its error ends the run. */
  background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.fail(error))
  }

  /** Runs events until the condition holds; false when it does not within `msMax` of virtual time. */
  async until(condition: () => boolean, msMax: number): Promise<boolean> {
    const end = this.now + msMax
    await this.settle()
    while (!condition()) {
      const next = this.next(end)
      if (!next) {
        this.now = Math.max(this.now, Number.isFinite(end) ? end : this.now)
        return condition()
      }
      this.now = next.at
      next.callback!()
      await this.settle()
    }
    return true
  }

  async pass(ms: number): Promise<void> {
    await this.until(() => false, ms)
  }

  /** Time goes on while something is awaited; null when it takes longer. */
  async drive<T>(work: Promise<T>, msMax: number): Promise<T | null> {
    let isDone = false
    const done = () => void (isDone = true)
    work.then(done, done)
    return (await this.until(() => isDone, msMax)) ? work : null
  }

  private async settle(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (this.failure) throw this.failure.error
  }

  private next(end: number): Entry | null {
    for (;;) {
      const first = this.heap[0]
      if (!first || (first.callback && first.at > end)) return null
      this.pop()
      if (first.callback) return first
    }
  }

  private push(entry: Entry): void {
    const { heap } = this
    let i = heap.push(entry) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = entry
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()!
    if (heap.length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
  }
}

const wallClockMs = 1_700_000_000_000

/** Time as one process sees it: it may be stalled, its wall clock may jump, and after its death nothing calls back. */
export class ProcessClock implements Clock {
  private isAlive = true
  private stalledUntil = 0
  private readonly begunAt: number

  constructor(
    readonly loop: EventLoop,
    /** Of this machine's wall clock; jumps change it. */
    readonly wall: { offsetMs: number } = { offsetMs: 0 },
  ) {
    this.begunAt = loop.now
  }

  now = (): number => wallClockMs + this.wall.offsetMs + Math.floor(this.loop.now)
  monotonic = (): number => this.loop.now - this.begunAt

  after = (ms: number, callback: () => void): (() => void) => {
    let cancel = () => {}
    const fire = () => {
      if (!this.isAlive) return
      const wait = this.stalledUntil - this.loop.now
      if (wait > 0) cancel = this.loop.after(wait, fire)
      else callback()
    }
    cancel = this.loop.after(ms, fire)
    return () => cancel()
  }

  sleep = (ms: number): Promise<void> => new Promise((resolve) => this.after(ms, resolve))
  yield = (): Promise<void> => this.sleep(0)

  /** Nothing of this process moves for so long. */
  stall(ms: number): void {
    this.stalledUntil = Math.max(this.stalledUntil, this.loop.now + ms)
  }

  die(): void {
    this.isAlive = false
  }
}
