/**
 * Decides which image of the files a request reads, and keeps given CPs readable.
 *
 * - The newest image is the open tree, or the last published CP where there is no open tree.
 * - A given CP is kept readable for `keptMs` from its last use: at most `keptCpsMax` CPs that `?cp=` has named, and as
 *   many that only listings need.
 * - A named CP makes room only for a client that has named fewer than the one who loses a CP. So one client alone may
 *   have every place, and no client keeps the others out.
 * - A listing always finds a place: a CP whose listings have been read to their end makes room first, then the oldest
 *   CP of the client whose listings keep the most.
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

/** Listings of one CP that are remembered as unfinished: clients make up the names in cursors. */
export const listingsOfCpMax = 1024

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
  /** Clients that have named this CP with `?cp=`. A CP with none is kept for listings only. */
  readonly namedBy: Set<string>
  /** Listings that have not been read to their end, the oldest first, with their clients. */
  readonly listings: Map<string, string>
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
  at(cp: number, client: string): ReadView {
    const published = this.find(cp)
    if (!this.kept.get(cp)?.namedBy.has(client)) this.makeRoomForName(cp, client)
    const kept = this.keep(published)
    kept.namedBy.add(client)
    return this.view(kept.published)
  }

  /** Returns the CP of a listing that began with `settled`, for its next page. */
  atListing(cp: number, listing: string, client: string): ReadView {
    return this.view(this.keepListing(this.find(cp), listing, client))
  }

  /** Returns a CP that contains everything written before, and keeps that CP for the pages of one listing. */
  async settled(listing: string, client: string): Promise<ReadView> {
    const { settle, source } = this.options
    return this.view(this.keepListing(settle ? await settle() : source.current(), listing, client))
  }

  /** The last page has been read. The client may ask for that page again until another CP needs the place. */
  endListing(cp: number, listing: string): void {
    this.kept.get(cp)?.listings.delete(listing)
  }

  /**
   * Resolves to true as soon as this CP or a later one is published, to false after `waitMs`, or when the client has
   * left.
   */
  waitFor(cp: number, waitMs: number, left?: AbortSignal): Promise<boolean> {
    if (!this.isEmpty && this.publishedCp() >= cp) return Promise.resolve(true)
    if (waitMs <= 0 || this.closed || left?.aborted) return Promise.resolve(false)
    return new Promise((resolve) => {
      const leave = () => waiter.answer(false)
      const waiter: Waiter = {
        cp,
        answer: (reached) => {
          cancel()
          left?.removeEventListener('abort', leave)
          this.waiters.delete(waiter)
          resolve(reached)
        },
      }
      const cancel = this.options.clock.after(waitMs, () => waiter.answer(false))
      this.waiters.add(waiter)
      left?.addEventListener('abort', leave)
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
    const kept: Kept = {
      published,
      pin: this.closed ? noPin : this.options.source.pin(published),
      usedAt: now,
      namedBy: new Set(),
      listings: new Map(),
      cancelTimer: () => {},
    }
    if (this.closed) return kept
    this.kept.set(cp, kept)
    this.arm(kept, keptMs)
    return kept
  }

  private keepListing(published: PublishedRoot, listing: string, client: string): PublishedRoot {
    if (!this.closed && !this.kept.has(published.root.cp)) this.makeRoomForListing()
    const kept = this.keep(published)
    if (kept.listings.has(listing)) return kept.published
    if (kept.listings.size >= listingsOfCpMax) kept.listings.delete(firstOf(kept.listings.keys()))
    kept.listings.set(listing, client)
    return kept.published
  }

  private makeRoomForName(cp: number, client: string): void {
    const named = [...this.kept.values()].filter(({ namedBy }) => namedBy.size > 0)
    if (this.closed || named.length < keptCpsMax || named.some(({ published }) => published.root.cp === cp))
      return
    const most = greediest(named.flatMap(({ namedBy }) => [...namedBy]))
    const ofClient = named.filter(({ namedBy }) => namedBy.has(client)).length
    const taken = named.filter(({ namedBy }) => namedBy.size === 1 && namedBy.has(most.client))
    if (taken.length === 0 || most.count <= ofClient + 1) {
      throw new StillpointError(
        'too-many-pins',
        `${keptCpsMax} consistency points are kept readable already`,
        {
          kept: this.keptCps(),
        },
      )
    }
    this.drop(oldest(taken))
  }

  private makeRoomForListing(): void {
    const listed = [...this.kept.values()].filter(({ namedBy }) => namedBy.size === 0)
    if (listed.length < keptCpsMax) return
    const ended = listed.filter(({ listings }) => listings.size === 0)
    const { client } = greediest(listed.flatMap(({ listings }) => [...new Set(listings.values())]))
    const ofGreediest = listed.filter(({ listings }) => [...listings.values()].includes(client))
    this.drop(oldest(ended.length > 0 ? ended : ofGreediest))
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

const firstOf = <T>(values: Iterable<T>): T => [...values][0]!

/** The CP that was used longest ago. */
const oldest = (kept: readonly Kept[]): Kept =>
  kept.reduce((least, other) => (other.usedAt < least.usedAt ? other : least))

/** The client that is named most often. */
function greediest(clients: readonly string[]): { readonly client: string; readonly count: number } {
  const counts = new Map<string, number>()
  let most = { client: '', count: 0 }
  for (const client of clients) {
    const count = (counts.get(client) ?? 0) + 1
    counts.set(client, count)
    if (count > most.count) most = { client, count }
  }
  return most
}
