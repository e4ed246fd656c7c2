/** What a number bounds is tried one below, at, and one above it: two fit, and one does not. One helper for all suites. */
import { expect, test } from 'bun:test'

export type LimitRow = readonly [
  what: string,
  limit: number,
  /** True when so much is taken as it is; false when it is refused. */
  fits: (n: number) => boolean | Promise<boolean>,
]

export function testLimits(rows: readonly LimitRow[], side: 'most' | 'least' = 'most'): void {
  test.each(rows)(`%s: at ${side} %d`, async (_what, limit, fits) => {
    const step = side === 'most' ? 1 : -1
    const found = [await fits(limit - step), await fits(limit), await fits(limit + step)]
    expect(found).toEqual([true, true, false])
  })
}

/** Whether something can be done without an error; what it gives must be what was put in. */
export function isDone(work: () => unknown): boolean {
  try {
    return work() !== false
  } catch {
    return false
  }
}
