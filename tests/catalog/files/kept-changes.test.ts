/** How many changes are kept and for how long, all of a consistency point or none, and where the catalog says that they begin. */
import { describe, expect, test } from 'bun:test'
import type { ChangesKept } from '../../../src/catalog/files/file-catalog.ts'
import type { ImageRoot } from '../../../src/catalog/files/image.ts'
import { testLimits } from '../../at-the-limit.ts'
import { type Subject, subjects } from './subject.ts'

const make = subjects()
const dayMs = 86_400_000
const many = 1_000_000

/** A catalog that follows one consistency point after the other, each with new files. */
class Followed {
  readonly roots: ImageRoot[] = []
  private files = 0

  private constructor(readonly subject: Subject) {}

  static async make(kept: ChangesKept): Promise<Followed> {
    const followed = new Followed(await make(kept))
    const first = await followed.subject.cp()
    await followed.subject.files.fill(first)
    followed.roots.push(first)
    return followed
  }

  async follow(atMs: number, files: number): Promise<void> {
    for (let i = 0; i < files; i++) await this.subject.put(`f${this.files++}`)
    const target = { ...(await this.subject.cp()), committedMs: atMs }
    const pass = await this.subject.files.follow(this.roots.at(-1)!, target)
    expect(pass.outcome).toBe('done')
    this.roots.push(target)
  }

  get rows(): string[] {
    return this.subject.query('SELECT path FROM changes ORDER BY id').map(([path]) => path as string)
  }

  /** Which of the roots `changes_after` names. */
  get after(): number {
    const [[cp]] = this.subject.query('SELECT changes_after FROM catalog') as [[number]]
    return this.roots.findIndex((root) => root.cp === cp)
  }
}

describe('a number of rows', () => {
  testLimits([
    [
      'changes, one of each consistency point',
      5,
      async (n) => {
        const followed = await Followed.make({ rowsMax: 5, daysMax: 1000 })
        for (let i = 0; i < n; i++) await followed.follow(0, 1)
        expect(followed.rows).toHaveLength(Math.min(n, 5))
        return followed.after === 0
      },
    ],
    [
      'changes, all of one consistency point',
      5,
      async (n) => {
        const followed = await Followed.make({ rowsMax: 5, daysMax: 1000 })
        await followed.follow(0, n)
        expect(followed.rows).toHaveLength(n > 5 ? 0 : n)
        return followed.after === 0
      },
    ],
    [
      'changes of two consistency points, the second in another process',
      5,
      async (n) => {
        const followed = await Followed.make({ rowsMax: 5, daysMax: 1000 })
        await followed.follow(0, 2)
        followed.subject.reopen({ rowsMax: 5, daysMax: 1000 })
        await followed.follow(0, n - 2)
        expect(followed.rows).toHaveLength(n > 5 ? n - 2 : n)
        return followed.after === 0
      },
    ],
  ])

  test('the next pass keeps to another limit of another process', async () => {
    const followed = await Followed.make({ rowsMax: 5, daysMax: 1000 })
    for (let i = 0; i < 5; i++) await followed.follow(0, 1)
    followed.subject.reopen({ rowsMax: 2, daysMax: 1000 })
    expect(followed.rows).toHaveLength(5)
    await followed.follow(0, 1)
    expect(followed.rows).toEqual(['f4', 'f5'])
    expect(followed.after).toBe(4)
  })

  test('0 keeps none, and none of those that were kept before', async () => {
    const followed = await Followed.make({ rowsMax: 5, daysMax: 1000 })
    await followed.follow(0, 2)
    followed.subject.reopen({ rowsMax: 0, daysMax: 1000 })
    await followed.follow(0, 1)
    expect(followed.rows).toEqual([])
    expect(followed.after).toBe(2)
    expect(followed.subject.query('SELECT count(*) FROM files')).toEqual([[3]])
    followed.subject.reopen({ rowsMax: 5, daysMax: 1000 })
    await followed.follow(0, 1)
    expect(followed.rows).toEqual(['f3'])
    expect(followed.after).toBe(2)
  })
})

describe('an age', () => {
  testLimits([
    [
      'milliseconds that a change is kept',
      10 * dayMs,
      async (age) => {
        const followed = await Followed.make({ rowsMax: many, daysMax: 10 })
        await followed.follow(1000, 2)
        await followed.follow(1000 + age, 1)
        expect(followed.rows).toHaveLength(age > 10 * dayMs ? 1 : 3)
        return followed.after === 0
      },
    ],
    [
      'milliseconds that a change is kept, the next one in another process',
      10 * dayMs,
      async (age) => {
        const followed = await Followed.make({ rowsMax: many, daysMax: 10 })
        await followed.follow(1000, 2)
        followed.subject.reopen({ rowsMax: many, daysMax: 10 })
        await followed.follow(1000 + age, 1)
        expect(followed.rows).toHaveLength(age > 10 * dayMs ? 1 : 3)
        return followed.after === 0
      },
    ],
  ])

  test('those of the last consistency point are kept, however late it is after the one before', async () => {
    const followed = await Followed.make({ rowsMax: many, daysMax: 1 })
    for (const day of [0, 400, 800]) await followed.follow(day * dayMs, 2)
    expect(followed.rows).toEqual(['f4', 'f5'])
    expect(followed.after).toBe(2)
  })

  test('a clock that goes back keeps more, and drops nothing that is newer', async () => {
    const followed = await Followed.make({ rowsMax: many, daysMax: 10 })
    await followed.follow(100 * dayMs, 1)
    await followed.follow(50 * dayMs, 1)
    await followed.follow(105 * dayMs, 1)
    expect(followed.rows).toEqual(['f0', 'f1', 'f2'])
    expect(followed.after).toBe(0)
    await followed.follow(111 * dayMs, 1)
    expect(followed.rows).toEqual(['f2', 'f3'])
    expect(followed.after).toBe(2)
  })

  test('rows and age are both kept to', async () => {
    const followed = await Followed.make({ rowsMax: 3, daysMax: 10 })
    await followed.follow(0, 2)
    await followed.follow(5 * dayMs, 2)
    expect(followed.rows).toEqual(['f2', 'f3'])
    await followed.follow(15 * dayMs, 1)
    expect(followed.rows).toHaveLength(3)
    await followed.follow(16 * dayMs, 1)
    expect(followed.rows).toEqual(['f4', 'f5'])
    expect(followed.after).toBe(2)
  })
})
