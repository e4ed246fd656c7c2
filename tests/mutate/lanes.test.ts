import { expect, test } from 'bun:test'
import { inLanes } from '../../tools/mutate/lanes.ts'

function lanesOf() {
  const made: number[] = []
  const disposed = new Set<number>()
  const make = (lane: number) => {
    made.push(lane)
    return { lane, dispose: () => disposed.add(lane) }
  }
  return { made, disposed, make }
}

test('each item is taken once, by lanes that work at the same time', async () => {
  const { made, disposed, make } = lanesOf()
  const taken: string[] = []
  let running = 0
  let most = 0
  await inLanes(['a', 'b', 'c', 'd', 'e'], 2, make, async (item) => {
    most = Math.max(most, ++running)
    await Promise.resolve()
    taken.push(item)
    running--
  })
  expect(taken.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(most).toBe(2)
  expect(made).toEqual([0, 1])
  expect(disposed).toEqual(new Set(made))
})

test('a lane for which nothing is left is not made', async () => {
  const { made, make } = lanesOf()
  await inLanes(['a'], 2, make, () => Promise.resolve())
  await inLanes([], 2, make, () => Promise.resolve())
  expect(made).toEqual([0])
})

test('an error ends every lane behind the item that it is at, and lanes are disposed of', async () => {
  const { disposed, make } = lanesOf()
  const taken: number[] = []
  const items = Array.from({ length: 20 }, (_, i) => i)
  const work = async (item: number): Promise<void> => {
    taken.push(item)
    await Promise.resolve()
    if (item === 3) throw new Error('the third')
  }
  await expect(inLanes(items, 2, make, work)).rejects.toThrow('the third')
  expect(taken.length).toBeLessThan(7)
  expect(disposed).toEqual(new Set([0, 1]))
})
