/**
 * Every finding that the check can report is planted, for each kind of root where it applies, and reported with nothing
 * beside it. A finding that no plant brings about fails the last tests: the kinds and the texts come from the sources.
 */
import { describe, expect, test } from 'bun:test'
import { type FindingKind, findingKinds } from '../../../src/cp-engine/check-findings.ts'
import { logPlants } from './log-plants.ts'
import { type Found, type Plant, differences, findingsOf } from './plant.ts'
import { cutPlant, mirrorPlants, pairPlants, rootPlants } from './root-plants.ts'
import { superblockPlants } from './superblock-plants.ts'
import { textsOf } from '../../texts.ts'

const groups: Readonly<Record<string, readonly Plant[]>> = {
  roots: [...(await rootPlants()), ...(await pairPlants()), await cutPlant()],
  mirrors: await mirrorPlants(),
  superblocks: await superblockPlants(),
  log: await logPlants(),
}
const found = new Map<Plant, Promise<Found>>()
function foundBy(plant: Plant): Promise<Found> {
  let known = found.get(plant)
  if (!known) found.set(plant, (known = findingsOf(plant)))
  return known
}

for (const [title, plants] of Object.entries(groups))
  describe(title, () => {
    for (const plant of plants)
      test(plant.title, async () =>
        expect(differences((await foundBy(plant)).lines, plant.expected)).toEqual([]),
      )
  })

describe('nothing is left out', () => {
  const all = () => Promise.all(Object.values(groups).flat().map(foundBy))

  // Of the items, `tests/fs/tree/item-check.test.ts` has every text.
  test('of the kinds of findings', async () => {
    const kinds = new Set(
      (await all()).flatMap(({ lines }) => lines).map((line) => line.split(' ')[1] as FindingKind),
    )
    expect((Object.keys(findingKinds) as FindingKind[]).filter((kind) => !kinds.has(kind))).toEqual([])
  })

  for (const file of ['check', 'root-history', 'reached', 'open/log-plan', 'open/replay'])
    test(`of the texts of ${file}.ts`, async () => {
      const lines = (await all()).flatMap((each) => [...each.lines, each.refusal ?? ''])
      const texts = await textsOf(`src/cp-engine/${file}.ts`)
      expect(texts.length).toBeGreaterThan(0)
      expect(texts.filter(({ pattern }) => !lines.some((line) => pattern.test(line)))).toEqual([])
    })
})
