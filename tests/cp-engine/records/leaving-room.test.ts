/** Room is given in the order in which it was asked for, kept until a turn ends, and never lost. */
import { describe, expect, test } from 'bun:test'
import { LeavingRoom } from '../../../src/cp-engine/records/leaving-room.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { settled } from '../manual-clock.ts'

function harness(bytesMax: number) {
  const room = new LeavingRoom(bytesMax)
  const entered: string[] = []
  const enter = (name: string, bytes: number): void => {
    room
      .enter(bytes)
      .then(() => entered.push(name))
      .catch(() => {})
  }
  return { room, entered, enter }
}

describe('room to leave', () => {
  test('only so much is on its way, but one alone always may be', async () => {
    const { room, entered, enter } = harness(100)
    enter('large', 1000)
    await settled()
    expect(entered).toEqual(['large'])
    room.leaves(1000)
    room.endTurn(1000)
    expect(room.has(1)).toBe(false)
    room.hasLeft(1000)
    expect(room.has(1)).toBe(true)
    expect(room.has(101)).toBe(true)
    room.leaves(1)
    expect(room.has(99)).toBe(true)
    expect(room.has(100)).toBe(false)
  })

  test('in turn, also when a later one would fit', async () => {
    const { room, entered, enter } = harness(100)
    room.leaves(60)
    for (const [name, bytes] of [
      ['a', 50],
      ['b', 10],
      ['c', 30],
      ['d', 30],
    ] as const)
      enter(name, bytes)
    await settled()
    expect(entered).toEqual([])
    room.hasLeft(30)
    await settled()
    expect(entered).toEqual(['a', 'b'])
    // Whoever did not leave after all leaves its room to the next one.
    room.endTurn(50)
    await settled()
    expect(entered).toEqual(['a', 'b', 'c', 'd'])
    expect(room.has(1)).toBe(false)
  })

  test('everybody is let in when nothing leaves any more', async () => {
    const { room, entered, enter } = harness(10)
    room.leaves(10)
    for (const name of ['a', 'b', 'c']) enter(name, 10)
    room.letAllIn()
    await settled()
    expect(entered).toEqual(['a', 'b', 'c'])
    for (let i = 0; i < 3; i++) room.endTurn(10)
    room.hasLeft(10)
    expect(room.has(10)).toBe(true)
  })

  test('whatever they do, all come to their turn, in order, and never too many at once', async () => {
    const random = seededRandom(5)
    const room = new LeavingRoom(100)
    const order: number[] = []
    let inside = 0
    const one = async (i: number): Promise<void> => {
      const bytes = 1 + random.below(i % 10 === 0 ? 300 : 60)
      await room.enter(bytes)
      order.push(i)
      inside += bytes
      expect(inside === bytes || inside <= 100).toBe(true)
      for (let turns = random.below(4); turns > 0; turns--) await settled()
      const isLeaving = random.below(3) > 0
      if (isLeaving) room.leaves(bytes)
      else inside -= bytes
      room.endTurn(bytes)
      if (!isLeaving) return
      for (let turns = random.below(4); turns > 0; turns--) await settled()
      inside -= bytes
      room.hasLeft(bytes)
    }
    await Promise.all(Array.from({ length: 200 }, (_, i) => one(i)))
    expect(order).toEqual(Array.from({ length: 200 }, (_, i) => i))
    expect(room.has(100)).toBe(true)
  })
})
