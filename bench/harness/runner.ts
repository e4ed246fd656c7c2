/**
 * Runs scenarios: each row's contestants in turn, so that whatever the machine is doing meanwhile hits all of them.
 *
 * - The order moves by one with each round: nobody is always the first.
 * - A contestant that fails is out of its row, with its reason; when Stillpoint fails, the row has failed.
 * - Everything that a scenario started has ended before the next one begins.
 */
import type { Absent, Bench, Contestant, Role, Row, Sample, Scenario } from './contract.ts'
import { spreadOf, type Spread } from './statistics.ts'
import { judge, type Verdict } from '../targets.ts'

const measureMsMax = 20 * 60_000

export interface ContestantResult {
  readonly name: string
  readonly role: Role
  readonly values: Readonly<Record<string, Spread & { readonly samples: readonly number[] }>>
  /** Null when there is nothing to hash. */
  readonly state: string | null
  /** Why it has no values. */
  readonly absent?: string
  readonly failed?: string
}

export interface RowResult extends Row {
  readonly scenario: string
  readonly contestants: readonly ContestantResult[]
  readonly targets: readonly Verdict[]
  /** All that were hashed hold the same. */
  readonly statesAgree: boolean
  readonly seconds: number
}

export interface RunOptions {
  readonly rounds: number
  readonly wanted: (row: Row) => boolean
  readonly takesPart: (contestant: Contestant) => boolean
  onRow(result: RowResult): void
}

export async function runScenarios(
  bench: Bench,
  scenarios: readonly Scenario[],
  options: RunOptions,
): Promise<readonly RowResult[]> {
  const results: RowResult[] = []
  for (const scenario of scenarios) {
    const rows = scenario.rows(bench.scale).filter((row) => options.wanted(row))
    if (rows.length === 0) continue
    bench.note(`${scenario.name}: starting`)
    let contestants: readonly (Contestant | Absent)[] = []
    try {
      contestants = await within(scenario.open(bench, rows), `${scenario.name}: the start`)
      for (const row of rows) {
        const result = await runRow(bench, scenario.name, row, contestants, options)
        results.push(result)
        options.onRow(result)
      }
    } catch (error) {
      const missing = rows.filter((row) => results.every(({ id }) => id !== row.id))
      for (const row of missing) {
        const result = failedRow(scenario.name, row, reasonOf(error))
        results.push(result)
        options.onRow(result)
      }
    } finally {
      for (const contestant of contestants)
        if ('close' in contestant)
          await contestant.close?.().catch((error: unknown) => bench.note(reasonOf(error)))
      await bench.workspace.processes.stopAll()
    }
  }
  return results
}

interface Running {
  readonly contestant: Contestant
  readonly samples: Sample[]
  state: string | null
  failed: string | null
  takesPart: boolean
}

async function runRow(
  bench: Bench,
  scenario: string,
  row: Row,
  opened: readonly (Contestant | Absent)[],
  options: RunOptions,
): Promise<RowResult> {
  const began = performance.now()
  const contestants = opened.map((one) =>
    'absent' in one || options.takesPart(one) ? one : { ...one, absent: 'not asked for' },
  )
  const running = contestants
    .filter((contestant): contestant is Contestant => !('absent' in contestant))
    .map((contestant): Running => ({ contestant, samples: [], state: null, failed: null, takesPart: true }))
  const rounds = Math.min(options.rounds, row.roundsMax ?? options.rounds)
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < running.length; turn++) {
      const one = running[(turn + round) % running.length]!
      if (one.failed !== null || !one.takesPart) continue
      bench.note(`${row.id}: round ${round + 1} of ${rounds}, ${one.contestant.name}`)
      await guarded(one, async () => {
        const sample = await one.contestant.measure(row, round)
        if (sample) one.samples.push(sample)
        else one.takesPart = false
      })
    }
  }
  for (const one of running) {
    if (one.failed !== null || !one.takesPart || !one.contestant.state) continue
    bench.note(`${row.id}: what ${one.contestant.name} holds`)
    await guarded(one, async () => {
      one.state = (await one.contestant.state?.(row)) ?? null
    })
  }
  const results = contestants.flatMap((contestant): ContestantResult[] => {
    if ('absent' in contestant) {
      const { name, role, absent } = contestant
      return [{ name, role, absent, values: {}, state: null }]
    }
    const one = running.find((each) => each.contestant === contestant)!
    return one.takesPart ? [resultOf(one)] : []
  })
  const states = new Set(results.flatMap(({ state }) => (state === null ? [] : [state])))
  return {
    ...row,
    scenario,
    contestants: results,
    targets: judge(row, results),
    statesAgree: states.size <= 1,
    seconds: (performance.now() - began) / 1000,
  }
}

async function guarded(one: Running, work: () => Promise<void>): Promise<void> {
  try {
    await within(work(), one.contestant.name)
  } catch (error) {
    one.failed = reasonOf(error)
  }
}

function resultOf({ contestant: { name, role }, samples, state, failed }: Running): ContestantResult {
  const values: Record<string, Spread & { samples: number[] }> = {}
  for (const metric of Object.keys(samples[0] ?? {})) {
    const list = samples.map((sample) => sample[metric]).filter((value) => value !== undefined)
    values[metric] = { ...spreadOf(list), samples: list }
  }
  return { name, role, values, state, ...(failed === null ? {} : { failed }) }
}

function failedRow(scenario: string, row: Row, failed: string): RowResult {
  const contestant = {
    name: row.subject ?? 'stillpoint',
    role: 'stillpoint',
    values: {},
    state: null,
    failed,
  } as const
  return {
    ...row,
    scenario,
    contestants: [contestant],
    targets: judge(row, [contestant]),
    statesAgree: true,
    seconds: 0,
  }
}

async function within<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: Timer | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} took more than ${measureMsMax / 1000} s`)),
      measureMsMax,
    )
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The one that the others are compared with. */
export function subjectOf(row: RowResult): ContestantResult | undefined {
  return row.subject === undefined
    ? row.contestants.find(({ role }) => role === 'stillpoint')
    : row.contestants.find(({ name }) => name === row.subject)
}

export const hasFailed = (row: RowResult): boolean =>
  !row.statesAgree ||
  row.contestants.some(({ role, failed }) => role === 'stillpoint' && failed !== undefined)
