import { expect, test } from 'bun:test'
import { RateLimit } from '../../../src/lib/gates/rate-limit.ts'
import { VirtualClock } from '../../simulated/clock.ts'

test('a burst, then so many a second, for each client alone', () => {
  const clock = new VirtualClock()
  const limit = new RateLimit(clock, { burst: 3, perSecond: 2 }, 10)
  const taken = (client: string, times: number) => Array.from({ length: times }, () => limit.take(client))
  expect(taken('a', 4)).toEqual([true, true, true, false])
  expect(taken('b', 1)).toEqual([true])
  clock.jump(499)
  expect(limit.take('a')).toBe(false)
  clock.jump(1)
  expect([limit.take('a'), limit.take('a')]).toEqual([true, false])
  clock.jump(60_000)
  expect(taken('a', 4)).toEqual([true, true, true, false])
})

test('the table is bounded, and forgets who has its whole allowance', () => {
  const clock = new VirtualClock()
  const limit = new RateLimit(clock, { burst: 2, perSecond: 1 }, 100)
  limit.take('spent')
  limit.take('spent')
  for (let i = 0; i < 1000; i++) {
    limit.take(`client ${i}`)
    // Whoever is seen again is not the one that is forgotten.
    expect(limit.take('spent')).toBe(false)
    expect(limit.size).toBeLessThanOrEqual(100)
  }
  clock.jump(10_000)
  limit.take('somebody')
  expect(limit.size).toBe(1)
})
