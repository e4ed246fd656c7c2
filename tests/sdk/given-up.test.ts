/** An answer that a client does not read to its end is given up: its connection is not kept for nothing. */
import { expect, test } from 'bun:test'
import { Client } from '../../sdk/src/client.ts'
import { VirtualClock, settled } from '../simulated/clock.ts'

const asks: Record<string, (client: Client) => Promise<unknown>> = {
  stat: (client) => client.stat('a'),
  page: (client) => client.page('a'),
  list: (client) => client.list('a').next(),
  get: (client) => client.get('a'),
  'get of a range': (client) => client.get('a', { range: { offset: 1 } }),
  put: (client) => client.put('a', new Uint8Array(1)),
  patch: (client) => client.patch('a', 0, new Uint8Array(1)),
  resize: (client) => client.resize('a', 0),
  upload: (client) => client.upload('a', new Uint8Array(1)),
  'put of several': (client) => client.batch([{ op: 'put', path: 'a', bytes: new Uint8Array(1) }]),
  'put of a link': (client) => client.putLink('a', 'b'),
  'make a directory': (client) => client.makeDirectory('a'),
  'delete a file': (client) => client.deleteFile('a'),
  'delete a directory': (client) => client.deleteDirectory('a', { recursive: true }),
  move: (client) => client.move('a', 'b'),
  'take a CP': (client) => client.administration.takeCp(),
  'list CPs': (client) => client.administration.newestCp(),
  mirrors: (client) => client.administration.mirrors(),
  'remove a mirror': (client) => client.administration.removeMirror('m'),
  whoami: (client) => client.administration.whoami(),
}
/** Neither success nor a refusal; and for a content, a success that does not say what it is. */
const statuses = [202, 206, 299, 304, 307]
const silenceMs = 60_000
const beginMs = 15 * 60_000

/** A body that has begun and does not end. */
function fetchOf(status: number, signals: AbortSignal[], isAnswering = true) {
  return (_url: string, { signal }: RequestInit): Promise<Response> => {
    signals.push(signal!)
    if (!isAnswering)
      return new Promise((_, reject) => {
        signal!.addEventListener('abort', () => reject(signal!.reason as Error))
      })
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from('{"'))
        signal!.addEventListener('abort', () => controller.error(signal!.reason))
      },
    })
    const hasBody = status !== 304
    return Promise.resolve(
      new Response(hasBody ? body : null, { status, headers: { 'Content-Type': 'application/json' } }),
    )
  }
}

for (const [name, ask] of Object.entries(asks)) {
  test(`${name}: an answer of no use`, async () => {
    for (const status of statuses) {
      const signals: AbortSignal[] = []
      const clock = new VirtualClock()
      const client = new Client('http://server', {
        fetch: fetchOf(status, signals),
        timers: clock,
        retriesMax: 0,
      })
      await expect(ask(client)).rejects.toThrow('is it a Stillpoint server?')
      expect([status, signals.length, signals[0]!.aborted, clock.timers]).toEqual([status, 1, true, 0])
    }
  })
  test(`${name}: an answer, or a refusal, that stops in the middle, and none at all`, async () => {
    for (const [status, isAnswering] of [
      [200, true],
      [404, true],
      [500, true],
      [200, false],
    ] as const) {
      const signals: AbortSignal[] = []
      const clock = new VirtualClock()
      const client = new Client('http://server', {
        fetch: fetchOf(status, signals, isAnswering),
        timers: clock,
        retriesMax: 0,
      })
      let failed = false
      const asked = ask(client).catch(() => {
        failed = true
      })
      await clock.advance(isAnswering ? silenceMs : beginMs)
      await settled()
      // An answer without a body is judged at once.
      await asked
      expect([status, failed, signals[0]!.aborted || status === 200, clock.timers]).toEqual([
        status,
        true,
        true,
        0,
      ])
    }
  })
}
