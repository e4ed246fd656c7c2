/**
 * Runs a scenario under the interleavings of its own waits: what decides the order in which promises resolve is a list of
 * choices, and the explorer tries the lists.
 *
 * - A scenario takes what it waits for from its schedule (`at`), also what it injects into the program. Nothing else
 *   may be waited for: when only waits of the schedule are left, one of them is chosen and resolves.
 * - After a choice everything follows that waits for nothing of the schedule, or only so many microtasks of it: then the
 *   next event falls between two awaits of the program.
 * - All lists are tried, the first choices last. When there are more than `runsMax`, the rest is drawn by seeds.
 * - An error names the list: `only` runs it again.
 */
import { seededRandom } from '../../src/lib/random.ts'
import { settled } from './clock.ts'

interface ExploreOptions {
  readonly runsMax?: number
  /** After a choice also so few microtasks may run before the next: 1 up to this. 0: always all of them. */
  readonly ticksMax?: number
  /** The list of choices that an error has named. */
  readonly only?: readonly number[]
}

export interface Explored {
  readonly runs: number
  /** Every list of choices was tried. */
  readonly isWhole: boolean
}

export class Schedule {
  readonly choices: { readonly chosen: number; readonly of: number }[] = []
  private readonly waiting: { readonly name: string; readonly resolve: () => void }[] = []

  constructor(
    private readonly choose: (of: number, index: number) => number,
    private readonly ticksMax: number,
  ) {}

  /** Resolves when it is chosen. */
  at(name: string): Promise<void> {
    return new Promise((resolve) => this.waiting.push({ name, resolve }))
  }

  /** One of 0 to `of` - 1: what the scenario leaves open besides the order. */
  pick(of: number): number {
    if (of <= 1) return 0
    const chosen = this.choose(of, this.choices.length)
    this.choices.push({ chosen, of })
    return chosen
  }

  /** Lets go of one wait after the other until the work is over. */
  async drive(work: Promise<unknown>): Promise<void> {
    const state = { isOver: false }
    const ended = work.finally(() => (state.isOver = true))
    ended.catch(() => undefined)
    await settled()
    while (!state.isOver) {
      if (this.waiting.length === 0) throw new Error('everybody waits for what never comes')
      const [next] = this.waiting.splice(this.pick(this.waiting.length), 1)
      next!.resolve()
      const ticks = this.waiting.length > 0 ? this.pick(this.ticksMax + 1) : 0
      if (ticks === 0) await settled()
      else for (let i = 0; i < ticks; i++) await Promise.resolve()
    }
    await ended
  }
}

/** The scenario makes its actors and returns what is to end; what it claims it checks on the way, and at its end. */
export async function explore(
  scenario: (schedule: Schedule) => Promise<unknown>,
  { runsMax = 500, ticksMax = 0, only }: ExploreOptions = {},
): Promise<Explored> {
  const run = async (choose: (of: number, index: number) => number): Promise<Schedule['choices']> => {
    const schedule = new Schedule(choose, ticksMax)
    try {
      await schedule.drive(scenario(schedule))
    } catch (cause) {
      const list = schedule.choices.map(({ chosen }) => chosen).join(', ')
      throw new Error(`under the choices [${list}]`, { cause })
    }
    return schedule.choices
  }
  if (only) {
    await run((of, index) => Math.min(only[index] ?? 0, of - 1))
    return { runs: 1, isWhole: false }
  }
  let runs = 0
  let next: number[] | null = []
  // Half of the runs in order, so that a small scenario is tried as a whole; then lists from everywhere.
  for (; next && runs < runsMax / 2; runs++) {
    const prefix: readonly number[] = next
    next = nextList(await run((_of, index) => prefix[index] ?? 0))
  }
  if (!next) return { runs, isWhole: true }
  for (; runs < runsMax; runs++) {
    const random = seededRandom(runs)
    await run((of) => random.below(of))
  }
  return { runs, isWhole: false }
}

/** The list after this one; null after the last. */
function nextList(choices: Schedule['choices']): number[] | null {
  for (let i = choices.length - 1; i >= 0; i--) {
    const { chosen, of } = choices[i]!
    if (chosen + 1 < of) return [...choices.slice(0, i).map((choice) => choice.chosen), chosen + 1]
  }
  return null
}
