/** The clock of one mirror at the primary: pauses grow, end at their limit, and begin anew after a session has begun. */
import { describe, expect, test } from 'bun:test'
import { shipperLimits } from '../../../src/replica/primary/shipper-events.ts'
import { ShipperTimes } from '../../../src/replica/primary/shipper-times.ts'
import { seededRandom } from '../../../src/lib/random.ts'

const { backoffMsMin, backoffMsMax, heartbeatMs, silenceMsMax } = shipperLimits
const hourMs = 3_600_000

/** The shortest jitter, and the longest. */
const dice = (byte: number) => ({
  ...seededRandom(1),
  bytes: (length: number) => new Uint8Array(length).fill(byte),
})

function pausesOf(times: ShipperTimes, count: number, nowMs = 0): number[] {
  return Array.from({ length: count }, () => {
    times.backOff(nowMs)
    return times.wakeMs - nowMs
  })
}

describe('the pause before a connection is tried again', () => {
  test.each([
    ['least', 0, 0.5],
    ['most', 255, 0.5 + 255 / 512],
  ] as const)('with the %s jitter: doubles to its limit, and stays there for ever', (_name, byte, share) => {
    const times = new ShipperTimes(shipperLimits, dice(byte))
    const pauses = pausesOf(times, 2000)
    const doubling = Array.from(
      { length: 2000 },
      (_, i) => Math.min(backoffMsMax, backoffMsMin * 2 ** i) * share,
    )
    expect(pauses).toEqual(doubling)
    expect(doubling.filter((ms) => ms < backoffMsMax * share)).toHaveLength(7)
  })

  test('is the first one again after a session, each time, also after the third hour', () => {
    const times = new ShipperTimes(shipperLimits, dice(0))
    for (const nowMs of [0, 50_000, 3 * hourMs, 30 * 24 * hourMs]) {
      expect(pausesOf(times, 9, nowMs).at(-1)).toBe(backoffMsMax / 2)
      times.begun(nowMs)
      expect(times.pollMs).toBe(nowMs + heartbeatMs)
      expect(pausesOf(times, 3, nowMs)).toEqual([1, 2, 4].map((by) => (backoffMsMin * by) / 2))
      times.begun(nowMs)
    }
  })
})

test('a mirror is silent from its last sign of life on, not from its first', () => {
  const times = new ShipperTimes(shipperLimits, dice(0))
  expect(times.heardMs).toBeNull()
  for (const nowMs of [0, 9999, 3 * hourMs, 3 * hourMs + 1]) {
    times.heard(nowMs)
    expect([times.heardMs, times.silentMs]).toEqual([nowMs, nowMs + silenceMsMax])
  }
})

test('short space is said once in a heartbeat: not one millisecond before the next, and again and again', () => {
  const times = new ShipperTimes(shipperLimits, dice(0))
  for (const nowMs of [0, heartbeatMs, 3 * hourMs, 3 * hourMs + heartbeatMs]) {
    expect(times.maySayShort(nowMs)).toBe(true)
    expect(times.maySayShort(nowMs)).toBe(false)
    expect(times.maySayShort(nowMs + heartbeatMs - 1)).toBe(false)
  }
})
