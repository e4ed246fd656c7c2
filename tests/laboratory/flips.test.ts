/** A sample of all flipped bits of a small volume; `npm run sim -- --flip` does every one. */
import { expect, test } from 'bun:test'
import { logGroupHeadBytes, logGroupLayout } from '../../src/format/disk/log-group.ts'
import { structures } from '../../src/format/kinds.ts'
import { readU32, readU64 } from '../../src/lib/bytes.ts'
import { Chance } from './chance.ts'
import {
  type Outcome,
  type Specimen,
  type SpecimenName,
  bitsPerBlock,
  makeSpecimens,
  mirrorFlipped,
  readFlipped,
} from './flips.ts'
import { makeSmallVolumes } from './small-volume.ts'

/** Heads are at the beginning of a block, so some bits are always from there. */
function* bitsOf(chance: Chance, head: number, anywhere: number): Generator<number> {
  for (let i = 0; i < head; i++) yield chance.below(8 * 256)
  for (let i = 0; i < anywhere; i++) yield chance.below(bitsPerBlock)
}

const expected: Record<SpecimenName, readonly Outcome[]> = {
  primary: ['loss reported', 'partly refused', 'refused to open', 'right'],
  'sealed primary': ['partly refused', 'refused to open', 'right'],
  mirror: ['partly refused', 'refused to open', 'right'],
}

for (const name of ['primary', 'sealed primary', 'mirror'] as const)
  test(`what is read from a ${name} with a flipped bit is right, or an error; the check knows`, async () => {
    const specimen = (await makeSpecimens(await makeSmallVolumes()))[name]
    const chance = new Chance(`flips ${name}`)
    const outcomes = new Set<Outcome>()
    for (const block of specimen.blocks)
      for (const bit of bitsOf(chance, 5, 4))
        try {
          outcomes.add(await readFlipped(specimen, block, bit))
        } catch (error) {
          throw new Error(`bit ${bit} of block ${block}`, { cause: error })
        }
    expect([...outcomes].toSorted()).toEqual([...expected[name]])
  }, 120_000)

test('a damaged last group of the log is reported, whichever bit of its head it is; once sealed, it is refused', async () => {
  const specimens = await makeSpecimens(await makeSmallVolumes())
  const chance = new Chance('log head')
  for (const [name, outcome] of [
    ['primary', 'loss reported'],
    ['sealed primary', 'refused to open'],
  ] as const) {
    const head = lastGroup(specimens[name])
    for (let byte = 0; byte < logGroupHeadBytes; byte++) {
      const bit = 8 * byte + chance.below(8)
      expect([byte, await readFlipped(specimens[name], head, bit)]).toEqual([byte, outcome])
    }
  }
}, 60_000)

/** Where the last group begins that has records: by the position that its head names. */
function lastGroup({ image, blocks }: Specimen): number {
  let last = { position: 0, block: 0 }
  for (const block of blocks) {
    const bytes = image.blocks.get(block)
    if (bytes[0] !== structures.logGroup.kind || readU32(bytes, logGroupLayout.at.recordCount) === 0) continue
    const position = readU64(bytes, logGroupLayout.at.position)
    if (position >= last.position) last = { position, block }
  }
  return last.block
}

test('a flipped bit of a primary never comes to a mirror', async () => {
  const volumes = await makeSmallVolumes()
  const { primary } = await makeSpecimens(volumes)
  const chance = new Chance('flips to a mirror')
  const outcomes = new Set<string>()
  for (const block of primary.blocks)
    for (const bit of bitsOf(chance, 2, 2)) outcomes.add(await mirrorFlipped(volumes, primary, block, bit))
  expect([...outcomes].toSorted()).toEqual(['mirrored', 'not mirrored'])
}, 60_000)
