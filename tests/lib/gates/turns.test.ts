/** Work that takes turns never overlaps, keeps its order, and leaves nothing behind. */
import { describe, expect, test } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import { Turn, Turns } from '../../../src/lib/gates/turns.ts'
import { settled } from '../../simulated/clock.ts'

describe('a turn', () => {
  test('one at a time, in order, whatever becomes of the one before', async () => {
    const random = seededRandom(3)
    const turn = new Turn()
    const order: number[] = []
    let inside = 0
    const one = (i: number) =>
      turn.within(async () => {
        expect(++inside).toBe(1)
        order.push(i)
        for (let pauses = random.below(4); pauses > 0; pauses--) await settled()
        inside--
        if (i % 3 === 0) throw new Error('it failed')
      })
    const outcomes = await Promise.allSettled(Array.from({ length: 60 }, (_, i) => one(i)))
    expect(order).toEqual(Array.from({ length: 60 }, (_, i) => i))
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(20)
    expect(turn.isFree).toBe(true)
  })

  test('lasts until the caller ends it', async () => {
    const turn = new Turn()
    const end = await turn.take()
    let isNext = false
    const next = turn.take().then((endNext) => {
      isNext = true
      endNext()
    })
    await settled()
    expect(isNext).toBe(false)
    end()
    await next
    expect(isNext).toBe(true)
    expect(turn.isFree).toBe(true)
  })
})

describe('turns by name', () => {
  test('other names do not wait, and a name that nobody uses is forgotten', async () => {
    const turns = new Turns()
    const log: string[] = []
    const gate = Promise.withResolvers<void>()
    const slow = turns.within('a', async () => {
      await gate.promise
      log.push('a1')
    })
    const waits = turns.within('a', () => Promise.resolve(log.push('a2')))
    await turns.within('b', () => Promise.resolve(log.push('b')))
    expect(log).toEqual(['b'])
    expect(turns.size).toBe(1)
    gate.resolve()
    await Promise.all([slow, waits])
    expect(log).toEqual(['b', 'a1', 'a2'])
    expect(turns.size).toBe(0)
  })

  test('also when the work fails while another waits', async () => {
    const turns = new Turns()
    const failing = turns.within('a', () => Promise.reject(new Error('no')))
    const next = turns.within('a', () => Promise.resolve('next'))
    await expect(failing).rejects.toThrow('no')
    expect(await next).toBe('next')
    expect(turns.size).toBe(0)
  })
})
