/**
 * `npm run sim`: the fault laboratory. See the usage below, and docs/reliability.md for what it does.
 *
 * Prints `trace HASH` for a seed and exits 0 when every invariant held. A failure names its seed or step, the commit, and
 * the command that replays it.
 */
import { parseArgs } from 'node:util'
import { Laboratory, type RunReport } from '../tests/laboratory/laboratory.ts'
import { type SweepStep, cutSweep, exhaustiveSweep, flipSweep } from '../tests/laboratory/sweeps.ts'

const usage = `usage: npm run sim -- --seed N [--trace]              one run
       npm run sim -- --seconds N [--from SEED]       runs, one after the other, for so long
       npm run sim -- --runs N [--from SEED]          so many runs
       npm run sim -- --exhaustive LENGTH             small workloads of 1, 2 or 3 (5,000 sampled) operations
       npm run sim -- --flip                          every bit of a small volume
       npm run sim -- --cut                           the stream to a mirror, cut after every byte
The last three take --from STEP and --steps N.`

const threesSampled = 5000

type Wish =
  | { readonly kind: 'seed'; readonly seed: bigint; readonly isTraced: boolean }
  | { readonly kind: 'runs'; readonly from: bigint; readonly runs: number; readonly seconds: number }
  | {
      readonly kind: 'sweep'
      readonly name: string
      readonly from: number
      readonly steps: AsyncIterable<SweepStep>
    }

/** Null: not understood. */
function wishOf(args: readonly string[]): Wish | null {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const options = {
    seed: text,
    seconds: text,
    runs: text,
    exhaustive: text,
    from: text,
    steps: text,
    flip: flag,
    cut: flag,
    trace: flag,
  } as const
  let values
  try {
    ;({ values } = parseArgs({ args: [...args], options }))
  } catch {
    return null
  }
  const { seed, seconds, runs, exhaustive, flip, cut, from, steps } = values
  const modes = [seed, seconds, runs, exhaustive, flip, cut].filter((value) => value !== undefined)
  const numbers = [seed, seconds, runs, exhaustive, from, steps].filter((value) => value !== undefined)
  if (modes.length !== 1 || !numbers.every((value) => /^\d{1,30}$/.test(value))) return null
  if (seed !== undefined) return { kind: 'seed', seed: BigInt(seed), isTraced: values.trace ?? false }
  if (seconds !== undefined || runs !== undefined)
    return {
      kind: 'runs',
      from: BigInt(from ?? 1),
      runs: Number(runs ?? Infinity),
      seconds: Number(seconds ?? Infinity),
    }
  const range = { from: Number(from ?? 0), steps: Number(steps ?? Infinity) }
  const sweep = (name: string, all: AsyncIterable<SweepStep>): Wish => ({
    kind: 'sweep',
    name,
    from: range.from,
    steps: all,
  })
  if (flip) return sweep('--flip', flipSweep(range))
  if (cut) return sweep('--cut', cutSweep(range))
  const length = Number(exhaustive)
  if (length !== 1 && length !== 2 && length !== 3) return null
  return sweep(`--exhaustive ${length}`, exhaustiveSweep(length, threesSampled, range))
}

function main(args: readonly string[]): Promise<number> {
  const wish = wishOf(args)
  switch (wish?.kind) {
    case undefined:
      console.error(usage)
      return Promise.resolve(2)
    case 'seed':
      return showSeed(wish.seed, wish.isTraced)
    case 'runs':
      return runMany(wish.from, wish.runs, wish.seconds)
    case 'sweep':
      return sweepAll(wish.name, wish.from, wish.steps)
  }
}

async function showSeed(seed: bigint, isTraced: boolean): Promise<number> {
  const report = await runSeed(seed, isTraced)
  if (!report) return 1
  console.log(`${report.events} events in ${Math.round(report.virtualMs)} virtual milliseconds`)
  printCounts(report.counts)
  console.log(`trace ${report.trace}`)
  return 0
}

async function runMany(from: bigint, runsMax: number, seconds: number): Promise<number> {
  const elapsed = stopwatch()
  const totals = new Map<string, number>()
  let runs = 0
  for (; runs < runsMax && elapsed() < seconds; runs++) {
    const report = await runSeed(from + BigInt(runs), false)
    if (!report) return 1
    for (const [what, count] of report.counts) addTo(totals, what, count)
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

async function sweepAll(name: string, from: number, steps: AsyncIterable<SweepStep>): Promise<number> {
  const elapsed = stopwatch()
  const totals = new Map<string, number>()
  let done = 0
  try {
    for await (const { what, counts } of steps) {
      done++
      for (const [outcome, count] of Object.entries(counts)) addTo(totals, outcome, count)
      if (done % 20 === 0) console.log(`${done} steps, ${elapsed().toFixed(0)} s, ${what}`)
    }
  } catch (error) {
    console.error(error)
    const step = from + done
    console.error(`failed at ${commit()}; again with: npm run sim -- ${name} --from ${step} --steps 1`)
    return 1
  }
  printCounts(totals)
  console.log(`${name}: ${done} steps at ${commit()}: no violation, ${elapsed().toFixed(0)} s`)
  return 0
}

function stopwatch(): () => number {
  const began = performance.now()
  return () => (performance.now() - began) / 1000
}

function addTo(totals: Map<string, number>, what: string, count: number): void {
  totals.set(what, (totals.get(what) ?? 0) + count)
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
