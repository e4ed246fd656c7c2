/** Which blocks may be written, on the real classes: I1, and I5 once everything is quiet. */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { Readers } from '../../../src/cp-engine/space/readers.ts'
import { RetentionModel } from '../space/retention-model.ts'

setDefaultTimeout(60_000)

describe('retention', () => {
  test('no block of a slot, hold, pin or reader is ever writable; nothing leaks', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const model = new RetentionModel(seed)
      for (let step = 0; step < 400; step++)
        try {
          await model.step()
        } catch (error) {
          throw new Error(`seed ${seed}, step ${step}`, { cause: error })
        }
      model.quiet()
    }
  })
})

describe('readers', () => {
  test('what is dropped waits for exactly those that ran then', () => {
    const readers = new Readers()
    const released: string[] = []
    const first = readers.begin()
    readers.afterCurrent(() => released.push('a'))
    const second = readers.begin()
    readers.afterCurrent(() => released.push('b'))
    second()
    second()
    expect(released).toEqual([])
    expect(readers.count).toBe(1)
    const third = readers.begin()
    first()
    expect(released).toEqual(['a', 'b'])
    readers.afterCurrent(() => released.push('c'))
    third()
    expect(released).toEqual(['a', 'b', 'c'])
    readers.afterCurrent(() => released.push('d'))
    expect(released).toEqual(['a', 'b', 'c', 'd'])
  })

  test('a reader that began later does not keep what was dropped before it', () => {
    const readers = new Readers()
    let released = 0
    const first = readers.begin()
    readers.afterCurrent(() => released++)
    readers.begin()
    first()
    expect(released).toBe(1)
  })
})
