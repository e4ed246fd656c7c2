/** What is kept of the events, and where a client goes on that was cut off. */
import { expect, test } from 'bun:test'
import { EventFeed, eventsKeptMax } from '../../../src/server/events/event-feed.ts'
import type { KeptEvent } from '../../../src/routes/http/event-source.ts'
import { VirtualClock } from '../../simulated/clock.ts'

function feedOf() {
  const published = { cp: 0 }
  const recorded: KeptEvent[] = []
  const clock = new VirtualClock()
  const feed = new EventFeed(
    () => published.cp,
    clock,
    (event) => void recorded.push(event),
  )
  return {
    feed,
    recorded,
    publish(cp: number) {
      published.cp = cp
      feed.say({ event: 'published', cp, mirror: null, facts: {} })
    },
    mirrored: (cp: number) => feed.say({ event: 'mirrored', cp, mirror: 'm', facts: {} }),
  }
}

test('a client goes on after the publication that it has heard of, with all that came after', () => {
  const { feed, publish, mirrored } = feedOf()
  publish(5)
  mirrored(5)
  publish(6)
  const from = feed.after(5)!
  expect(Array.from({ length: feed.next - from }, (_, i) => feed.get(from + i))).toMatchObject([
    { event: 'mirrored', cp: 5, at: 5 },
    { event: 'published', cp: 6, at: 6 },
  ])
  expect(feed.after(6)).toBe(feed.next)
})

test('a client of a side that skips consistency points misses nothing', () => {
  const { feed, publish } = feedOf()
  publish(5)
  publish(9)
  expect(feed.get(feed.after(7)!)).toMatchObject({ event: 'published', cp: 9 })
  // The client comes from a side that is ahead.
  expect(feed.after(12)).toBe(feed.next)
})

test('what this process cannot know is said', () => {
  const { feed, publish, mirrored } = feedOf()
  mirrored(1)
  // An earlier process may have told more of the same consistency point.
  expect(feed.after(0)).toBeNull()
  publish(5)
  expect(feed.after(4)).toBeNull()
  expect(feed.after(5)).not.toBeNull()
})

test('the newest events are kept', () => {
  const { feed, publish, recorded } = feedOf()
  for (let cp = 1; cp <= eventsKeptMax + 10; cp++) publish(cp)
  expect(feed.next - feed.oldest).toBe(eventsKeptMax)
  expect(feed.get(feed.oldest).cp).toBe(11)
  expect(feed.after(10)).toBeNull()
  expect(feed.after(11)).toBe(feed.oldest + 1)
  expect(recorded).toHaveLength(eventsKeptMax + 10)
})

test('texts are short, and nothing is said after the end', () => {
  const { feed, publish, recorded } = feedOf()
  feed.say({ event: 'fenced', cp: 0, mirror: null, facts: { reason: 'x'.repeat(10_000) } })
  expect(String(recorded[0]!.facts['reason']).length).toBeLessThan(300)
  let told = 0
  const stop = feed.listen(() => told++)
  publish(1)
  expect(told).toBe(1)
  feed.close()
  expect(told).toBe(2)
  expect(feed.isClosed).toBeTrue()
  publish(2)
  expect(recorded.map(({ event }) => event)).toEqual(['fenced', 'published'])
  stop()
})
