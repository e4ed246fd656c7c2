/** A sample of all flipped bits of a small volume; `npm run sim -- --flip` does every one. */
import { expect, test } from 'bun:test'
import { Chance } from './chance.ts'
import { type Outcome, bitsPerBlock, makeSpecimens, mirrorFlipped, readFlipped } from './flips.ts'
import { makeSmallVolumes } from './small-volume.ts'

/** Heads are at the beginning of a block, so some bits are always from there. */
function* bitsOf(chance: Chance, head: number, anywhere: number): Generator<number> {
  for (let i = 0; i < head; i++) yield chance.below(8 * 256)
  for (let i = 0; i < anywhere; i++) yield chance.below(bitsPerBlock)
}

for (const role of ['primary', 'mirror'] as const)
  test(`what is read from a ${role} with a flipped bit is right, or an error`, async () => {
    const specimen = (await makeSpecimens(await makeSmallVolumes()))[role]
    const chance = new Chance(`flips ${role}`)
    const outcomes = new Set<Outcome>()
    for (const block of specimen.blocks)
      for (const bit of bitsOf(chance, 12, 8))
        try {
          outcomes.add(await readFlipped(specimen, block, bit))
        } catch (error) {
          throw new Error(`bit ${bit} of block ${block}`, { cause: error })
        }
    expect([...outcomes].toSorted()).toEqual(
      role === 'primary'
        ? ['loss reported', 'partly refused', 'refused to open', 'right']
        : ['partly refused', 'refused to open', 'right'],
    )
  }, 60_000)

test('a damaged last group of the log is reported, whichever bit of its head it is', async () => {
  const { primary } = await makeSpecimens(await makeSmallVolumes())
  // The last group has two blocks.
  const head = primary.blocks.at(-2)!
  const chance = new Chance('log head')
  for (let byte = 0; byte < 128; byte++)
    expect(await readFlipped(primary, head, 8 * byte + chance.below(8))).toBe('loss reported')
}, 60_000)

test('a flipped bit of a primary never comes to a mirror', async () => {
  const volumes = await makeSmallVolumes()
  const { primary } = await makeSpecimens(volumes)
  const chance = new Chance('flips to a mirror')
  const outcomes = new Set<string>()
  for (const block of primary.blocks)
    for (const bit of bitsOf(chance, 2, 2)) outcomes.add(await mirrorFlipped(volumes, primary, block, bit))
  expect([...outcomes].toSorted()).toEqual(['mirrored', 'not mirrored'])
}, 60_000)
