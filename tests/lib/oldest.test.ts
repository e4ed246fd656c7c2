import { expect, test } from 'bun:test'
import { Oldest } from '../../src/lib/oldest.ts'
import { seededRandom } from '../../src/lib/random.ts'

test('the oldest leave first, whatever comes, goes and comes back in between', () => {
  const random = seededRandom(11)
  const map = new Map<number, number>()
  const oldest = new Oldest(map)
  /** The same, in the order of age. */
  let ages: number[] = []
  for (let i = 0; i < 20_000; i++) {
    const key = random.below(600)
    if (random.below(3) > 0 || map.size === 0) {
      map.delete(key)
      map.set(key, i)
      ages = [...ages.filter((each) => each !== key), key]
    } else if (random.below(2) === 0) {
      map.delete(key)
      ages = ages.filter((each) => each !== key)
    }
    if (map.size <= 200) continue
    const leaves = oldest.next()
    expect(leaves).toBe(ages.shift()!)
    map.delete(leaves)
    // A second chance.
    if (random.below(4) === 0) {
      map.set(leaves, i)
      ages.push(leaves)
    }
  }
  expect([...map.keys()]).toEqual(ages)
})

test('everything may go, and it begins anew', () => {
  const map = new Map([[1, 1]])
  const oldest = new Oldest(map)
  expect(oldest.next()).toBe(1)
  map.clear()
  expect(() => oldest.next()).toThrow(/oldest/)
  map.set(2, 2).set(3, 3)
  expect(oldest.next()).toBe(2)
})
