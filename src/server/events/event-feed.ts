/**
 * The events of a server: the newest are kept, so that a client which was cut off can go on where it was.
 *
 * - An event is one object in a list with a bound. Nothing is encoded, and nobody is woken, unless somebody listens.
 * - Events are kept for as long as the process lives. What an earlier process has said is not known here, so a client
 *   that has heard of no publication that is kept may have missed something.
 */
import { labelMs } from '../../format/position.ts'
import { assert } from '../../lib/assert.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Metric } from '../../lib/metric.ts'
import {
  eventKinds,
  type EventKind,
  type EventSource,
  type KeptEvent,
  type ServerEvent,
} from '../../routes/http/event-source.ts'

/** With a consistency point a second and two mirrors, these are four minutes. */
export const eventsKeptMax = 1_000
/** Longest text of an event, in characters. */
const textLengthMax = 256

export class EventFeed implements EventSource {
  private readonly kept: KeptEvent[] = []
  private first = 0
  private readonly listeners = new Set<() => void>()
  private readonly counts = new Map<EventKind, number>(eventKinds.map((event) => [event, 0]))
  private closed = false

  constructor(
    private readonly publishedCp: () => number,
    private readonly clock: Pick<Clock, 'now'>,
    private readonly record: (event: KeptEvent) => void,
  ) {}

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

  say(said: ServerEvent): void {
    if (this.closed) return
    const event = { ...said, facts: shortened(said.facts), at: this.publishedCp(), atMs: labelMs(this.clock) }
    this.kept.push(event)
    if (this.kept.length > eventsKeptMax) {
      this.kept.shift()
      this.first++
    }
    this.counts.set(event.event, this.counts.get(event.event)! + 1)
    this.record(event)
    for (const listener of this.listeners) listener()
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

  /** Tells all who follow that nothing comes any more. */
  close(): void {
    this.closed = true
    for (const listener of this.listeners) listener()
  }

  metrics(): Metric[] {
    const samples = [...this.counts].map(([event, value]) => ({ labels: { event }, value }))
    return [
      {
        kind: 'counter',
        name: 'stillpoint_events_total',
        help: 'Events of `GET /v1/events`, by their kind',
        samples,
      },
    ]
  }
}

const shortened = (facts: ServerEvent['facts']): ServerEvent['facts'] =>
  Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.slice(0, textLengthMax) : value,
    ]),
  )
