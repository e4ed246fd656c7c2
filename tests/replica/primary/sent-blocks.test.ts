/** Which blocks have left live, by CP: a difference leaves them out. */
import { describe, expect, test } from 'bun:test'
import { SentBlocks } from '../../../src/replica/primary/sent-blocks.ts'

/** Blocks of these that were sent with a CP up to `cp`. */
function sentIn(sentLive: SentBlocks, from: number, blocks: number, cp: number): number[] {
  const rest = [...sentLive.without([{ address: from, blocks }], cp)]
  return Array.from({ length: blocks }, (_, i) => from + i).filter(
    (at) => !rest.some(({ address, blocks: count }) => at >= address && at < address + count),
  )
}

describe('what was sent live', () => {
  test('is known by CP, and forgotten up to a CP', () => {
    const sentLive = new SentBlocks()
    const sentOf = (from: number, blocks: number, cp: number) => sentIn(sentLive, from, blocks, cp)
    for (const cp of [5, 6, 7]) sentLive.add(cp, 10 * cp, 2)
    sentLive.add(6, 65, 1)
    expect(sentOf(0, 100, 7)).toEqual([50, 51, 60, 61, 65, 70, 71])
    expect(sentOf(0, 100, 6)).toEqual([50, 51, 60, 61, 65])
    expect(sentOf(0, 100, 4)).toEqual([])
    sentLive.forgetUpTo(4)
    expect(sentOf(0, 100, 7)).toHaveLength(7)
    sentLive.forgetUpTo(5)
    expect(sentOf(0, 100, 7)).toEqual([60, 61, 65, 70, 71])
    sentLive.forgetUpTo(6)
    expect(sentOf(0, 100, 7)).toEqual([70, 71])
  })

  test.each([
    [{ address: 10, blocks: 4 }, []],
    [
      { address: 9, blocks: 6 },
      [
        [9, 1],
        [14, 1],
      ],
    ],
    [{ address: 10, blocks: 5 }, [[14, 1]]],
    [{ address: 9, blocks: 5 }, [[9, 1]]],
    [{ address: 6, blocks: 4 }, [[6, 4]]],
    [{ address: 14, blocks: 3 }, [[14, 3]]],
    [
      { address: 8, blocks: 15 },
      [
        [8, 2],
        [14, 6],
        [21, 2],
      ],
    ],
  ])('is cut out of %p', (range, rest) => {
    const sentLive = new SentBlocks()
    sentLive.add(6, 10, 2)
    sentLive.add(7, 12, 2)
    sentLive.add(7, 20, 1)
    const cut = sentLive.without([{ address: 100, blocks: 1 }, range], 7)
    expect([...cut].map(({ address, blocks }) => [address, blocks])).toEqual([[100, 1], ...rest])
  })
})
