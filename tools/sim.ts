/**
 * `npm run sim -- --seed N`: one run of the simulator. `-- --seconds N [--from SEED]`: one after the other for so long;
 * `-- --runs N [--from SEED]`: so many. `--trace` prints what happens in a run.
 *
 * Prints `trace HASH` for a seed and exits 0 when every invariant held. A failure names its seed, the commit, and the
 * command that replays it.
 */
import { parseArgs } from 'node:util'
import { Laboratory, type RunReport } from '../tests/laboratory/laboratory.ts'

const usage = `usage: npm run sim -- --seed N [--trace]
       npm run sim -- --seconds N [--from SEED]
       npm run sim -- --runs N [--from SEED]`

interface Wish {
  readonly seed: bigint | null
  readonly seconds: number
  readonly runs: number
  readonly from: bigint
  readonly isTraced: boolean
}

/** Null: not understood. */
function wishOf(args: readonly string[]): Wish | null {
  const text = { type: 'string' } as const
  const options = { seed: text, seconds: text, runs: text, from: text, trace: { type: 'boolean' } } as const
  try {
    const { values } = parseArgs({ args: [...args], options })
    const { seed, seconds, runs, from } = values
    const given = [seed, seconds, runs].filter((value) => value !== undefined)
    const isNumber = [...given, from ?? '0'].every((value) => /^\d{1,30}$/.test(value))
    if (given.length !== 1 || !isNumber || (from !== undefined && seed !== undefined)) return null
    return {
      seed: seed === undefined ? null : BigInt(seed),
      seconds: Number(seconds ?? Infinity),
      runs: Number(runs ?? Infinity),
      from: BigInt(from ?? 1),
      isTraced: values.trace ?? false,
    }
  } catch {
    return null
  }
}

async function main(args: readonly string[]): Promise<number> {
  const wish = wishOf(args)
  if (!wish) {
    console.error(usage)
    return 2
  }
  const { seed, seconds, runs, from, isTraced } = wish
  if (seed !== null) {
    const report = await runSeed(seed, isTraced)
    if (!report) return 1
    console.log(`${report.events} events in ${Math.round(report.virtualMs)} virtual milliseconds`)
    printCounts(report.counts)
    console.log(`trace ${report.trace}`)
    return 0
  }
  return runMany(from, runs, seconds)
}

async function runMany(from: bigint, runsMax: number, seconds: number): Promise<number> {
  const began = performance.now()
  const elapsed = () => (performance.now() - began) / 1000
  const totals = new Map<string, number>()
  let runs = 0
  for (; runs < runsMax && elapsed() < seconds; runs++) {
    const report = await runSeed(from + BigInt(runs), false)
    if (!report) return 1
    for (const [what, count] of report.counts) totals.set(what, (totals.get(what) ?? 0) + count)
    if (runs % 100 === 99) console.log(`${runs + 1} runs, ${elapsed().toFixed(0)} s`)
  }
  printCounts(totals)
  console.log(`${runs} runs from seed ${from} at ${commit()}: no violation, ${elapsed().toFixed(0)} s`)
  return 0
}

/** Null when it failed; said already. */
async function runSeed(seed: bigint, isTraced: boolean): Promise<RunReport | null> {
  const print = isTraced ? (line: string) => console.log(line) : null
  try {
    return await new Laboratory(String(seed), print).run()
  } catch (error) {
    console.error(error)
    console.error(`seed ${seed} failed at ${commit()}; again with: npm run sim -- --seed ${seed}`)
    return null
  }
}

function printCounts(counts: ReadonlyMap<string, number>): void {
  const sorted = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1))
  console.log(sorted.map(([what, count]) => `${what} ${count}`).join(', '))
}

function commit(): string {
  const told = Bun.spawnSync(['git', 'describe', '--always', '--dirty'], { stderr: 'ignore' })
  return told.success ? told.stdout.toString().trim() : 'an unknown commit'
}

// A promise that nobody takes care of would end the server: it ends a run as well.
process.on('unhandledRejection', (error) => {
  console.error('a promise was dropped:', error)
  process.exit(1)
})
process.exitCode = await main(process.argv.slice(2))
