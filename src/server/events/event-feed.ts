/**
 * The events of a server, for those who may monitor it and for everybody else who may listen.
 *
 * - The two have lists of their own: how much happens to mirrors neither ends nor cuts the stream of a reader who hears
 *   nothing of them.
 * - An event is one object in a list with a bound. Nothing is encoded, and nobody is woken, unless somebody listens.
 */
import { labelMs } from '../../format/position.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Metric } from '../../lib/metric.ts'
import {
  eventKinds,
  type EventKind,
  type EventSources,
  type KeptEvent,
  type ServerEvent,
} from '../../routes/http/event-source.ts'
import { EventList } from './event-list.ts'

/** Longest text of an event, in characters. */
const textLengthMax = 256

export class EventFeed implements EventSources {
  readonly all: EventList
  readonly open: EventList
  private readonly counts = new Map<EventKind, number>(eventKinds.map((event) => [event, 0]))

  constructor(
    private readonly publishedCp: () => number,
    private readonly clock: Pick<Clock, 'now'>,
    private readonly record: (event: KeptEvent) => void,
  ) {
    this.all = new EventList(publishedCp)
    this.open = new EventList(publishedCp)
  }

  say(said: ServerEvent): void {
    if (this.all.isClosed) return
    const event = { ...said, facts: shortened(said.facts), at: this.publishedCp(), atMs: labelMs(this.clock) }
    this.counts.set(event.event, this.counts.get(event.event)! + 1)
    this.record(event)
    this.all.add(event)
    const shown = shownToAll(event)
    if (shown !== null) this.open.add(shown)
  }

  /** Tells all who follow that nothing comes any more. */
  close(): void {
    this.all.close()
    this.open.close()
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

/** The event as whoever may not monitor hears of it: nothing about mirrors, and no reason of a fence. */
function shownToAll(event: KeptEvent): KeptEvent | null {
  switch (event.event) {
    case 'published':
    case 'pruned':
      return event
    case 'fenced':
      return { ...event, facts: {} }
    default:
      return null
  }
}

const shortened = (facts: ServerEvent['facts']): ServerEvent['facts'] =>
  Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.slice(0, textLengthMax) : value,
    ]),
  )
