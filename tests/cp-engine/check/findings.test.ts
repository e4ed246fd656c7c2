/**
 * Every finding that the check can report is planted, for each kind of root where it applies, and reported with nothing
 * beside it. A finding that no plant brings about fails the last tests: the kinds and the texts come from the sources.
 */
import { describe, expect, test } from 'bun:test'
import { type FindingKind, findingKinds } from '../../../src/cp-engine/check-findings.ts'
import { logPlants } from './log-plants.ts'
import { type Plant, differences, findingsOf, lineOf } from './plant.ts'
import { cutPlant, rootPlants } from './root-plants.ts'
import { superblockPlants } from './superblock-plants.ts'
import { textsOf } from '../../texts.ts'

const groups: Readonly<Record<string, readonly Plant[]>> = {
  roots: [...(await rootPlants()), await cutPlant()],
  superblocks: await superblockPlants(),
  log: await logPlants(),
}
const found = new Map<Plant, Promise<readonly string[]>>()
const linesOf = (plant: Plant): Promise<readonly string[]> => {
  let lines = found.get(plant)
  if (!lines) found.set(plant, (lines = findingsOf(plant).then((findings) => findings.map(lineOf))))
  return lines
}

for (const [title, plants] of Object.entries(groups))
  describe(title, () => {
    for (const plant of plants)
      test(plant.title, async () => expect(differences(await linesOf(plant), plant.expected)).toEqual([]))
  })

describe('nothing is left out', () => {
  const all = async () => (await Promise.all(Object.values(groups).flat().map(linesOf))).flat()

  test('of the kinds of findings', async () => {
    const kinds = new Set((await all()).map((line) => line.split(' ')[1] as FindingKind))
    // Of the items, `tests/fs/tree/item-check.test.ts` has every text.
    expect((Object.keys(findingKinds) as FindingKind[]).filter((kind) => !kinds.has(kind))).toEqual([])
  })

  for (const file of ['check', 'root-history', 'reached', 'open/log-plan', 'open/replay'])
    test(`of the texts of ${file}.ts`, async () => {
      const lines = await all()
      const texts = await textsOf(`src/cp-engine/${file}.ts`)
      expect(texts.length).toBeGreaterThan(0)
      expect(texts.filter(({ pattern }) => !lines.some((line) => pattern.test(line)))).toEqual([])
    })
})
