/** One CP at a time; what asks meanwhile shares the next; the timer runs only when something is dirty. */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import type { CpCause } from '../../../src/cp-engine/contract.ts'
import { CpCycle } from '../../../src/cp-engine/cp/cp-cycle.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { VirtualClock, settled, stateOf } from '../../simulated/clock.ts'
import { explore } from '../../simulated/schedules.ts'

setDefaultTimeout(60_000)

/** Changes are counted; taking a CP seals them at once and publishes them when the test lets it. */
class Steps {
  readonly taken: CpCause[] = []
  applied = 0
  sealed = 0
  published = 0
  private end: { resolve: () => void; reject: (error: Error) => void } | null = null

  isDirty = (): boolean => this.applied > this.sealed

  take = async (cause: CpCause): Promise<void> => {
    if (this.end) throw new Error('two CPs at once')
    this.taken.push(cause)
    const sealed = (this.sealed = this.applied)
    const done = new Promise<void>((resolve, reject) => (this.end = { resolve, reject }))
    await done.finally(() => (this.end = null))
    this.published = sealed
  }

  get isWriting(): boolean {
    return this.end !== null
  }
  publishSoon(): void {
    this.end!.resolve()
  }
  async publish(): Promise<void> {
    this.publishSoon()
    await settled()
  }
  async fail(error: Error): Promise<void> {
    this.end!.reject(error)
    await settled()
  }
}

function harness() {
  const steps = new Steps()
  const clock = new VirtualClock()
  const cycle = new CpCycle(clock, 1000, steps)
  const change = () => {
    steps.applied++
    cycle.markDirty()
  }
  return { steps, clock, cycle, change }
}

describe('cp cycle', () => {
  test('nothing dirty: a request is over at once and takes no CP', async () => {
    const { steps, cycle } = harness()
    await cycle.request('requested')
    expect(steps.taken).toEqual([])
  })

  test('nothing dirty while one is written: the request ends with that one', async () => {
    const { steps, cycle, change } = harness()
    change()
    const first = cycle.request('requested')
    const second = cycle.request('requested')
    expect(await stateOf(second)).toBe('waiting')
    await steps.publish()
    expect(await stateOf(first)).toEqual({ value: undefined })
    expect(await stateOf(second)).toEqual({ value: undefined })
    expect(steps.taken).toEqual(['requested'])
  })

  test('all that ask while one is written share the next, under the cause of the first of them', async () => {
    const { steps, cycle, change } = harness()
    change()
    const first = cycle.request('timer')
    change()
    const shared = [cycle.request('requested'), cycle.request('snapshot'), cycle.request('space')]
    await steps.publish()
    expect(await stateOf(first)).toEqual({ value: undefined })
    for (const each of shared) expect(await stateOf(each)).toBe('waiting')
    await steps.publish()
    for (const each of shared) expect(await stateOf(each)).toEqual({ value: undefined })
    expect(steps.taken).toEqual(['timer', 'requested'])
    expect(steps.published).toBe(2)
  })

  test.each<[CpCause, CpCause]>([
    ['high-water', 'back-to-back'],
    ['log-full', 'back-to-back'],
    ['requested', 'requested'],
    ['shutdown', 'shutdown'],
  ])('%s while one is written is taken as %s', async (asked, cause) => {
    const { steps, cycle, change } = harness()
    change()
    const first = cycle.request('timer')
    change()
    const next = cycle.request(asked)
    await steps.publish()
    await steps.publish()
    await Promise.all([first, next])
    expect(steps.taken).toEqual(['timer', cause])
  })

  test('the timer: one interval from the first change, and only when something is dirty', async () => {
    const { steps, clock, cycle, change } = harness()
    await clock.advance(10_000)
    expect(steps.taken).toEqual([])
    change()
    await clock.advance(600)
    change()
    await clock.advance(399)
    expect(steps.taken).toEqual([])
    await clock.advance(1)
    expect(steps.taken).toEqual(['timer'])
    await steps.publish()
    await clock.advance(10_000)
    expect(steps.taken).toEqual(['timer'])
    // Another cause takes what the timer was for.
    change()
    const asked = cycle.request('requested')
    expect(clock.timers).toBe(0)
    await steps.publish()
    await asked
    await clock.advance(10_000)
    expect(steps.taken).toEqual(['timer', 'requested'])
  })

  test('a timer that fires while one is written asks for the next', async () => {
    const { steps, clock, cycle, change } = harness()
    change()
    const first = cycle.request('requested')
    change()
    await clock.advance(1000)
    expect(steps.taken).toEqual(['requested'])
    await steps.publish()
    expect(steps.taken).toEqual(['requested', 'timer'])
    await steps.publish()
    await first
  })

  test('stopped: no timer starts a CP, a request still does', async () => {
    const { steps, clock, cycle, change } = harness()
    change()
    cycle.stop()
    change()
    await clock.advance(10_000)
    expect(steps.taken).toEqual([])
    const last = cycle.request('shutdown')
    await steps.publish()
    await last
    expect(steps.published).toBe(2)
  })

  test('a failure reaches everybody who waits, for this CP or the next', async () => {
    const { steps, cycle, change } = harness()
    change()
    const first = cycle.request('requested')
    change()
    const next = cycle.request('requested')
    const states = Promise.all([stateOf(first), stateOf(next)])
    await steps.fail(new Error('sync'))
    for (const state of await states) expect(state).toEqual({ error: new Error('sync') })
  })

  test('in every order of changes, requests and ends: one at a time, and nobody is told too early', async () => {
    const { runs } = await explore(
      async (schedule) => {
        const { steps, cycle } = harness()
        const taken = steps.take
        const slow = new CpCycle(new VirtualClock(), 1000, {
          isDirty: steps.isDirty,
          take: (cause) => {
            schedule
              .at('a CP is durable')
              .then(() => steps.publishSoon())
              .catch(() => undefined)
            return taken(cause)
          },
        })
        cycle.stop()
        const client = async () => {
          for (let i = 0; i < 2; i++) {
            await schedule.at('a change is applied')
            const mine = ++steps.applied
            await slow.request('requested')
            expect(steps.published).toBeGreaterThanOrEqual(mine)
          }
        }
        await Promise.all([client(), client(), client()])
        expect(steps.taken.length).toBeLessThanOrEqual(steps.applied)
      },
      { runsMax: 1000, ticksMax: 3 },
    )
    expect(runs).toBe(1000)
  })

  // Requests may come in any microtask, also between the end of one CP and the begin of the next.
  test('whenever it is asked, one CP at a time, and a request ends when its changes are published', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed)
      const { steps, cycle, change } = harness()
      const waiting: Promise<void>[] = []
      const busy = async (rounds: number) => {
        for (let i = 0; i < rounds; i++) {
          for (let ticks = random.below(12); ticks > 0; ticks--) await Promise.resolve()
          if (random.below(3) > 0) change()
          const wanted = steps.applied
          if (random.below(3) === 0)
            waiting.push(
              cycle.request('requested').then(() => expect(steps.published).toBeGreaterThanOrEqual(wanted)),
            )
        }
      }
      const publisher = async () => {
        for (let i = 0; i < 2000; i++) {
          if (steps.isWriting && random.below(4) === 0) steps.publishSoon()
          await Promise.resolve()
        }
      }
      await Promise.all([busy(40), busy(40), busy(40), publisher()])
      while (steps.isWriting || steps.isDirty()) {
        if (!steps.isWriting) waiting.push(cycle.request('shutdown'))
        else await steps.publish()
        await settled()
      }
      await Promise.all(waiting)
      expect(steps.published).toBe(steps.applied)
    }
  })
})
