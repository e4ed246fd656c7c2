/**
 * Decides which image of the files a request reads, and keeps given CPs readable.
 *
 * - The newest image is the open tree, or the last published CP where there is no open tree.
 * - A given CP is kept readable for `keptMs` from its last use, at most `keptCpsMax` CPs at a time. Only a CP whose
 *   listings have all been read to their end, and that no `?cp=` has named, makes room for another one.
 * - When readers keep too much, the source may cut a kept CP; that CP is then gone before its time.
 * - `close` releases every pin and answers every waiter.
 *
 * CP numbers give the order, and wall clocks only label: no decision compares wall clock times.
 */
import type { PublishedRoot, RootSource, TreeView } from '../../cp-engine/contract.ts'
import { cpMax } from '../../format/position.ts'
import type { Clock } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import type { ReadView } from '../contract.ts'

export const keptMs = 30_000
export const keptCpsMax = 8

/** Returns whether any history could ever give this number. */
export const isPossibleCp = (cp: number): boolean => Number.isSafeInteger(cp) && cp >= 0 && cp <= cpMax

interface ViewsOptions {
  readonly source: RootSource
  readonly clock: Clock
  /** Reads the files of a published root; releasing the result releases the tree's view. */
  readonly view: (tree: TreeView) => ReadView
  /** Only a primary has an open tree. */
  readonly openView?: () => ReadView
  /** On a primary, publishes a CP that contains everything written so far. */
  readonly settle?: () => Promise<PublishedRoot>
}

interface Kept {
  readonly published: PublishedRoot
  readonly pin: { release(): void }
  usedAt: number
  /** True when a request named this CP with `?cp=`, not only listings. */
  named: boolean
  /** Listings that have not been read to their end. */
  readonly listings: Set<string>
  cancelTimer: () => void
}

/** Pin of a request that goes on while everything is closed: the view of the request keeps the root. */
const noPin = { release: () => {} }

interface Waiter {
  readonly cp: number
  readonly answer: (reached: boolean) => void
}

export class Views {
  private readonly options: ViewsOptions
  private readonly kept = new Map<number, Kept>()
  private readonly waiters = new Set<Waiter>()
  private readonly stopListening: () => void
  private closed = false

  constructor(options: ViewsOptions) {
    this.options = options
    this.stopListening = options.source.onPublished((event) => this.published(event.published.root.cp))
  }

  /** Returns the newest image: a client of a primary reads its own writes. */
  open(): ReadView {
    const { openView, source } = this.options
    return openView ? openView() : this.view(source.current())
  }

  publishedCp(): number {
    return this.options.source.current().root.cp
  }

  /** True for a mirror that has received nothing yet. */
  get isEmpty(): boolean {
    return this.options.source.readable().length === 0
  }

  /** Returns exactly this CP, which is kept from now on. The error `cp-gone` names the readable CPs. */
  at(cp: number): ReadView {
    const kept = this.keep(this.find(cp))
    kept.named = true
    return this.view(kept.published)
  }

  /** Returns the CP of a listing that began with `settled`, for its next page. */
  atListing(cp: number, listing: string): ReadView {
    const kept = this.keep(this.find(cp))
    kept.listings.add(listing)
    return this.view(kept.published)
  }

  /** Returns a CP that contains everything written before, and keeps that CP for the pages of one listing. */
  async settled(listing: string): Promise<ReadView> {
    const { settle, source } = this.options
    const kept = this.keep(settle ? await settle() : source.current())
    kept.listings.add(listing)
    return this.view(kept.published)
  }

  /** The last page has been read. The client may ask for that page again until another CP needs the place. */
  endListing(cp: number, listing: string): void {
    this.kept.get(cp)?.listings.delete(listing)
  }

  /** Resolves to true as soon as this CP or a later one is published, to false after `waitMs`. */
  waitFor(cp: number, waitMs: number): Promise<boolean> {
    if (!this.isEmpty && this.publishedCp() >= cp) return Promise.resolve(true)
    if (waitMs <= 0 || this.closed) return Promise.resolve(false)
    return new Promise((resolve) => {
      const waiter: Waiter = {
        cp,
        answer: (reached) => {
          cancel()
          this.waiters.delete(waiter)
          resolve(reached)
        },
      }
      const cancel = this.options.clock.after(waitMs, () => waiter.answer(false))
      this.waiters.add(waiter)
    })
  }

  keptCps(): number[] {
    return [...this.kept.keys()]
  }

  close(): void {
    this.closed = true
    this.stopListening()
    for (const waiter of this.waiters) waiter.answer(false)
    for (const kept of this.kept.values()) this.drop(kept)
  }

  private view(published: PublishedRoot): ReadView {
    return this.options.view(this.options.source.view(published))
  }

  private find(cp: number): PublishedRoot {
    const readable = this.options.source.readable()
    const found = readable.find((published) => published.root.cp === cp)
    if (found) return found
    // The source has cut this CP, because the source needs the space: the CP takes no place here either.
    const cut = this.kept.get(cp)
    if (cut) this.drop(cut)
    throw new StillpointError('cp-gone', `consistency point ${cp} is not readable`, {
      readable: readable.map((published) => published.root.cp),
    })
  }

  private keep(published: PublishedRoot): Kept {
    const cp = published.root.cp
    const now = this.options.clock.monotonic()
    const known = this.kept.get(cp)
    if (known) {
      known.usedAt = now
      return known
    }
    if (!this.closed && this.kept.size >= keptCpsMax) this.makeRoom()
    const kept: Kept = {
      published,
      pin: this.closed ? noPin : this.options.source.pin(published),
      usedAt: now,
      named: false,
      listings: new Set(),
      cancelTimer: () => {},
    }
    if (this.closed) return kept
    this.kept.set(cp, kept)
    this.arm(kept, keptMs)
    return kept
  }

  private makeRoom(): void {
    for (const kept of this.kept.values()) {
      if (kept.named || kept.listings.size > 0) continue
      this.drop(kept)
      return
    }
    throw new StillpointError('too-many-pins', `${keptCpsMax} consistency points are kept readable already`, {
      kept: this.keptCps(),
    })
  }

  /** One timer for each kept CP; a use only moves the time that the timer looks at. */
  private arm(kept: Kept, ms: number): void {
    kept.cancelTimer = this.options.clock.after(ms, () => {
      const left = kept.usedAt + keptMs - this.options.clock.monotonic()
      if (left > 0) this.arm(kept, left)
      else this.drop(kept)
    })
  }

  private drop(kept: Kept): void {
    kept.cancelTimer()
    this.kept.delete(kept.published.root.cp)
    kept.pin.release()
  }

  private published(cp: number): void {
    for (const waiter of this.waiters) if (waiter.cp <= cp) waiter.answer(true)
  }
}
