/** The rows of a primary with its mirror, small. */
import { expect, test } from 'bun:test'
import { lag } from '../../bench/rows/lag.ts'
import { mirrorSync } from '../../bench/rows/mirror-sync.ts'
import { mirrorReads } from '../../bench/rows/reads.ts'
import { expectWorked, runSmall } from './bench-run.ts'

const msMax = 120_000

test(
  'reads from a mirror while its primary is written to',
  async () => expectWorked(await runSmall(mirrorReads, /get-4k-64|list/), 2),
  msMax,
)

test(
  'bringing a mirror up to date',
  async () => {
    const results = await runSmall(mirrorSync, /first-copy|1-percent/)
    expectWorked(results, 2)
    const [first, percent] = results.map(({ contestants }) =>
      contestants.find(({ name }) => name === 'stillpoint')!,
    )
    // All of it the first time, and much less for a change.
    expect(first!.values['wire']!.median).toBeGreaterThan(20 * 16 * 1024)
    expect(percent!.values['wire']!.median).toBeGreaterThan(0)
    expect(percent!.values['wire']!.median).toBeLessThan(first!.values['wire']!.median)
  },
  msMax,
)

test('the lag of a mirror', async () => expectWorked(await runSmall(lag, /./), 1), msMax)
