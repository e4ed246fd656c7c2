/** What a server remembers of what it has told: one row each. */
import { EventFeed, eventsKeptMax } from '../../src/server/events/event-feed.ts'
import { MirrorWatch } from '../../src/server/events/mirror-watch.ts'
import { membersMax } from '../../src/format/geometry.ts'
import { VirtualClock } from '../simulated/clock.ts'
import type { Bound } from './bounds.ts'

export const told: readonly Bound[] = [
  {
    file: 'server/events/event-feed.ts',
    what: 'events',
    most: eventsKeptMax,
    count: 3 * eventsKeptMax,
    make: () => {
      let cp = 0
      const clock = new VirtualClock()
      const feed = new EventFeed(
        () => cp,
        clock,
        () => {},
      )
      return {
        add: (i) => {
          cp = i + 1
          feed.say({ event: 'published', cp, mirror: null, facts: { cause: 'timer' } })
        },
        size: () => feed.next - feed.oldest,
        knows: (i) => feed.after(i + 1) !== null && feed.oldest <= i,
        keeps: 'newest',
        holder: feed,
        leaveOut: [clock],
      }
    },
  },
  {
    file: 'server/events/mirror-watch.ts',
    what: 'mirrors',
    most: membersMax,
    count: 100,
    make: () => {
      const watch = new MirrorWatch()
      const { standings, mirrored } = watch as unknown as Record<string, Map<string, unknown>>
      const members: string[] = []
      return {
        add: (i) => {
          members.push(`m${i}`)
          if (members.length > membersMax) members.shift()
          watch.has(`m${i}`, i + 1)
          const about = { state: 'stalled', cp: i, lagCps: 1, lagMs: 10_000, needs: null } as const
          watch.look(
            members.map((id) => ({ id, ...about })),
            i,
          )
        },
        size: () => Math.max(standings!.size, mirrored!.size),
        knows: (i) => standings!.has(`m${i}`) && mirrored!.has(`m${i}`),
        keeps: 'newest',
        holder: watch,
      }
    },
  },
]
