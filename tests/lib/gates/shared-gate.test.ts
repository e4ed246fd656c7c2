import { describe, expect, test } from 'bun:test'
import { SharedGate } from '../../../src/lib/gates/shared-gate.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { settled } from '../../simulated/clock.ts'

const limits = { bytesMax: 100, clientBytesMax: 50, waitingMax: 4, clientWaitingMax: 2 }
const stays = () => new AbortController().signal

describe('shares', () => {
  test('who waits for the share of its own client lets the others pass', async () => {
    const gate = new SharedGate(limits)
    expect(gate.enter('greedy', 50, stays)).toBeNull()
    let isInside = false
    const waits = gate.enter('greedy', 10, stays)!.then((why) => {
      isInside = why === null
    })
    expect(await gate.enter('other', 50, stays)).toBeNull()
    await settled()
    expect(isInside).toBe(false)
    gate.letGo('greedy', 50)
    await waits
    expect(isInside).toBe(true)
    gate.letGo('greedy', 10)
    gate.letGo('other', 50)
    expect([gate.bytes, gate.waiters]).toEqual([0, 0])
  })

  test('one who wants more than there is has it alone', async () => {
    const gate = new SharedGate(limits)
    expect(gate.enter('a', 1000, stays)).toBeNull()
    const next = gate.enter('b', 1, stays)
    gate.letGo('a', 1000)
    expect(await next).toBeNull()
  })

  test('too many that wait are refused, in all and of one client', async () => {
    const gate = new SharedGate(limits)
    expect(gate.enter('a', 50, stays)).toBeNull()
    expect(gate.enter('b', 50, stays)).toBeNull()
    const waiting = ['a', 'a'].map((client) => gate.enter(client, 1, stays))
    expect(await gate.enter('a', 1, stays)).toBe('share')
    waiting.push(...['b', 'b'].map((client) => gate.enter(client, 1, stays)))
    expect(await gate.enter('c', 1, stays)).toBe('full')
    gate.letGo('a', 50)
    gate.letGo('b', 50)
    expect(await Promise.all(waiting)).toEqual([null, null, null, null])
  })

  test('who leaves has no room, and those behind go on', async () => {
    const gate = new SharedGate(limits)
    expect(gate.enter('a', 90, stays)).toBeNull()
    const leaving = new AbortController()
    const large = gate.enter('b', 40, () => leaving.signal)
    const small = gate.enter('c', 10, stays)
    await settled()
    expect(gate.waiters).toBe(2)
    leaving.abort()
    expect(await large).toBe('left')
    expect(await small).toBeNull()
    expect(gate.bytes).toBe(100)
    gate.letGo('c', 10)
    expect(await gate.enter('b', 40, () => leaving.signal)).toBe('left')
    gate.letGo('a', 90)
    expect([gate.bytes, gate.waiters]).toEqual([0, 0])
  })
})

test('any load: bounds hold, everybody gets in or hears why, and nothing is left', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed)
    const gate = new SharedGate({ ...limits, waitingMax: 1000, clientWaitingMax: 1000 })
    const held = new Map<string, number[]>()
    const sum = (client: string) => (held.get(client) ?? []).reduce((all, bytes) => all + bytes, 0)
    let left = 0
    const caller = async () => {
      const client = `c${random.below(3)}`
      const bytes = 1 + random.below(70)
      const control = new AbortController()
      for (let turns = random.below(6); turns > 0; turns--) await settled()
      const waiting = gate.enter(client, bytes, () => control.signal)
      if (waiting && random.below(4) === 0) control.abort()
      const why = await waiting
      if (why !== null) return void (left += why === 'left' ? 1 : 1000)
      held.set(client, [...(held.get(client) ?? []), bytes])
      const ofClient = held.get(client)!.length
      expect(ofClient === 1 || sum(client) <= limits.clientBytesMax).toBe(true)
      const all = ['c0', 'c1', 'c2'].reduce((bytesOfAll, name) => bytesOfAll + sum(name), 0)
      expect(all <= limits.bytesMax || all === bytes).toBe(true)
      expect(gate.bytes).toBeGreaterThanOrEqual(all)
      for (let turns = random.below(6); turns > 0; turns--) await settled()
      held.get(client)!.splice(held.get(client)!.indexOf(bytes), 1)
      gate.letGo(client, bytes)
    }
    await Promise.all(Array.from({ length: 40 }, caller))
    expect(left).toBeLessThan(1000)
    expect([gate.bytes, gate.waiters]).toEqual([0, 0])
  }
})
