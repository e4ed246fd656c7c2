/**
 * The cycle decides when consistency points are taken. One CP is written at a time; requests that come meanwhile
 * share the next CP.
 *
 * open → (sealed →) writing → published. `take` seals synchronously when the cycle calls it, and resolves when the CP
 * is published.
 */
import type { Clock } from '../../lib/clock.ts'
import type { CpCause } from '../contract.ts'

interface CpSteps {
  isDirty(): boolean
  take(cause: CpCause): Promise<void>
}

export class CpCycle {
  private writing: Promise<void> | null = null
  private next: Promise<void> | null = null
  private cancelTimer: (() => void) | null = null
  private isStopped = false

  constructor(
    private readonly clock: Clock,
    private readonly intervalMs: number,
    private readonly steps: CpSteps,
  ) {}

  get isWriting(): boolean {
    return this.writing !== null
  }

  /** Called when an operation was applied: a CP comes within the interval. */
  markDirty(): void {
    if (this.cancelTimer || this.isStopped) return
    this.cancelTimer = this.clock.after(this.intervalMs, () => {
      this.cancelTimer = null
      // A failure poisons the engine, which tells every caller that waits.
      this.request('timer').catch(() => {})
    })
  }

  /** Resolves when everything that has been applied by now is published. */
  request(cause: CpCause): Promise<void> {
    // A request between the end of one CP and the begin of the next must not start a third CP.
    if (this.next) return this.next
    if (!this.steps.isDirty()) return this.writing ?? Promise.resolve()
    if (!this.writing) return this.start(cause)
    const isOverload = cause === 'high-water' || cause === 'log-full'
    this.next = this.writing.then(() => {
      this.next = null
      return this.start(isOverload ? 'back-to-back' : cause)
    })
    return this.next
  }

  /** Ends the timer, so that no timer starts a CP any more. */
  stop(): void {
    this.isStopped = true
    this.cancelTimer?.()
    this.cancelTimer = null
  }

  private start(cause: CpCause): Promise<void> {
    this.cancelTimer?.()
    this.cancelTimer = null
    const writing = this.steps.take(cause).finally(() => {
      if (this.writing === writing) this.writing = null
    })
    this.writing = writing
    return writing
  }
}
