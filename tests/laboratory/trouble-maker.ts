/** Whoever makes things go wrong from outside: power, processes, wires, clocks, and bits at rest. */
import type { HeldReaders } from './held-readers.ts'
import type { Laboratory } from './laboratory.ts'
import type { Line } from './network.ts'
import { someWeather } from './profile.ts'

const lookMs = 10
const fuseMax = 40

export class TroubleMaker {
  private readonly chance

  constructor(private readonly lab: Laboratory) {
    this.chance = lab.chance.of('troubles')
  }

  async run(): Promise<void> {
    const { lab, chance } = this
    for (const line of lab.network.lines.values()) line.weather = someWeather(chance)
    if (chance.below(4) === 0) this.makeDiskSmall()
    while (lab.isUnderWay) {
      await lab.loop.sleep(chance.below(2 * lookMs))
      if (lab.isUnderWay) this.look()
    }
  }

  private look(): void {
    const { lab, chance } = this
    const { troubles } = lab.profile
    const happens = (perThousand: number) => chance.below(1000) < perThousand
    const machine = chance.pick([lab.primary, ...lab.mirrors])
    const line = chance.pick([...lab.network.lines.values()])
    if (happens(troubles.powerLoss)) this.say('power loss', () => machine.stop('power'))
    if (happens(troubles.kill)) this.say('kill', () => machine.stop('kill'))
    if (happens(troubles.fuse)) this.say('fuse', () => machine.disk.lightFuse(chance.below(fuseMax)))
    if (happens(troubles.cleanStop))
      this.say('clean stop', () => lab.loop.background(lab.primary.stopCleanly()))
    if (happens(troubles.stall)) this.say('stall', () => machine.stall(chance.below(600)))
    if (happens(troubles.clockJump))
      this.say('clock jump', () => machine.jumpClock(chance.below(2_000_000) - 1_000_000))
    if (happens(troubles.partition)) this.say('partition', () => this.closeAWay(line))
    if (happens(troubles.weather)) this.say('weather', () => (line.weather = someWeather(chance)))
    if (happens(troubles.cut)) this.say('cut', () => line.cutAll())
    if (happens(troubles.pin)) this.say('readers', () => this.changeReaders(machine.process?.readers))
    if (happens(troubles.rot)) this.say('rot', () => this.rot())
  }

  private say(what: string, happen: () => unknown): void {
    this.lab.trace.note(what)
    this.lab.note(what)
    happen()
  }

  private closeAWay(line: Line): void {
    const way = this.chance.pick(['to the mirror', 'to the primary'] as const)
    line.isClosed[way] = true
    this.lab.loop.after(this.chance.below(800), () => (line.isClosed[way] = false))
  }

  private changeReaders(readers: HeldReaders | undefined): void {
    // Many readers are many because few of them end.
    if (this.chance.below(this.lab.profile.pinsMax) >= 2) readers?.pin()
    else if (readers) this.lab.loop.background(readers.unpin())
  }

  private rot(): void {
    const machines = [this.lab.primary, ...this.lab.mirrors].filter(({ isSound }) => !isSound)
    if (machines.length > 0) this.chance.pick(machines).disk.rot()
  }

  /** The file system around a volume is full, for a while. */
  private makeDiskSmall(): void {
    const { lab, chance } = this
    const machine = chance.pick([lab.primary, ...lab.mirrors])
    machine.disk.leaveRoomFor(chance.below(200))
    lab.loop.after(chance.below(1000), () => machine.disk.leaveRoomFor(Number.POSITIVE_INFINITY))
  }
}
