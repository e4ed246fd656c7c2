import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { Pot } from '../../../src/lib/gates/pot.ts'

interface Entry {
  readonly client: string
}

test('nobody asks who the clients are as long as fewer are inside than one of them may have', () => {
  let asked = 0
  const pot = new Pot<Entry>({ most: 10, mostOfClient: 3 }, ({ client }) => {
    asked++
    return client
  })
  const entries = [{ client: 'a' }, { client: 'a' }, { client: 'a' }]
  for (const entry of entries) {
    expect(pot.refusal(entry)).toBeNull()
    pot.enter(entry)
  }
  expect(asked).toBe(0)
  expect(pot.refusal({ client: 'a' })).toBe('share')
  expect(pot.refusal({ client: 'b' })).toBeNull()
  for (const entry of entries) pot.leave(entry)
  expect(pot.size).toBe(0)
})

test('any history: never more than the bounds in all and of each client, and a refusal has its reason', () => {
  const step = fc.record({ client: fc.constantFrom('a', 'b', 'c'), leaves: fc.nat(12) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 0, max: 5 }), (steps, mostOfClient) => {
      const most = 8
      const pot = new Pot<Entry>({ most, mostOfClient }, ({ client }) => client)
      const inside: Entry[] = []
      for (const { client, leaves } of steps) {
        const entry = { client }
        const ofClient = inside.filter((other) => other.client === client).length
        const expected = inside.length >= most ? 'full' : ofClient >= mostOfClient ? 'share' : null
        expect(pot.refusal(entry)).toBe(expected)
        if (expected === null) {
          pot.enter(entry)
          inside.push(entry)
        }
        const left = inside[leaves]
        if (left) {
          pot.leave(left)
          inside.splice(leaves, 1)
        }
        expect(pot.size).toBe(inside.length)
      }
      for (const entry of inside) pot.leave(entry)
      const held = pot as unknown as {
        unknown: Set<Entry>
        clients: Map<Entry, string>
        counts: Map<string, number>
      }
      expect([held.unknown.size, held.clients.size, held.counts.size]).toEqual([0, 0, 0])
    }),
  )
})
