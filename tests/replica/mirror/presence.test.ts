import { describe, expect, test } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import { BlockSet } from '../../../src/replica/link/block-set.ts'
import { Presence } from '../../../src/replica/mirror/presence.ts'
import { SentBlocks } from '../../../src/replica/primary/sent-blocks.ts'

const sum = (n: number) => new Uint8Array(8).fill(n)

describe('presence', () => {
  test('holds for the run that was written, with its checksum, and for nothing else', () => {
    const presence = new Presence()
    presence.wrote(10, 4, 6, sum(1))
    expect(presence.has(10, 4, sum(1))).toBeTrue()
    expect(presence.has(10, 4, sum(2))).toBeFalse()
    expect(presence.has(10, 3, sum(1))).toBeFalse()
    expect(presence.has(11, 3, sum(1))).toBeFalse()
  })

  test.each([9, 10, 11, 12, 13])('ends when block %d and the next are written', (address) => {
    const presence = new Presence()
    presence.wrote(10, 4, 6, sum(1))
    presence.wrote(address, 2, 6, address % 2 === 0 ? sum(3) : null)
    expect(presence.has(10, 4, sum(1))).toBeFalse()
  })

  test('knows what is newer, and forgets what is published', () => {
    const presence = new Presence()
    presence.wrote(10, 2, 6, sum(1))
    presence.wrote(20, 2, 7, sum(2))
    expect(presence.isNewer(19, 2, 6)).toBeTrue()
    expect(presence.isNewer(10, 2, 6)).toBeFalse()
    presence.forgetUpTo(6)
    expect(presence.has(10, 2, sum(1))).toBeFalse()
    expect(presence.has(20, 2, sum(2))).toBeTrue()
  })

  test('is bounded: what finds no room is not remembered, and what it replaces is forgotten', () => {
    const presence = new Presence(4)
    presence.wrote(10, 3, 6, sum(1))
    presence.wrote(11, 2, 6, sum(2))
    expect(presence.has(11, 2, sum(2))).toBeFalse()
    expect(presence.has(10, 3, sum(1))).toBeFalse()
    expect(presence.size).toBeLessThanOrEqual(4)
  })
})

test('a set of blocks is what a set of numbers is', () => {
  const random = seededRandom(4)
  const blocks = new BlockSet()
  const model = new Set<number>()
  for (let i = 0; i < 3000; i++) {
    const address = random.below(100) === 0 ? random.below(2 ** 31) : 32_700 + random.below(200)
    const count = 1 + random.below(9)
    const range = Array.from({ length: count }, (_, n) => address + n)
    if (random.below(2) === 0) {
      blocks.add(address, count)
      for (const block of range) model.add(block)
    } else {
      blocks.delete(address, count)
      for (const block of range) model.delete(block)
    }
    expect(blocks.size).toBe(model.size)
    expect(blocks.hasAny(address - 3, 5)).toBe([0, 1, 2, 3, 4].some((n) => model.has(address - 3 + n)))
    expect(blocks.hasAll(address, count)).toBe(range.every((block) => model.has(block)))
  }
})

test('a difference leaves out what has left live with a CP up to the target', () => {
  const sent = new SentBlocks()
  sent.add(6, 12, 2)
  sent.add(7, 16, 1)
  sent.add(8, 18, 1)
  const ranges = [
    { address: 10, blocks: 10 },
    { address: 30, blocks: 2 },
  ]
  const rest = (cp: number) => [...sent.without(ranges, cp)].map(({ address, blocks }) => [address, blocks])
  expect(rest(7)).toEqual([
    [10, 2],
    [14, 2],
    [17, 3],
    [30, 2],
  ])
  sent.forgetUpTo(6)
  expect(rest(7)).toEqual([
    [10, 6],
    [17, 3],
    [30, 2],
  ])
  sent.forgetAll()
  expect(rest(8)).toEqual([
    [10, 10],
    [30, 2],
  ])
})
