/**
 * One run of the mirror simulation, decided by its seed: a random workload on the primary, a network with weather, either
 * side crashing at any moment with any part of its un-synced writes left, and readers on the mirror that hold old CPs.
 *
 * Invariants checked: I1 (what a reader holds stays whole; `check` of the images after a crash), I4, I6, I7 (every image
 * that the mirror publishes is byte for byte a CP of the primary, complete, and never an older one), and at the end,
 * when the faults have stopped: both sides are equal, and nothing but the last roots is held.
 */
import { expect } from 'bun:test'
import { toHex } from '../../src/lib/bytes.ts'
import type { PublishedRoot } from '../../src/cp-engine/contract.ts'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { Workload, expectModel } from '../cp-engine/workload.ts'
import { type CrashState, crashImage, randomChoice } from '../simulated/crash-image.ts'
import { clockScheduler } from '../simulated/scheduler.ts'
import type { SimulatedDevice } from '../simulated/simulated-device.ts'
import { Pair, type Side } from './pair.ts'
import { type Weather, fairWeather } from './simulated-network.ts'

export interface SimulationReport {
  readonly published: number
  readonly crashes: number
  readonly trace: string
  readonly frames: number
  /** Of the transfers: how many of each kind. */
  readonly kinds: ReadonlyMap<string, number>
  readonly errors: ReadonlyMap<string, number>
}

interface Reader {
  readonly root: PublishedRoot
  release(): void
}

export async function simulate(seed: number, steps = 60): Promise<SimulationReport> {
  const simulation = new Simulation(seed)
  await simulation.run(steps)
  return simulation.report()
}

class Simulation {
  private pair!: Pair
  private readonly workload: Workload
  private readonly history = new Map<number, string>()
  private readers: Reader[] = []
  private highest = 0
  private published = 0
  private crashes = 0
  /** Device operations until a side crashes, and what those that have crashed left. */
  private readonly countdowns = new Map<Side, number>()
  private readonly crashed = new Map<Side, CrashState>()
  private trace = 0n
  private checks: Promise<void>[] = []

  constructor(private readonly seed: number) {
    this.workload = new Workload(seed, 40)
  }

  async run(steps: number): Promise<void> {
    this.pair = await Pair.create({
      seed: this.seed,
      onMirrorPublished: (root) => this.mirrorPublished(root),
    })
    this.watchPrimary()
    this.pair.onMutation = (side) => this.countDown(side)
    this.pair.network.weather = this.someWeather()
    await this.drive(this.pair.mirrors.add('http://mirror'))
    for (let i = 0; i < steps; i++) {
      try {
        await this.step()
        await this.settleChecks()
      } catch (error) {
        // What was under way when a machine lost its power has failed, and is looked at after its recovery.
        if (this.crashed.size === 0) throw error
      }
    }
    await this.recover()
  }

  report(): SimulationReport {
    const { published, crashes, pair } = this
    const kinds = new Map<string, number>()
    for (const { kind } of pair.transfers) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    const { counts, errors } = pair.network
    return { published, crashes, trace: this.trace.toString(16), frames: counts.frames, kinds, errors }
  }

  private readonly below = (limit: number): number => this.pair.random.below(limit)

  private async step(): Promise<void> {
    const { pair } = this
    await this.recoverCrashed()
    const action = this.below(100)
    if (action < 35) {
      for (let i = this.below(6); i >= 0; i--) await this.drive(this.workload.step(pair.engine))
    } else if (action < 60) this.takeCp()
    else if (action < 80) await pair.clock.advance(this.below(60))
    else if (action < 84) this.crashLater('mirror')
    else if (action < 87) this.crashLater('primary')
    else if (action < 90) pair.network.cutAll()
    else if (action < 92) pair.network.weather = this.someWeather()
    else if (action < 96) this.pin()
    else if (action < 98) this.unpin()
    else await this.drive(pair.engine.writeSuperblock())
    this.note(`${action}`)
  }

  private someWeather(): Weather {
    const rate = () => [0, 0, 5, 50, 200][this.below(5)]!
    return {
      lost: rate(),
      doubled: rate(),
      delayed: rate(),
      damaged: rate(),
      cut: [0, 0, 20, 100][this.below(4)]!,
      latencyMs: this.below(4),
      delayMsMax: [10, 100, 400][this.below(3)]!,
    }
  }

  private takeCp(): void {
    // A crash may come before it is published.
    this.pair.engine.requestCp('requested').catch(() => {})
  }

  // --- The sides ---

  private watchPrimary(): void {
    const { engine } = this.pair
    const remember = ({ root, hash }: PublishedRoot) => void this.history.set(root.cp, toHex(hash))
    remember(engine.current())
    this.workload.watch(engine)
    engine.observe({
      sealed: () => {},
      leaving: () => false,
      published: ({ published }) => remember(published),
    })
  }

  /** At once, or in the middle of what the side does next: a crash at any device operation. */
  private crashLater(side: Side): void {
    if (this.countdowns.has(side)) return
    const operations = this.below(25)
    if (operations === 0) this.crash(side)
    else this.countdowns.set(side, operations)
  }

  private crash(side: Side): void {
    const { pair } = this
    const device = side === 'primary' ? pair.primaryDevice : pair.mirrorDevice
    this.crashed.set(side, device.crashState())
    device.crash()
    this.countdowns.delete(side)
    if (side === 'primary') pair.mirrors.close()
    else pair.network.attach(null)
  }

  private countDown(side: Side): void {
    const left = (this.countdowns.get(side) ?? 0) - 1
    if (left === 0) this.crash(side)
    else if (left > 0) this.countdowns.set(side, left)
  }

  private async recoverCrashed(): Promise<void> {
    if (this.crashed.has('primary')) await this.crashPrimary()
    if (this.crashed.has('mirror')) await this.crashMirror()
  }

  private async crashPrimary(): Promise<void> {
    const { pair } = this
    this.crashes++
    const device = this.machineAfter('primary')
    await this.drive(pair.openPrimary(device))
    const model = this.workload.history.get(pair.engine.current().root.sequence)!
    this.workload.model.clear()
    for (const [key, content] of model) this.workload.model.set(key, content)
    this.watchPrimary()
    expect((await this.drive(checkVolume(device))).findings).toEqual([])
  }

  private async crashMirror(): Promise<void> {
    const { pair } = this
    this.crashes++
    this.readers = []
    this.checks = []
    const device = this.machineAfter('mirror')
    if (this.below(3) === 0) await pair.clock.advance(this.below(300))
    await this.drive(pair.openMirror(device))
    const opened = pair.mirrorVolume.currentOrNull()
    expect(opened?.root.cp ?? 0).toBeGreaterThanOrEqual(this.highest)
    if (opened) this.isInHistory(opened)
    expect((await this.drive(checkVolume(device))).findings).toEqual([])
  }

  /** A new machine with what the crash has left of the disk. */
  private machineAfter(side: Side): SimulatedDevice {
    const image = crashImage(this.crashed.get(side)!, randomChoice(this.pair.random))
    this.crashed.delete(side)
    const msMax = [0, 0, 3][this.below(3)]!
    const { clock, random } = this.pair
    const scheduler = clockScheduler(clock, random, msMax)
    return this.pair.device(side, msMax === 0 ? { image } : { image, scheduler })
  }

  // --- What the mirror shows ---

  private mirrorPublished(published: PublishedRoot): void {
    const { cp } = published.root
    expect(cp).toBeGreaterThan(this.highest)
    this.highest = cp
    this.published++
    this.note(`published ${cp}`)
    this.isInHistory(published)
    this.checks.push(this.readAll(published))
  }

  private isInHistory({ root, hash }: PublishedRoot): void {
    expect(this.history.get(root.cp)).toBe(toHex(hash))
  }

  /** Every item and every byte, through a reader that may be overtaken by later publications. */
  private async readAll(root: PublishedRoot): Promise<void> {
    const { mirrorVolume, mirrorDevice } = this.pair
    const view = mirrorVolume.view(root)
    try {
      await expectModel(view, this.workload.sealed.get(root.root.cp)!)
    } catch (error) {
      if (!mirrorDevice.crashed) throw error
    } finally {
      view.release()
    }
  }

  private async settleChecks(): Promise<void> {
    const checks = this.checks
    this.checks = []
    await this.drive(Promise.all(checks))
  }

  private pin(): void {
    const { mirrorVolume } = this.pair
    const readable = mirrorVolume.readable()
    if (this.readers.length >= 4 || readable.length === 0) return
    const root = readable[this.below(readable.length)]!
    this.readers.push({ root, ...mirrorVolume.pin(root) })
  }

  private unpin(): void {
    const [reader] = this.readers.splice(this.below(this.readers.length + 1), 1)
    if (reader) this.checks.push(this.readAll(reader.root).then(() => reader.release()))
  }

  // --- The end ---

  /** What a network and crashes never cause: it would be a hold that was not kept, or a root that never was. */
  private expectNoViolation(): void {
    for (const code of [
      'block-in-use',
      'broken-hold',
      'bad-root',
      'outside-the-volume',
      'another-epoch',
    ] as const) {
      expect([code, this.pair.network.errors.get(code)]).toEqual([code, undefined])
    }
  }

  private async recover(): Promise<void> {
    const { pair } = this
    this.countdowns.clear()
    await this.recoverCrashed()
    pair.network.weather = { ...fairWeather, latencyMs: 1 }
    for (const { root, release } of this.readers.splice(0)) {
      await this.drive(this.readAll(root))
      release()
    }
    await this.drive(this.workload.step(pair.engine))
    await this.drive(pair.engine.requestCp('requested'))
    const isEqual = await pair.clock.until(() => pair.isEqual, 20_000)
    if (!isEqual) throw new Error(`seed ${this.seed}: never equal: ${JSON.stringify(await this.positions())}`)
    await this.settleChecks()
    await pair.clock.advance(500)
    const cps = (roots: readonly PublishedRoot[]) => roots.map(({ root }) => root.cp)
    const [member] = await pair.mirrors.list()
    const held = pair.engine.volume.holdsOf(member!.id).toSorted((a, b) => a.root.cp - b.root.cp)
    expect(cps(held)).toEqual(cps(pair.mirrorVolume.retention.kept()))
    for (const device of [pair.primaryDevice, pair.mirrorDevice]) {
      expect((await this.drive(checkVolume(device))).findings).toEqual([])
    }
    pair.mirrors.close()
    this.expectNoViolation()
  }

  private async positions(): Promise<unknown> {
    const { pair } = this
    const mirror = pair.applier.status()
    return {
      primary: pair.engine.current().root.cp,
      mirror: { ...mirror, published: mirror.published.cp, target: mirror.target.cp },
      mirrors: await pair.mirrors.list(),
      failures: pair.failures.map(String),
    }
  }

  /** Time goes on while something is awaited. */
  private async drive<T>(promise: Promise<T>): Promise<T> {
    let isDone = false
    promise.then(
      () => (isDone = true),
      () => (isDone = true),
    )
    const { clock } = this.pair
    if (!(await clock.until(() => isDone, 60_000)))
      throw new Error(`seed ${this.seed}: something waits for ever`)
    return promise
  }

  private note(what: string): void {
    this.trace = Bun.hash.xxHash3(
      `${what} ${this.pair.clock.monotonic()} ${this.pair.network.bytes}`,
      this.trace,
    )
  }
}
