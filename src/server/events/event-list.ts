/**
 * The newest events of one kind of listener, so that a client which was cut off can go on where it was.
 *
 * Events are kept for as long as the process lives. What an earlier process has said is not known here, so a client that
 * has heard of no publication that is kept may have missed something.
 */
import { assert } from '../../lib/assert.ts'
import type { EventSource, KeptEvent } from '../../routes/http/event-source.ts'

/** With a consistency point a second and two mirrors, these are four minutes. */
export const eventsKeptMax = 1_000

export class EventList implements EventSource {
  private readonly kept: KeptEvent[] = []
  private first = 0
  private readonly listeners = new Set<() => void>()
  private closed = false

  constructor(private readonly publishedCp: () => number) {}

  get oldest(): number {
    return this.first
  }

  get next(): number {
    return this.first + this.kept.length
  }

  get isClosed(): boolean {
    return this.closed
  }

  get at(): number {
    return this.publishedCp()
  }

  add(event: KeptEvent): void {
    this.kept.push(event)
    if (this.kept.length > eventsKeptMax) {
      this.kept.shift()
      this.first++
    }
    this.tell()
  }

  get(number: number): KeptEvent {
    const event = this.kept[number - this.first]
    assert(event, 'a follower asks for events that are kept')
    return event
  }

  after(cp: number): number | null {
    // A client of another side may know more than this side: nothing was missed here.
    if (cp > this.at) return this.next
    const heard = this.kept.findLastIndex(({ event, cp: of }) => event === 'published' && of <= cp)
    return heard === -1 ? null : this.first + heard + 1
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  close(): void {
    this.closed = true
    this.tell()
  }

  private tell(): void {
    for (const listener of this.listeners) listener()
  }
}
