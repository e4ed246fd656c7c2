/**
 * A write that failed is never answered as one that took long: every error, at every level and every wait, whenever it
 * comes. Only what fails after the answer is not heard of.
 */
import { describe, expect, test } from 'bun:test'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import type { Applied, DurabilityLevel } from '../../src/cp-engine/contract.ts'
import { AssertionError } from '../../src/lib/assert.ts'
import { inTime } from '../../src/lib/in-time.ts'
import { type ErrorCode, StillpointError, errorCodes } from '../../src/lib/errors.ts'
import { type Durability, durabilityLevels } from '../../src/routes/http/dependencies.ts'
import { reachLevel, reachingOf } from '../../src/server/durability-levels.ts'
import { expectProblem } from '../routes/harness.ts'
import { type Ask, RealApp } from '../routes/real-app.ts'
import { ok, put, usual, usualAsk } from '../routes/usual.ts'
import { VirtualClock, stateOf } from '../simulated/clock.ts'

const applied = { cp: 7, sequence: 9 } as Applied<unknown>
const errors: readonly Error[] = [
  ...(Object.keys(errorCodes) as ErrorCode[]).map((code) => new StillpointError(code, 'it failed')),
  new DeviceError('the device'),
  new AssertionError('a bug'),
  new TypeError('a bug'),
]
const waits = [null, 0, 1000, 60_000] as const
const mirroredMs = 10_000

interface Failing {
  /** The own log or device fails; else, what the primary is found to be after the wait for mirrors. */
  readonly who: 'own' | 'after the mirrors'
  readonly error: Error
  readonly afterMs: number
}

function reach(
  level: Durability,
  waitMs: number | null,
  { who, error, afterMs }: Failing,
  isBounded = level === 'mirrored',
) {
  const clock = new VirtualClock()
  let isFailed = false
  const own = async (_: Applied<unknown>, to: DurabilityLevel): Promise<DurabilityLevel> => {
    if (who !== 'own') return to
    if (afterMs > 0) await clock.sleep(afterMs)
    throw error
  }
  const engine = {
    reach: own as never,
    assertWritable() {
      if (isFailed) throw error
    },
  }
  const mirrors = {
    async waitMirrored(_cp: number, _count: number, deadlineMs: number) {
      await clock.sleep(Math.max(0, deadlineMs - clock.monotonic()))
      isFailed = who === 'after the mirrors'
      return false
    },
  }
  const wish = { level, mirrors: 1, waitMs: waitMs ?? (isBounded ? mirroredMs : null) }
  return { clock, answer: reachLevel(reachingOf(clock, engine, mirrors), applied, wish) }
}

describe('an error', () => {
  for (const level of durabilityLevels)
    for (const waitMs of waits)
      test(`at ${level}, waiting ${waitMs}`, async () => {
        const limitMs = waitMs ?? (level === 'mirrored' ? mirroredMs : Infinity)
        for (const error of errors)
          for (const afterMs of [0, 1, 999, 5000, 30_000]) {
            const { clock, answer } = reach(level, waitMs, { who: 'own', error, afterMs })
            answer.catch(() => {})
            await clock.advance(100_000)
            const heard: unknown = afterMs === 0 || afterMs < limitMs ? { error } : { value: 'buffered' }
            const row: unknown[] = [error.message, afterMs]
            expect([...row, await stateOf(answer)]).toEqual([...row, heard])
            expect(clock.timers).toBe(0)
          }
      })
  test('at mirrored, waiting without a limit', async () => {
    for (const error of errors)
      for (const afterMs of [0, 30_000]) {
        const { clock, answer } = reach('mirrored', null, { who: 'own', error, afterMs }, false)
        answer.catch(() => {})
        await clock.advance(100_000)
        expect(await stateOf(answer)).toEqual({ error })
      }
  })
  for (const waitMs of waits)
    test(`that comes while mirrors are waited for, ${waitMs}`, async () => {
      for (const error of errors) {
        const { clock, answer } = reach('mirrored', waitMs, { who: 'after the mirrors', error, afterMs: 0 })
        answer.catch(() => {})
        await clock.advance(100_000)
        expect(await stateOf(answer)).toEqual({ error })
      }
    })
})

describe('work with a limit', () => {
  test('that fails in time, at once, and when nobody waits any more', async () => {
    const clock = new VirtualClock()
    const error = new Error('failed')
    expect(await stateOf(inTime(clock, Promise.reject(error), 0))).toEqual({ error })
    expect(await stateOf(inTime(clock, Promise.resolve('done'), 0))).toEqual({ value: 'done' })
    const { promise, reject } = Promise.withResolvers<string>()
    const given = inTime(clock, promise, 10)
    await clock.advance(10)
    expect(await stateOf(given)).toEqual({ value: null })
    reject(error)
    expect(await stateOf(given)).toEqual({ value: null })
    expect(clock.timers).toBe(0)
  })
})

describe('on a device that fails', () => {
  const writing = [
    'putFile',
    'patchFile',
    'deleteFile',
    'makeDirectory',
    'deleteDirectory',
    'move',
    'batch',
    'createToken',
    'revokeToken',
  ]
  const withQuery = ({ path, ...ask }: Ask, query: string): Ask => ({
    ...ask,
    path: `${path}${path.includes('?') ? '&' : '?'}${query}`,
  })
  const queries = durabilityLevels
    .filter((level) => level !== 'buffered')
    .flatMap((level) => ['', '&wait=30'].map((wait) => `durability=${level}${wait}`))

  for (const id of writing)
    test(`${id} is answered poisoned at every level and wait`, async () => {
      for (const query of queries) {
        const app = await RealApp.create()
        await ok(app.ask(put('/v1/files/a', 'hello')))
        await ok(app.ask(put('/v1/dirs/empty', null)))
        const ask = withQuery(await usualAsk(id, app), query)
        app.device.isBroken = true
        const answer = await app.fetch(
          new Request(`http://test${ask.path}`, {
            method: ask.method,
            headers: { ...ask.headers },
            body: ask.body ?? null,
          }),
        )
        expect([query, answer.status]).toEqual([query, 503])
        await expectProblem(answer, 'poisoned')
      }
    })
  test('no writing request is left out', () => {
    // A question writes nothing, and has a body.
    const others = ['takeCp', 'askSql', 'addMirror', 'removeMirror']
    const isRead = (id: string) => /^(get|head|list|whoami)/.test(id)
    expect(Object.keys(usual).filter((id) => !isRead(id) && !others.includes(id))).toEqual(writing)
  })
})
