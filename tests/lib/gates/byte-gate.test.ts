/** Room is given in the order in which callers asked for it, held until it is let go, and never lost. */
import { describe, expect, test } from 'bun:test'
import { ByteGate } from '../../../src/lib/gates/byte-gate.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { settled } from '../../simulated/clock.ts'

function harness(bytesMax: number) {
  const gate = new ByteGate(bytesMax)
  const entered: string[] = []
  const enter = (name: string, bytes: number): void => {
    gate
      .enter(bytes)
      .then(() => entered.push(name))
      .catch(() => {})
  }
  return { gate, entered, enter }
}

describe('a byte gate', () => {
  test('only so much is on its way, but one alone always may be', async () => {
    const { gate, entered, enter } = harness(100)
    enter('large', 1000)
    await settled()
    expect(entered).toEqual(['large'])
    gate.hold(1000)
    gate.letGo(1000)
    expect(gate.hasRoom(1)).toBe(false)
    gate.letGo(1000)
    expect(gate.hasRoom(1)).toBe(true)
    expect(gate.hasRoom(101)).toBe(true)
    gate.hold(1)
    expect(gate.hasRoom(99)).toBe(true)
    expect(gate.hasRoom(100)).toBe(false)
  })

  test('in turn, also when a later one would fit', async () => {
    const { gate, entered, enter } = harness(100)
    gate.hold(60)
    for (const [name, bytes] of [
      ['a', 50],
      ['b', 10],
      ['c', 30],
      ['d', 30],
    ] as const)
      enter(name, bytes)
    await settled()
    expect(entered).toEqual([])
    gate.letGo(30)
    await settled()
    expect(entered).toEqual(['a', 'b'])
    // What is let go is the next one's.
    gate.letGo(50)
    await settled()
    expect(entered).toEqual(['a', 'b', 'c', 'd'])
    expect(gate.hasRoom(1)).toBe(false)
  })

  test('everybody is let in when nothing leaves any more', async () => {
    const { gate, entered, enter } = harness(10)
    gate.hold(10)
    for (const name of ['a', 'b', 'c']) enter(name, 10)
    gate.admitAll()
    await settled()
    expect(entered).toEqual(['a', 'b', 'c'])
    for (let i = 0; i < 3; i++) gate.letGo(10)
    gate.letGo(10)
    expect(gate.hasRoom(10)).toBe(true)
  })

  test('whatever they do, all come to their turn, in order, and never too many at once', async () => {
    const random = seededRandom(5)
    const gate = new ByteGate(100)
    const order: number[] = []
    let inside = 0
    const one = async (i: number): Promise<void> => {
      const bytes = 1 + random.below(i % 10 === 0 ? 300 : 60)
      await gate.enter(bytes)
      order.push(i)
      inside += bytes
      expect(inside === bytes || inside <= 100).toBe(true)
      for (let turns = random.below(4); turns > 0; turns--) await settled()
      const isLeaving = random.below(3) > 0
      if (isLeaving) gate.hold(bytes)
      else inside -= bytes
      gate.letGo(bytes)
      if (!isLeaving) return
      for (let turns = random.below(4); turns > 0; turns--) await settled()
      inside -= bytes
      gate.letGo(bytes)
    }
    await Promise.all(Array.from({ length: 200 }, (_, i) => one(i)))
    expect(order).toEqual(Array.from({ length: 200 }, (_, i) => i))
    expect(gate.hasRoom(100)).toBe(true)
  })

  test('work that fails lets go of its room', async () => {
    const gate = new ByteGate(10)
    const failing = gate.within(10, () => Promise.reject(new Error('no')))
    const next = gate.within(10, () => Promise.resolve('next'))
    await expect(failing).rejects.toThrow('no')
    expect(await next).toBe('next')
    expect(gate.hasRoom(10)).toBe(true)
    expect(() => gate.letGo(1)).toThrow('was held')
  })
})
