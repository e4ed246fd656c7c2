/**
 * Each request of a connection to a mirror, given an answer that never ends, at each of its stages: the request is given
 * up when its time is over and when the connection ends, and nothing stays behind.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { encodeFrame } from '../../../src/format/wire/frames.ts'
import { nowhere } from '../../../src/format/wire/messages.ts'
import type { HttpTransportOptions } from '../../../src/replica/link/http-transport.ts'
import { keyOfPair } from '../../../src/replica/link/peer-proof.ts'
import * as replica from '../../../src/replica/link/replica-paths.ts'
import type { FrameReceiver } from '../../../src/replica/link/transport.ts'
import { VirtualClock, settled, stateOf } from '../../simulated/clock.ts'
import { Prover, mirrorEnd, primaryEnd, someUuid } from './peers.ts'

type Send = NonNullable<HttpTransportOptions['fetch']>

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

/** Longest time that a request may take. */
const requestMsMax = 30_000
const paths = [replica.introductionPath, replica.proofPath, replica.framesPath, replica.answersPath]

/** Gives `before` of a body at once and `later` every ten seconds, and no end; the body fails with its request. */
function stalled(clock: VirtualClock, signal: AbortSignal, before: Uint8Array, later: Uint8Array) {
  let isOver = false
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (before.length > 0) controller.enqueue(before)
      const more = (): void => {
        if (isOver) return
        controller.enqueue(later)
        clock.after(10_000, more)
      }
      if (later.length > 0) clock.after(10_000, more)
      signal.addEventListener('abort', () => {
        isOver = true
        controller.error(signal.reason)
      })
    },
    cancel() {
      isOver = true
    },
  })
}

/** Given the honest bytes, the answer that does not end; null for no answer at all. */
type Stall = (honest: Uint8Array, signal: AbortSignal, clock: VirtualClock) => Response | null
const nothing = new Uint8Array(0)
const one = new Uint8Array(1)
const stalls: Record<string, Stall> = {
  'no answer': () => null,
  'a head alone': (_, signal, clock) => new Response(stalled(clock, signal, nothing, nothing)),
  'half of a body': (honest, signal, clock) =>
    new Response(stalled(clock, signal, honest.subarray(0, honest.length >> 1), nothing)),
  'all of a body, and no end': (honest, signal, clock) =>
    new Response(stalled(clock, signal, honest, nothing)),
  'a byte now and then': (_, signal, clock) => new Response(stalled(clock, signal, nothing, one)),
}

/** `onStalled` runs before the request gets what it gets. */
async function scene(path: string, stall: Stall, onStalled = (_close: () => void): void => {}) {
  const clock = new VirtualClock()
  const random = seededRandom(3)
  const parties = { volume: someUuid(random), side: someUuid(random) }
  const receiver: FrameReceiver = {
    receive: () => Promise.resolve(),
    hasAnswers: false,
    takeAnswers: () => [],
    onAnswer: () => () => {},
  }
  const door = mirrorEnd({ side: someUuid(random), secret: 'of both', clock, random }).fetchOf(receiver)
  /** The request that is not answered. */
  let found: AbortSignal | null = null
  const asked: string[] = []
  const send: Send = async (url, init) => {
    const signal = init.signal!
    asked.push(url)
    const answer = await door(new Request(url, init))
    if (found || !url.endsWith(path)) return answer!
    found = signal
    const given = stall(await answer!.bytes(), signal, clock)
    onStalled(() => connection.close())
    if (given) return given
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }
  const { transport } = primaryEnd({ ...parties, secret: 'of both', clock, random, fetch: send })
  const failures: string[] = []
  const head = { number: 0, cp: 1, volume: parties.volume, session: someUuid(random) }
  const frame = encodeFrame({
    ...head,
    base: nowhere,
    epoch: { number: 1, id: random.bytes(8) },
    kind: 'error',
    code: 'older-epoch',
    detail: '',
  })
  const batches = [{ parts: [frame], bytes: frame.length }]
  const connection = transport.connect(
    'http://mirror',
    {
      take: () => batches.pop() ?? null,
      frame: () => {},
      received: () => {},
      failed: (reason) => failures.push(reason),
    },
    null,
  )
  ends.push(() => connection.close())
  for (let i = 0; i < 20; i++) await settled()
  // The answers come after a wait of the mirror.
  if (path === replica.answersPath) await clock.advance(5000)
  for (let i = 0; i < 20; i++) await settled()
  expect(found).not.toBeNull()
  return { clock, connection, failures, asked, signal: found! }
}

for (const path of paths)
  describe(path, () => {
    for (const [name, stall] of Object.entries(stalls)) {
      test(`${name}: given up in time`, async () => {
        const { clock, failures, signal } = await scene(path, stall)
        await clock.advance(requestMsMax + 1)
        for (let i = 0; i < 5; i++) await settled()
        expect([signal.aborted, failures.length]).toEqual([true, 1])
        // One byte more may be on its way.
        await clock.advance(10_000)
        expect(clock.timers).toBe(0)
      })
      test(`${name}: given up with the connection`, async () => {
        const { clock, connection, failures, signal } = await scene(path, stall)
        expect(signal.aborted).toBe(false)
        connection.close()
        for (let i = 0; i < 5; i++) await settled()
        expect([signal.aborted, failures]).toEqual([true, []])
        await clock.advance(10_000)
        expect(clock.timers).toBe(0)
      })
    }
  })

describe('an answer that is of no use', () => {
  for (const path of paths) {
    test(`${path}: a refusal is not read, and its body is given up`, async () => {
      let isCancelled = false
      const body = () => new ReadableStream<Uint8Array>({ cancel: () => void (isCancelled = true) })
      const { clock, failures } = await scene(path, () => new Response(body(), { status: 503 }))
      expect([failures, isCancelled, clock.timers]).toEqual([['it answers 503'], true, 0])
    })
    test(`${path}: bytes without an end are given up`, async () => {
      let [sent, isCancelled] = [0, false]
      const chunk = new Uint8Array(
        path === replica.proofPath || path === replica.introductionPath ? 256 : 2 ** 20,
      )
      const body = () =>
        new ReadableStream<Uint8Array>(
          {
            pull(controller) {
              sent += chunk.length
              if (sent > 2 ** 26) throw new Error('nobody stops this')
              controller.enqueue(chunk)
            },
            cancel: () => void (isCancelled = true),
          },
          { highWaterMark: 0 },
        )
      const { failures } = await scene(path, () => new Response(body()))
      expect([failures, isCancelled]).toEqual([['the answer is too long'], true])
      expect(sent).toBeLessThanOrEqual((chunk.length === 256 ? 1024 : replica.sealedBytesMax) + chunk.length)
    })
    test(`${path}: nothing is asked after the connection has ended`, async () => {
      let before = 0
      const { clock, failures, asked } = await scene(
        path,
        (honest) => new Response(honest as Uint8Array<ArrayBuffer>),
        (close) => {
          close()
          before++
        },
      )
      for (let i = 0; i < 5; i++) await settled()
      expect([before, failures, clock.timers]).toEqual([1, [], 0])
      if (path === replica.introductionPath || path === replica.proofPath)
        expect(asked.at(-1)).toBe(`http://mirror${path}`)
    })
  }
})

test('a mirror does not wait for answers on behalf of a primary that has left', async () => {
  const clock = new VirtualClock()
  const random = seededRandom(3)
  let listeners = 0
  const receiver: FrameReceiver = {
    receive: () => Promise.resolve(),
    hasAnswers: false,
    takeAnswers: () => [],
    onAnswer: () => {
      listeners++
      return () => void listeners--
    },
  }
  const side = someUuid(random)
  const door = mirrorEnd({ side, secret: 'of both', clock, random }).fetchOf(receiver)
  const leaving = new AbortController()
  const parties = { volume: someUuid(random), primary: someUuid(random) }
  const prover = new Prover(
    (path, body, headers = {}) =>
      door(
        new Request(`http://mirror${path}`, {
          method: 'POST',
          body: body as Uint8Array<ArrayBuffer>,
          headers: { 'content-type': replica.binaryType, ...headers },
          ...(path === replica.answersPath ? { signal: leaving.signal } : {}),
        }),
      ) as Promise<Response>,
    parties,
    (mirror) => ({
      keyKind: 'secret',
      key: keyOfPair('secret', encodeUtf8('of both'), { primary: parties.primary, mirror }),
    }),
  )
  await prover.begin()
  const waiting = prover.post(replica.answersPath)
  await settled()
  expect([await stateOf(waiting), listeners, clock.timers]).toEqual(['waiting', 1, 1])
  leaving.abort()
  await waiting
  expect([listeners, clock.timers]).toEqual([0, 0])
})

/** Takes connections, and says nothing. */
async function silentListener() {
  const opened = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let count = 0
  let open = 0
  let whenNone = Promise.withResolvers<void>()
  const listener = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open: () => {
        open++
        opened[count++]?.resolve()
      },
      data: () => {},
      close: () => {
        if (--open === 0) whenNone.resolve()
      },
    },
  })
  ends.push(() => listener.stop(true))
  return {
    url: `https://127.0.0.1:${listener.port}`,
    opened: (at: number) => opened[at]!.promise,
    async closed() {
      if (open > 0) {
        whenNone = Promise.withResolvers()
        await whenNone.promise
      }
    },
  }
}

test('a listener that shows no certificate is given up: both looks in time, and the second with the connection', async () => {
  for (const isClosed of [false, true]) {
    const clock = new VirtualClock()
    const random = seededRandom(3)
    const listener = await silentListener()
    const failed = Promise.withResolvers<string>()
    const { transport } = primaryEnd({
      volume: someUuid(random),
      side: someUuid(random),
      secret: 'of both',
      clock,
    })
    const connection = transport.connect(
      listener.url,
      { take: () => null, frame: () => {}, received: () => {}, failed: failed.resolve },
      null,
    )
    ends.push(() => connection.close())
    await listener.opened(0)
    await clock.advance(requestMsMax)
    // The request has failed; a certificate is looked for, to pin it.
    await listener.opened(1)
    if (isClosed) connection.close()
    else {
      await clock.advance(requestMsMax)
      await failed.promise
    }
    await listener.closed()
    expect(clock.timers).toBe(0)
  }
})
