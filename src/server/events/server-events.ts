/** The events of a running server: what is published and pruned, how its mirrors are, and that it was fenced. */
import type { RootSource } from '../../cp-engine/contract.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Metric } from '../../lib/metric.ts'
import type { EventSource, KeptEvent, ServerEvent } from '../../routes/http/event-source.ts'
import { EventFeed } from './event-feed.ts'
import { MirrorWatch, type WatchedMirror } from './mirror-watch.ts'
import { tellPublications } from './publications.ts'

/** Time between two looks at the mirrors. */
const lookMs = 1_000

interface ServerEventsParts {
  readonly clock: Clock
  readonly source: Pick<RootSource, 'readable' | 'onPublished'>
  /** The mirrors of a primary; of a mirror, the mirror itself. */
  mirrors(): readonly WatchedMirror[]
  /** Hears of each event, for the history. */
  record(event: KeptEvent): void
}

export class ServerEvents {
  private readonly feed: EventFeed
  private readonly watch = new MirrorWatch()
  private readonly stopTelling: () => void
  private cancelLook: () => void

  constructor(private readonly parts: ServerEventsParts) {
    const { source, clock } = parts
    this.feed = new EventFeed(
      () => source.readable().at(-1)?.root.cp ?? 0,
      clock,
      (event) => parts.record(event),
    )
    this.stopTelling = tellPublications(source, this.feed)
    this.cancelLook = clock.after(lookMs, this.look)
  }

  get source(): EventSource {
    return this.feed
  }

  mirrored(mirror: string, cp: number): void {
    this.say(this.watch.has(mirror, cp))
  }

  fenced(reason: string): void {
    this.feed.say({ event: 'fenced', cp: this.feed.at, mirror: null, facts: { reason } })
  }

  metrics(): Metric[] {
    return this.feed.metrics()
  }

  /** Ends all streams; nothing is said any more. */
  close(): void {
    this.cancelLook()
    this.stopTelling()
    this.feed.close()
  }

  private readonly look = (): void => {
    const { clock } = this.parts
    this.say(this.watch.look(this.parts.mirrors(), clock.monotonic()))
    this.cancelLook = clock.after(lookMs, this.look)
  }

  private say(events: readonly ServerEvent[]): void {
    for (const event of events) this.feed.say(event)
  }
}
