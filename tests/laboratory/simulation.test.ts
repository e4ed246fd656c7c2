/**
 * Whole runs of the simulator, a bounded share of them; and that a seed decides everything, also in another process.
 * `npm run sim` runs as many as wanted.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { Chance } from './chance.ts'
import { Laboratory } from './laboratory.ts'
import { someProfile } from './profile.ts'

const seconds = Number(process.env['STILLPOINT_SIM_SECONDS'] ?? 15)
const firstSeed = Number(process.env['STILLPOINT_SEED'] ?? 1)
const runsMin = 10

/** Its machines have catalogs, so their real files decide nothing. */
const catalogued = 2

const traceOf = async (seed: number): Promise<string> => (await new Laboratory(String(seed)).run()).trace

test(
  `runs from seed ${firstSeed}: no invariant breaks, and everything comes together again`,
  async () => {
    const end = performance.now() + seconds * 1000
    for (let run = 0; run < runsMin || performance.now() < end; run++) {
      const seed = firstSeed + run
      try {
        await new Laboratory(String(seed)).run()
      } catch (error) {
        throw new Error(`again with: npm run sim -- --seed ${seed}`, { cause: error })
      }
    }
  },
  { timeout: 120_000 + seconds * 2000 },
)

test(
  'one seed is one run, here and in another process; another seed is another run',
  async () => {
    const traces = [await traceOf(catalogued), await traceOf(catalogued), await traceOf(4)]
    expect(someProfile(new Chance(String(catalogued)).of('profile')).hasCatalogs).toBeTrue()
    expect(traces[1]).toBe(traces[0])
    expect(traces[2]).not.toBe(traces[0])
    const tool = join(import.meta.dir, '../../tools/sim.ts')
    const child = Bun.spawnSync([process.execPath, tool, '--seed', String(catalogued)])
    expect(child.exitCode).toBe(0)
    expect(child.stdout.toString().trim().split('\n').at(-1)).toBe(`trace ${traces[0]}`)
    expect(traces[0]).toMatch(/^[0-9a-f]{16}$/)
  },
  { timeout: 120_000 },
)

test('a seed is a number, and what else is asked for is refused', () => {
  const tool = join(import.meta.dir, '../../tools/sim.ts')
  for (const args of [[], ['--seed'], ['--seed', 'x'], ['--seed', '1', '--seconds', '2'], ['--speed', '1']]) {
    const child = Bun.spawnSync([process.execPath, tool, ...args])
    expect(child.exitCode).toBe(2)
    expect(child.stderr.toString()).toContain('usage')
  }
})
