/**
 * An I/O error at the n-th device operation, for every n of a fixed workload: nothing is acknowledged after it, at any
 * level; whoever waits hears of it; and the next open finds everything that was acknowledged.
 */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { hasCode } from '../../../src/lib/errors.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import type { DurabilityLevel } from '../../../src/cp-engine/contract.ts'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { crashImage, everythingSurvives, nothingSurvives } from '../../simulated/crash-image.ts'
import type { Image } from '../../simulated/crash-image.ts'
import type { Fault, FaultPlan, OperationKind } from '../../simulated/faults.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { Workload, expectModel, newPrimary, open } from '../workload.ts'

setDefaultTimeout(60_000)

const mutating: readonly OperationKind[] = ['write', 'write-durable', 'sync', 'grow']

/** The n-th operation that is no read, and all after it when sticky. */
const mutationFault =
  (nth: number, fault: Fault, sticky: boolean): FaultPlan =>
  ({ kind, mutation }) => {
    if (!mutating.includes(kind) || !(mutation === nth || (sticky && mutation > nth))) return undefined
    if (fault.kind === 'sync-drops') return kind === 'sync' ? fault : undefined
    return fault
  }

/** So many turns of those who wait, later. */
function after(turns: number, call: () => void): void {
  queueMicrotask(turns === 1 ? call : () => after(turns - 1, call))
}

class Attempt {
  readonly workload = new Workload(7, 30)
  readonly device: SimulatedDevice
  engine: CpEngine | null = null
  poisoned = 0
  /** What was decided before the failure was known may still be on its way for so many turns. */
  isOver = false
  acknowledgedLate: string[] = []
  committedCp = 0

  constructor(image: Image, faults: FaultPlan, refusesAfterFailure: boolean) {
    this.device = new SimulatedDevice({
      image,
      refusesAfterFailure,
      faults: (operation) => faults(operation),
    })
    this.workload.history.set(0, new Map())
  }

  /** Resolves when the workload is over or has failed. */
  async run(): Promise<unknown> {
    try {
      this.engine = await open(this.device, 1, { onPoisoned: () => this.heard() })
      this.workload.watch(this.engine)
      await this.work(this.engine)
      await this.engine.close()
      return null
    } catch (error) {
      return error
    }
  }

  private heard(): void {
    this.poisoned++
    after(4, () => (this.isOver = true))
  }

  private async work(engine: CpEngine): Promise<void> {
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 4; i++) {
        const level = (['buffered', 'logged', 'committed', 'buffered'] as const)[i]!
        await this.step(engine, level)
      }
      const cp = engine.requestCp('requested')
      const during = this.step(engine, 'logged')
      for (const result of await Promise.allSettled([cp, during]))
        if (result.status === 'rejected') throw result.reason
      this.committedCp = engine.current().root.cp
      if (round === 2) await engine.writeSuperblock()
      if (round === 3) await this.large(engine)
    }
  }

  private async step(engine: CpEngine, level: DurabilityLevel): Promise<void> {
    await this.workload.step(engine, level)
    if (this.isOver && level !== 'buffered') this.acknowledgedLate.push(level)
  }

  /** Leaves before its CP, and is never used. */
  private async large(engine: CpEngine): Promise<void> {
    const records = await engine.prepare(new Uint8Array(200_000).fill(1), 'write', { leavesEarly: true })
    engine.discard(records)
  }

  async expectNothingMore(): Promise<void> {
    const { engine } = this
    if (!engine) return
    const before = engine.current().root.cp
    for (const level of ['buffered', 'logged', 'committed'] as const) {
      const thrown: unknown = await this.workload.step(engine, level).catch((error: unknown) => error)
      expect(hasCode(thrown, 'poisoned')).toBe(true)
    }
    const applied = { result: null, cp: before, sequence: 0 }
    for (const work of [
      () => engine.requestCp('requested'),
      () => engine.prepare(new Uint8Array(10)),
      () => engine.writeSuperblock(),
      () => engine.runHidden(() => null),
      () => engine.reach(applied, 'logged'),
    ]) {
      const thrown: unknown = await work().catch((error: unknown) => error)
      expect(hasCode(thrown, 'poisoned')).toBe(true)
    }
    expect(engine.isPoisoned).toBe(true)
    expect(this.poisoned).toBe(1)
    expect(this.acknowledgedLate).toEqual([])
    await engine.close()
    expect(engine.current().root.cp).toBe(before)
  }

  /** What the next process finds: with all that the cache still shows, after a power cut, and after one that lost nothing. */
  async expectRecovered(): Promise<void> {
    const state = this.device.crashState()
    for (const device of [
      this.device.reopened({}),
      new SimulatedDevice({ image: crashImage(state, nothingSurvives) }),
      new SimulatedDevice({ image: crashImage(state, everythingSurvives) }),
    ]) {
      const engine = await open(device, 2)
      const { cp, sequence } = engine.current().root
      expect(cp).toBeGreaterThanOrEqual(this.committedCp)
      expect(sequence).toBeGreaterThanOrEqual(this.workload.acknowledged)
      const view = engine.openView()
      await expectModel(view, this.workload.history.get(sequence)!)
      view.release()
      expect((await checkVolume(device)).findings).toEqual([])
      await engine.close()
    }
  }
}

async function start(): Promise<{ image: Image; mutations: number }> {
  const device = new SimulatedDevice()
  await newPrimary(device, 1, 6)
  const image = device.crashState().durable
  const whole = new Attempt(image, () => undefined, true)
  expect(await whole.run()).toBeNull()
  return { image, mutations: whole.device.mutations }
}

describe('poison', () => {
  const cases: [string, Fault, boolean, boolean][] = [
    ['an error', { kind: 'error' }, false, true],
    ['an error that stays', { kind: 'error' }, true, true],
    ['an error, on a kernel that goes on as if nothing had been', { kind: 'error' }, false, false],
    ['a sync that fails and loses what it covered', { kind: 'sync-drops' }, false, true],
    ['such a sync, on a kernel whose next sync succeeds', { kind: 'sync-drops' }, false, false],
  ]
  test.each(cases)('%s at every device operation', async (_name, fault, sticky, refuses) => {
    const { image, mutations } = await start()
    expect(mutations).toBeGreaterThan(60)
    let failures = 0
    for (let nth = 0; nth < mutations; nth++) {
      const attempt = new Attempt(image, mutationFault(nth, fault, sticky), refuses)
      try {
        const error = await attempt.run()
        // Not every operation is a sync.
        if (error === null && attempt.poisoned === 0) continue
        failures++
        await attempt.expectNothingMore()
        await attempt.expectRecovered()
      } catch (cause) {
        throw new Error(`operation ${nth}`, { cause })
      }
    }
    expect(failures).toBeGreaterThan(fault.kind === 'error' ? mutations - 2 : 10)
  })

  test('an error while reading harms nobody else', async () => {
    const { image } = await start()
    const faults: { now: FaultPlan } = { now: () => undefined }
    const attempt = new Attempt(image, (operation) => faults.now(operation), true)
    expect(await attempt.run()).toBeNull()
    const device = attempt.device.reopened({ faults: (operation) => faults.now(operation) })
    const engine = await open(device, 3)
    faults.now = ({ kind }) => (kind === 'read' ? { kind: 'error' } : undefined)
    const view = engine.openView()
    const failed: unknown = await expectModel(view, new Map()).catch((error: unknown) => error)
    expect(String(failed)).toContain('the read failed')
    expect(engine.isPoisoned).toBe(false)
    faults.now = () => undefined
    await expectModel(view, attempt.workload.model)
    view.release()
    await engine.close()
  })
})
