/**
 * Decides when the files of the catalog move to which published root, and keeps the roots readable for that.
 *
 * - The root that the rows are at is pinned until they have moved on, and so is the root that they move to.
 * - A pin delays nobody: the follower lets go of every older root when space is short, and of a root that was replaced
 *   `heldMsMax` ago. Rows whose root is gone are filled again from the newest root.
 * - CPs are coalesced: after a pass the follower rests for a multiple of the time that the pass has worked, so the share
 *   of a processor that the rows may take has a bound, whatever the load. Waiting for readers of the file is no work: a
 *   slow query delays the rows by its own time, and by no rest.
 */
import type { PublishedRoot, RootSource } from '../../cp-engine/contract.ts'
import { cpsBetween } from '../../format/position.ts'
import { toHex } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { logger } from '../../lib/log.ts'
import type { Pass } from './file-catalog.ts'
import type { CatalogState } from './file-tables.ts'
import { type ImageRoot, imageOf } from './image.ts'

/** Passes over the files, in this thread or in another. */
export interface FilePasses {
  state(): Promise<CatalogState>
  follow(base: ImageRoot, target: ImageRoot): Promise<Pass>
  fill(target: ImageRoot): Promise<Pass>
  /** Ends the pass that runs, and all later ones. */
  cancel(): void
}

interface FollowerStatus {
  /** The CP that the rows are true for; null while they are filled. */
  readonly cp: number | null
  readonly behindCps: number
  /** Time since the first publication that the rows lack. */
  readonly behindMs: number
  readonly isFilling: boolean
  /** Fills since the start. */
  readonly fills: number
}

/** Longest time that a root which is no longer the newest is kept for the catalog. */
export const heldMsMax = 60_000
/**
 * A pass is followed by a rest of so many times its work, and at most of `restMsMax`: a fiftieth of one processor,
 * which a server that has no other processor left can spare.
 */
const restTimes = 49
const restMsMax = 10_000
/** Pause after a pass that the image or the file has refused. */
export const retryMs = 10_000

const log = logger('catalog')

interface Waiter {
  /** Null means the newest one. */
  readonly cp: number | null
  readonly resolve: () => void
}

interface Held {
  readonly published: PublishedRoot
  readonly release: () => void
}

export class FileFollower {
  private base: Held | null = null
  /** The root that the pass moves to. */
  private target: Held | null = null
  /** The rows, as far as known; null before the first answer. */
  private cp: number | null = null
  private isFilling = false
  private fills = 0
  private isStopped = false
  private running: Promise<void> | null = null
  /** Ends a sleep without an end. */
  private wake: (() => void) | null = null
  /** Ends every sleep. */
  private interrupt: (() => void) | null = null
  private readonly waiters = new Set<Waiter>()
  private cancelHold: (() => void) | null = null
  /** When the first CP that the rows lack was published, and the first since the pass began that runs. */
  private behindSinceMs: number | null = null
  private newerSinceMs: number | null = null
  private said = ''
  private stopListening = () => {}

  constructor(
    private readonly source: Pick<RootSource, 'readable' | 'current' | 'pin' | 'onPublished'>,
    private readonly passes: FilePasses,
    private readonly clock: Clock,
  ) {}

  /** Called once, before another CP is published: the roots that can be read now may be the root of the rows. */
  start(): void {
    const kept = this.source.readable().map((published) => this.hold(published))
    this.stopListening = this.source.onPublished(() => this.published())
    this.running = this.work(kept)
  }

  status(): FollowerStatus {
    const newest = this.newest()
    const { cp, isFilling, fills } = this
    const behindMs = this.behindSinceMs === null ? 0 : this.clock.monotonic() - this.behindSinceMs
    return { cp, behindCps: newest ? cpsBetween(cp ?? 0, newest.root.cp) : 0, behindMs, isFilling, fills }
  }

  /** Resolves when the rows are those of the newest root; never rests until then. */
  caughtUp(): Promise<void> {
    return this.isAtNewest() ? Promise.resolve() : this.wait(null)
  }

  /**
   * Resolves when the rows are those of this CP or of a later one, when the follower stops, or when the caller has left;
   * never rests until then.
   */
  reached(cp: number, left: AbortSignal): Promise<void> {
    return this.isAt(cp) ? Promise.resolve() : this.wait(cp, left)
  }

  private async wait(cp: number | null, left?: AbortSignal): Promise<void> {
    if (this.isStopped || left?.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiter = { cp, resolve }
    this.waiters.add(waiter)
    const leave = (): void => resolve()
    left?.addEventListener('abort', leave, { once: true })
    this.wakeUp()
    await promise
    this.waiters.delete(waiter)
    left?.removeEventListener('abort', leave)
  }

  /** Lets go of all roots but the newest, at once. */
  spaceShort(): void {
    const newest = this.newest()
    if (this.base !== null && this.base.published !== newest) this.letGo()
    if (this.target !== null && this.target.published !== newest) this.target.release()
  }

  /** Cuts the pass that runs; resolves when it has ended. */
  async stop(): Promise<void> {
    this.isStopped = true
    this.passes.cancel()
    this.stopListening()
    this.wakeUp()
    await this.running
    this.letGo()
    this.answer()
  }

  private async work(kept: readonly Held[]): Promise<void> {
    this.behindSinceMs = this.clock.monotonic()
    const { rootHash, cp } = await this.passes.state()
    this.cp = cp
    for (const held of kept) {
      if (this.base === null && toHex(held.published.hash) === rootHash) this.base = held
      else held.release()
    }
    while (!this.isStopped) {
      const newest = this.newest()
      if (newest === null || this.isAtNewest()) {
        this.behindSinceMs = null
        this.answer()
        await this.sleep(null)
        continue
      }
      const beganMs = this.clock.monotonic()
      const { isDone, waitedMs } = await this.step(newest)
      const workedMs = Math.max(0, this.clock.monotonic() - beganMs - waitedMs)
      this.answer()
      if (!isDone) await this.sleep(retryMs)
      else if (this.waiters.size === 0) await this.sleep(Math.min(restMsMax, restTimes * workedMs))
    }
  }

  /** `isDone` is false after a failure that another pass at once would meet again. */
  private async step(newest: PublishedRoot): Promise<{ isDone: boolean; waitedMs: number }> {
    const { base } = this
    const target = this.hold(newest)
    this.target = target
    this.newerSinceMs = null
    if (base === null) {
      this.isFilling = true
      this.fills++
      this.cp = null
    }
    const { outcome, reason, state, waitedMs } = base
      ? await this.passes.follow(imageOf(base.published), imageOf(newest))
      : await this.passes.fill(imageOf(newest))
    this.cp = state.cp
    this.isFilling = false
    this.target = null
    this.letGo()
    if (outcome === 'done') {
      this.behindSinceMs = this.newerSinceMs
      // The volume may have cut the pin, or space may have been short: the rows are right, and the root may be gone.
      if (this.isReadable(newest)) this.base = target
      if (!this.isAtNewest()) this.armHold()
      if (this.said !== '') log.info('the files of the catalog are kept again', { cp: newest.root.cp })
      this.said = ''
      return { isDone: true, waitedMs }
    }
    const isKept = this.isReadable(newest)
    target.release()
    // A root that is gone, and rows that are elsewhere, are nobody's fault: the next pass fills.
    if (base !== null && outcome !== 'no-file') return { isDone: true, waitedMs }
    if (outcome === 'unreadable' && !isKept) return { isDone: true, waitedMs }
    this.say(outcome, reason)
    return { isDone: false, waitedMs }
  }

  private say(outcome: string, reason: string): void {
    if (this.isStopped || this.said === outcome) return
    this.said = outcome
    log.warn(
      'the files of the catalog cannot be kept now; this is tried again, and everything else goes on',
      {
        outcome,
        reason,
      },
    )
  }

  private published(): void {
    const nowMs = this.clock.monotonic()
    this.newerSinceMs ??= nowMs
    this.behindSinceMs ??= nowMs
    if (this.base !== null && this.cancelHold === null) this.armHold()
    this.wake?.()
  }

  private armHold(): void {
    this.cancelHold?.()
    this.cancelHold = this.clock.after(heldMsMax, () => this.letGo())
  }

  private letGo(): void {
    this.cancelHold?.()
    this.cancelHold = null
    this.base?.release()
    this.base = null
  }

  private hold(published: PublishedRoot): Held {
    const pin = this.source.pin(published)
    return { published, release: () => pin.release() }
  }

  private newest(): PublishedRoot | null {
    return this.source.readable().length === 0 ? null : this.source.current()
  }

  private isAtNewest(): boolean {
    return this.base !== null && this.base.published === this.newest()
  }

  private isReadable(published: PublishedRoot): boolean {
    return this.source.readable().includes(published)
  }

  private isAt(cp: number): boolean {
    return this.cp !== null && this.cp >= cp
  }

  private answer(): void {
    for (const { cp, resolve } of this.waiters)
      if (this.isStopped || (cp === null ? this.newest() === null || this.isAtNewest() : this.isAt(cp)))
        resolve()
  }

  /** Sleeps until a wake-up, and at most so long; a publication alone ends only a sleep without an end. */
  private async sleep(ms: number | null): Promise<void> {
    if (this.isStopped || (ms === null && this.newest() !== null && !this.isAtNewest())) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = ms === null ? () => {} : this.clock.after(ms, resolve)
    this.wake = ms === null ? resolve : null
    this.interrupt = resolve
    await promise
    cancel()
    this.wake = null
    this.interrupt = null
  }

  private wakeUp(): void {
    this.interrupt?.()
  }
}
