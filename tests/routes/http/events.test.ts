/** A stream of events: where it begins, what ends it, and what it takes of a server. */
import { afterEach, describe, expect, test } from 'bun:test'
import { eventsKeptMax } from '../../../src/server/events/event-feed.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { type HttpServer, startHttpServer } from '../../../src/routes/http/server.ts'
import { streamEvents } from '../../../src/routes/http/event-stream.ts'
import { eventStreamsLimits, Resources } from '../../../src/routes/limits/resources.ts'
import { Refusals } from '../../../src/routes/limits/refusals.ts'
import { bearer, issue } from '../../access/issued.ts'
import { Harness, expectProblem } from '../harness.ts'
import { clientHeader } from '../resources.ts'
import { EventReader } from './event-reader.ts'

/** Publishes on the harness, and says so. */
function publish(h: Harness): number {
  h.files.dirty = true
  const cp = h.publish()
  h.feed.say({ event: 'published', cp, mirror: null, facts: { cause: 'timer' } })
  return cp
}
async function follow(h: Harness, headers: Record<string, string> = {}): Promise<EventReader> {
  const response = await h.request('GET', '/v1/events', { headers })
  expect(response.status).toBe(200)
  return new EventReader(response)
}

describe('where a stream begins', () => {
  test('with what happens next, on either side', async () => {
    const h = new Harness()
    publish(h)
    for (const ask of [() => h.request('GET', '/v1/events'), () => h.onMirror('GET', '/v1/events')]) {
      const response = await ask()
      expect(response.headers.get('Content-Type')).toBe('text/event-stream')
      expect(response.headers.get('Cache-Control')).toBe('no-store')
      expect(response.headers.get('Stillpoint-CP')).toBe(String(h.files.published))
      const reader = new EventReader(response)
      const next = reader.next()
      const cp = publish(h)
      const at = new Date(h.clock.now()).toISOString()
      expect(await next).toEqual({ id: String(cp), event: 'published', data: { cp, at, cause: 'timer' } })
      h.feed.say({ event: 'mirrored', cp: cp - 1, mirror: 'm', facts: {} })
      expect(await reader.next()).toEqual({
        id: String(cp),
        event: 'mirrored',
        data: { cp: cp - 1, at, mirror: 'm' },
      })
      await reader.cancel()
    }
    expect(h.resources.following).toBe(0)
  })

  test('where the client was cut off, with nothing left out', async () => {
    const h = new Harness()
    const first = publish(h)
    const reader = await follow(h)
    h.feed.say({ event: 'mirrored', cp: first, mirror: 'm', facts: {} })
    await reader.next()
    await reader.cancel()
    // Nobody listens.
    h.feed.say({ event: 'pruned', cp: 1, mirror: null, facts: {} })
    publish(h)
    const again = await follow(h, { 'Last-Event-ID': reader.lastId! })
    expect((await again.until('published')).map(({ event }) => event)).toEqual([
      'mirrored',
      'pruned',
      'published',
    ])
    await again.cancel()
  })

  test('a client that heard nothing before it was cut off knows where it was', async () => {
    const h = new Harness()
    const first = publish(h)
    const reader = await follow(h)
    const heard = reader.next()
    await h.clock.advance(20_000)
    await reader.cancel()
    expect(await heard).toBeNull()
    expect(reader.lastId).toBe(String(first))
  })

  test('a client is told when it may have missed something', async () => {
    const h = new Harness()
    const first = publish(h)
    for (let i = 0; i < eventsKeptMax; i++) h.feed.say({ event: 'pruned', cp: i, mirror: null, facts: {} })
    const now = h.files.published
    const reader = await follow(h, { 'Last-Event-ID': String(first) })
    expect(await reader.next()).toEqual({
      id: String(now),
      event: 'gap',
      data: { cp: now, after: first },
    })
    const cp = publish(h)
    expect(await reader.next()).toMatchObject({ event: 'published', data: { cp } })
    await reader.cancel()
  })

  test('an id that is none is refused', async () => {
    const h = new Harness()
    for (const id of ['x', '-1', '1.5', '99999999999999999', '4, 5'])
      await expectProblem(
        h.request('GET', '/v1/events', { headers: { 'Last-Event-ID': id } }),
        'bad-parameter',
      )
    expect(h.resources.following).toBe(0)
    const head = await h.request('HEAD', '/v1/events')
    expect([head.status, head.body, h.resources.following]).toEqual([200, null, 0])
  })
})

describe('what ends a stream', () => {
  test('a client that does not read takes one piece of memory, and is ended', async () => {
    const h = new Harness()
    publish(h)
    const reader = await follow(h)
    // The greeting is on its way, and the list goes on without the client.
    for (let i = 0; i < eventsKeptMax + 1; i++) publish(h)
    expect(h.resources.following).toBe(0)
    const heard = await reader.until('ended')
    expect(heard.length).toBeLessThan(100)
    expect(heard.at(-1)!.data).toEqual({ reason: 'slow' })
    expect(await reader.next()).toBeNull()
  })

  test('the end of the server, for those who wait and those who come later', async () => {
    const h = new Harness()
    const waiting = await follow(h)
    const unread = await follow(h)
    const next = waiting.next()
    h.feed.close()
    expect(await next).toEqual({ id: null, event: 'ended', data: { reason: 'stopping' } })
    expect(await waiting.next()).toBeNull()
    expect(await unread.next()).toMatchObject({ event: 'ended' })
    expect(await (await follow(h)).next()).toMatchObject({ event: 'ended', data: { reason: 'stopping' } })
    expect(h.resources.following).toBe(0)
  })

  test('a token that is revoked hears nothing more', async () => {
    const h = new Harness()
    const { text, token } = issue('reader', 'd')
    h.known.replace([token], true)
    await expectProblem(h.request('GET', '/v1/events'), 'unauthorized')
    const reader = await follow(h, bearer(text))
    const next = reader.next()
    publish(h)
    expect(await next).toMatchObject({ event: 'published' })
    h.known.replace([], true)
    publish(h)
    expect(await reader.next()).toEqual({ id: null, event: 'ended', data: { reason: 'unauthorized' } })
    expect(h.resources.following).toBe(0)
  })

  test('a comment comes when nothing else does', async () => {
    const h = new Harness()
    const reader = await follow(h)
    const next = reader.next()
    for (let i = 0; i < 3; i++) await h.clock.advance(15_000)
    const cp = publish(h)
    expect(await next).toMatchObject({ data: { cp } })
    expect(reader.comments).toBe(3)
    await reader.cancel()
    expect(h.clock.timers).toBe(0)
  })
})

test('streams have a bound of each client and in all', async () => {
  const h = new Harness()
  const { most, mostOfClient } = eventStreamsLimits
  const streams: EventReader[] = []
  const from = (client: string) => h.request('GET', '/v1/events', { headers: { [clientHeader]: client } })
  for (let i = 0; i < mostOfClient; i++) streams.push(new EventReader(await from('one')))
  await expectProblem(from('one'), 'too-many-requests')
  for (let i = mostOfClient; i < most; i++) streams.push(new EventReader(await from(`client ${i}`)))
  await expectProblem(from('another'), 'busy')
  expect(h.resources.following).toBe(most)
  for (const stream of streams.splice(0)) await stream.cancel()
  expect(h.resources.following).toBe(0)
  expect(new Map(h.resources.refusals.entries()).get('events-of-client')).toBe(1)
})

test('streams do not make a server crowded', async () => {
  const h = new Harness()
  let requests = 0
  const resources = new Resources({
    clock: h.clock,
    refusals: new Refusals(),
    uploadBytesMax: 2 ** 26,
    downloadBytesMax: 2 ** 26,
    clientOf: (request) => request.url,
    requests: () => requests,
    keepOpen: () => {},
  })
  for (let i = 0; i < 200; i++) {
    resources.eventRoom(new Request(`http://test/${i}`))
    requests++
  }
  expect(resources.isCrowded).toBeFalse()
})

describe('over a socket', () => {
  const servers: HttpServer[] = []
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop(100)
  })

  test('a stream outlives the idle time, another answer does not', async () => {
    const h = new Harness()
    const server: HttpServer = startHttpServer({
      hostname: '127.0.0.1',
      port: 0,
      clock: systemClock,
      idleSeconds: 1,
      mounts: [
        {
          prefix: '/',
          fetch: (request) => new Response(request.url.endsWith('idle') ? idle() : stream(request)),
        },
      ],
    })
    servers.push(server)
    const idle = () =>
      new ReadableStream({
        pull(piece) {
          piece.enqueue(new Uint8Array(1))
          return new Promise<void>(() => {})
        },
      })
    const stream = (request: Request) => {
      server.keepOpen(request, true)
      return streamEvents(h.feed, null, {
        clock: systemClock,
        room: { end: () => {} },
        permit: { isCurrent: true, renew: async () => {} },
      })
    }
    const reader = new EventReader(await fetch(`${server.url}/events`))
    const next = reader.next()
    const other = await fetch(`${server.url}/idle`)
    expect(await other.text().catch(() => 'cut')).toBe('cut')
    const cp = publish(h)
    expect(await next).toMatchObject({ data: { cp } })
    await reader.cancel()
  })
})
