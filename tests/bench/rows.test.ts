/** The rows of one server, small: each does what it says, and everybody who takes part ends up with the same files. */
import { expect, test } from 'bun:test'
import { growth } from '../../bench/rows/growth.ts'
import { largePuts } from '../../bench/rows/large-puts.ts'
import { puts } from '../../bench/rows/puts.ts'
import { reads } from '../../bench/rows/reads.ts'
import { memoryUpload } from '../../bench/rows/sizes.ts'
import { tokenReads } from '../../bench/rows/token-reads.ts'
import { trees } from '../../bench/rows/trees.ts'
import { views } from '../../bench/rows/views.ts'
import { expectWorked, runSmall } from './bench-run.ts'

const msMax = 120_000

test(
  'small PUTs, at every level of durability',
  async () => {
    const results = await runSmall(puts, /^put-(?:4k|64k)-8$/)
    expectWorked(results, 2)
    const names = results[0]!.contestants.map(({ name }) => name)
    expect(names).toContain('stillpoint mirrored')
    // Who was left out is named.
    expect(results[0]!.contestants.find(({ name }) => name === 'nginx')?.absent).toContain('left out')
    expect(results[0]!.contestants.find(({ name }) => name === 'bare-log')?.state).toContain('48 files')
  },
  msMax,
)

test('large PUTs', async () => expectWorked(await runSmall(largePuts, /./), 2), msMax)

test('reads', async () => expectWorked(await runSmall(reads, /./), 7), msMax)

test('reads with a token', async () => expectWorked(await runSmall(tokenReads, /./), 1), msMax)

test('what views cost', async () => expectWorked(await runSmall(views, /./), 7), msMax)

test('trees through the command line', async () => expectWorked(await runSmall(trees, /./), 2), msMax)

test(
  'consistency points, opening after a kill, and memory',
  async () => {
    const results = await runSmall(growth, /^(?:growth-random|open-clean|open-log|memory-files)$/)
    expectWorked(results, 4)
    expectWorked(await runSmall(memoryUpload, /./), 1)
  },
  msMax,
)
