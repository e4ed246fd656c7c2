/**
 * Small workloads with a crash at every device operation: all of one operation with a few subsets each, then samples of
 * two and three. `npm run sim -- --exhaustive LENGTH` does all of them with every subset.
 */
import { expect, test } from 'bun:test'
import { Chance } from './chance.ts'
import { type SmallWorkload, crashEverywhere, nameOf, sampled, workloads } from './exhaustive.ts'
import { makeSmallVolumes } from './small-volume.ts'

const samplesSeconds = Number(process.env['STILLPOINT_EXHAUSTIVE_SECONDS'] ?? 5)
const subsetsMax = 8

async function all(chosen: Iterable<SmallWorkload>): Promise<number> {
  const volumes = await makeSmallVolumes()
  let images = 0
  for (const workload of chosen)
    try {
      images += await crashEverywhere(volumes, workload, subsetsMax)
    } catch (error) {
      throw new Error(nameOf(workload), { cause: error })
    }
  return images
}

test('every operation at every level', async () => {
  expect(await all(workloads(1))).toBeGreaterThan(1000)
}, 120_000)

test('some of two and three', async () => {
  const end = performance.now() + samplesSeconds * 1000
  const chance = new Chance('exhaustive.test')
  function* chosen(): Generator<SmallWorkload> {
    for (let n = 0; n < 4 || performance.now() < end; n++) yield sampled(2 + (n % 2), chance)
  }
  expect(await all(chosen())).toBeGreaterThan(50)
}, 120_000)
