/**
 * Runs scenarios: each row's contestants in turn, so that whatever the machine is doing meanwhile hits all of them.
 *
 * - The order moves by one with each round: nobody is always the first.
 * - A contestant that fails is out of its row, with its reason; when Stillpoint fails, the row has failed. Rows that
 *   follow get a fresh start then, and a rival that has failed once is not asked again.
 * - Every start, measurement, row and run has a time bound; what is over it is reported as failed, by name.
 * - Everything that a scenario started has ended, and what it wrote is gone, before the next one begins.
 */
import type { Absent, Bench, Contestant, Role, Row, Sample, Scenario } from './contract.ts'
import { spreadOf, type Spread } from './statistics.ts'
import { judge, type Verdict } from '../targets.ts'

const openMsMax = 10 * 60_000
const measureMsMax = 5 * 60_000
/** Rounds that would begin later are left out. */
const rowMsMax = 6 * 60_000
const outOfTime = 'out of time'

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
  /** Rows that have not begun by then, as `performance.now` counts, are not begun. */
  readonly deadlineMs?: number
  onRow(result: RowResult): void
}

export async function runScenarios(
  bench: Bench,
  scenarios: readonly Scenario[],
  options: RunOptions,
): Promise<readonly RowResult[]> {
  const results: RowResult[] = []
  const onRow = (result: RowResult): void => {
    results.push(result)
    options.onRow(result)
  }
  for (const scenario of scenarios) {
    // Rivals that have failed, and why.
    const out = new Map<string, string>()
    let rows: readonly Row[] = scenario.rows(bench.scale).filter((row) => options.wanted(row))
    while (rows.length > 0) rows = await runRows(bench, scenario, rows, { ...options, onRow }, out)
  }
  return results
}

/** The rows that are left when one has failed. */
async function runRows(
  bench: Bench,
  scenario: Scenario,
  rows: readonly Row[],
  options: RunOptions,
  out: Map<string, string>,
): Promise<readonly Row[]> {
  const { deadlineMs = Number.POSITIVE_INFINITY } = options
  const left = [...rows]
  let contestants: readonly (Contestant | Absent)[] = []
  const assertInTime = (): void => {
    if (performance.now() > deadlineMs) throw new Error('not begun: the run is out of time')
  }
  try {
    assertInTime()
    bench.note(`${scenario.name}: starting`)
    contestants = await within(openMsMax, scenario.open(bench, rows), `${scenario.name}: the start`)
    for (const row of rows) {
      assertInTime()
      const result = await runRow(bench, scenario.name, row, contestants, options, out)
      left.shift()
      options.onRow(result)
      for (const { name, role, failed } of result.contestants)
        if (role !== 'stillpoint' && failed !== undefined && !out.has(name)) out.set(name, failed)
      if (result.contestants.some(needsFreshStart)) return left
    }
  } catch (error) {
    for (const row of left) options.onRow(failedRow(scenario.name, row, reasonOf(error)))
  } finally {
    for (const contestant of contestants)
      if ('close' in contestant)
        await contestant.close?.().catch((error: unknown) => bench.note(reasonOf(error)))
    await bench.workspace.clear()
  }
  return []
}

/** Its servers may have died, or something may still be running that nobody waits for any more. */
const needsFreshStart = ({ role, failed }: ContestantResult): boolean =>
  failed !== undefined && (role === 'stillpoint' || failed.endsWith(outOfTime))

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
  out: ReadonlyMap<string, string>,
): Promise<RowResult> {
  const began = performance.now()
  const contestants = opened.map((one) =>
    'absent' in one || options.takesPart(one) ? one : { ...one, absent: 'not asked for' },
  )
  const running = contestants
    .filter((contestant): contestant is Contestant => !('absent' in contestant))
    .map((contestant): Running => {
      const why = out.get(contestant.name)
      const failed = why === undefined ? null : `it failed before: ${why}`
      return { contestant, samples: [], state: null, failed, takesPart: true }
    })
  const rounds = Math.min(options.rounds, row.roundsMax ?? options.rounds)
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < running.length; turn++) {
      const one = running[(turn + round) % running.length]!
      if (one.failed !== null || !one.takesPart) continue
      if (performance.now() - began > rowMsMax) {
        if (one.samples.length === 0) one.failed = `${row.id} took too long before its turn`
        continue
      }
      bench.note(`${row.id}: round ${round + 1} of ${rounds}, ${one.contestant.name}`)
      await guarded(one, async () => {
        await bench.workspace.settle()
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
    await within(measureMsMax, work(), one.contestant.name)
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

async function within<T>(msMax: number, work: Promise<T>, what: string): Promise<T> {
  let timer: Timer | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: more than ${msMax / 1000} s, ${outOfTime}`)), msMax)
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
