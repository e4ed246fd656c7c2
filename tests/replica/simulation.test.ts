import { expect, test } from 'bun:test'
import { simulate } from './simulation.ts'

const seeds = Number(process.env['STILLPOINT_MIRROR_SEEDS'] ?? 40)
const firstSeed = Number(process.env['STILLPOINT_SEED'] ?? 1)

test(
  `the mirror always shows one consistency point (${seeds} seeds from ${firstSeed})`,
  async () => {
    let published = 0
    let crashes = 0
    const kinds = new Map<string, number>()
    const errors = new Map<string, number>()
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      try {
        const report = await simulate(seed)
        published += report.published
        crashes += report.crashes
        for (const [kind, n] of report.kinds) kinds.set(kind, (kinds.get(kind) ?? 0) + n)
        for (const [code, n] of report.errors) errors.set(code, (errors.get(code) ?? 0) + n)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
    if (process.env['STILLPOINT_MIRROR_SEEDS']) console.log({ published, crashes, kinds, errors })
    // Every way for blocks to travel was taken.
    expect([...kinds.keys()].toSorted()).toEqual(['difference', 'first-copy', 'live', 'want'])
    expect(published).toBeGreaterThan(seeds)
    expect(crashes).toBeGreaterThan(seeds)
  },
  60_000 + seeds * 3000,
)

test('the same seed gives the same run', async () => {
  expect((await simulate(firstSeed)).trace).toBe((await simulate(firstSeed)).trace)
})
