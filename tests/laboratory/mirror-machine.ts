/**
 * The machine of a mirror. Whatever its processes publish is byte for byte a CP of the primary, never an older one than
 * before, and complete; and what a reader holds stays as it was.
 */
import { TokenFeed } from '../../src/access/token-feed.ts'
import { AssertionError } from '../../src/lib/assert.ts'
import { toHex } from '../../src/lib/bytes.ts'
import type { PublishedRoot } from '../../src/cp-engine/contract.ts'
import { rootsHeldMax } from '../../src/format/geometry.ts'
import { createMirror } from '../../src/cp-engine/create-volume.ts'
import { Volume, pinMsMax } from '../../src/cp-engine/volume/volume.ts'
import { readPublished, readTree } from '../../src/fs/read/read-view.ts'
import { Views } from '../../src/fs/read/image-leases.ts'
import { MirrorApplier } from '../../src/replica/mirror/mirror-applier.ts'
import { durableLooks, mustBeDurable, mustBeSound } from './checks.ts'
import { compareAll } from './compare.ts'
import type { Chance } from './chance.ts'
import { Disk } from './disk.ts'
import { ProcessClock } from './event-loop.ts'
import { HeldReaders } from './held-readers.ts'
import { KeptFiles } from './kept-files.ts'
import type { Laboratory } from './laboratory.ts'
import type { KnownCp } from './primary-machine.ts'
import { pinsFew } from './profile.ts'
import { SimulatedSpace } from '../simulated/simulated-space.ts'
import { newDoor } from './tokens.ts'
import { Violation, must } from './violation.ts'
import { mirrorLimit } from '../engine-limits.ts'

export interface MirrorProcess {
  readonly clock: ProcessClock
  readonly volume: Volume
  readonly applier: MirrorApplier
  readonly views: Views
  readonly readers: HeldReaders
  readonly access: TokenFeed
  /** Resolves when this process is no more. */
  readonly ended: Promise<void>
}

type End = 'power' | 'kill'

const restartMsMax = 60
const refusalsMax = 3

export class MirrorMachine {
  process: MirrorProcess | null = null
  readonly disk: Disk
  /** Of its catalog. */
  readonly files: KeptFiles
  /** What it has published, durably. */
  cp = 0
  sequence = 0
  published = 0
  isLost = false
  private end: End | null = null
  private endProcess: () => void = () => {}
  private clock: ProcessClock
  private readonly wall = { offsetMs: 0 }
  /** Of all its processes: none names a session as one before it has. */
  private readonly sessions: Chance

  constructor(
    private readonly lab: Laboratory,
    readonly index: number,
    readonly url: string,
  ) {
    const { profile, chance, trace } = lab
    const name = `mirror ${index}`
    this.sessions = chance.of(`${name} sessions`)
    this.disk = new Disk({
      ...profile.mirrorDisks[index]!,
      space: new SimulatedSpace(profile.mirrorRooms[index]!, { isPlain: profile.arePlain }),
      chance: chance.of(`${name} disk`),
      trace,
      name,
      onViolation: (violation) => lab.loop.fail(violation),
    })
    this.clock = new ProcessClock(lab.loop, this.wall)
    this.files = new KeptFiles(lab, url, this.isSound)
  }

  get isSound(): boolean {
    return this.lab.profile.mirrorDisks[this.index]!.kind === 'sound'
  }

  async create(): Promise<void> {
    const { profile, chance } = this.lab
    const device = this.disk.afterPowerLoss(this.clock, () => {})
    const random = chance.of(`mirror volume ${this.index}`)
    await createMirror(device, { clock: this.clock, random, geometry: profile.geometry })
    this.restart('power')
  }

  // --- The life of its processes ---

  stop(how: End): void {
    if (this.end) return
    this.lab.trace.note(`${this.url} ends: ${how}`)
    this.end = how
    this.clock.die()
    this.files.cut()
    this.process = null
    this.endProcess()
    this.line.listen(null)
    this.lab.loop.after(this.lab.chance.below(restartMsMax), () => this.restart(how))
  }

  jumpClock(ms: number): void {
    this.wall.offsetMs += ms
  }
  stall(ms: number): void {
    this.clock.stall(ms)
  }

  private get line() {
    return this.lab.network.lines.get(this.url)!
  }

  private restart(how: End): void {
    const { loop, profile, chance } = this.lab
    this.clock = new ProcessClock(loop, this.wall)
    this.end = null
    const powerLoss = () => this.stop('power')
    if (how === 'power') this.disk.afterPowerLoss(this.clock, powerLoss)
    else this.disk.afterKill(this.clock, powerLoss)
    if (this.disk.areFaultsOn && chance.below(100) < profile.crashesInRecovery)
      this.disk.lightFuse(chance.below(8))
    loop.background(this.open(this.clock))
  }

  private async open(clock: ProcessClock): Promise<void> {
    for (let refusals = 0; ; refusals++) {
      try {
        await this.openOnce(clock)
        return
      } catch (error) {
        if (this.clock !== clock || this.end) return
        if (error instanceof Violation) throw error
        this.lab.excuseOrFail(error, this.isSound)
        this.lab.note('refusals to open')
        if (!this.isSound && refusals > refusalsMax) {
          this.isLost = true
          return
        }
        const { device } = this.disk
        await clock.sleep(5)
        if (this.disk.device === device) this.disk.afterKill(clock, () => this.stop('power'))
      }
    }
  }

  private async openOnce(clock: ProcessClock): Promise<void> {
    const { lab } = this
    const { nodeCacheBytesMax } = lab.profile
    const volume = await Volume.open(this.disk.device, { clock: this.clock, nodeCacheBytesMax })
    if (this.clock !== clock || this.end) return
    this.disk.isKept = (address, blocks) => volume.retention.uses(address, blocks)
    const opened = volume.currentOrNull()
    const cp = opened?.root.cp ?? 0
    must(cp >= this.cp || !this.isSound, `${this.url} went back from cp ${this.cp} to ${cp}`)
    if (this.isSound) await mustBeSound(this.disk.copy(), `${this.url}, opened at cp ${cp}`)
    if (this.clock !== clock || this.end) return
    if (opened) await this.checkImage(volume, opened)
    if (this.clock !== clock || this.end) return
    if (opened) this.remember(opened)
    volume.onPublished(({ published }) => this.hasPublished(clock, volume, published))
    const applier = new MirrorApplier(volume, {
      ...mirrorLimit,
      clock,
      random: this.sessions,
      onFailed: (error) => this.failed(clock, error),
      onSpaceShort: () => {
        this.files.spaceShort()
        volume.cutPins(clock.monotonic() - pinMsMax)
        lab.note('mirror short of space')
      },
      onTooManyRoots: (root) => {
        this.files.spaceShort()
        this.process?.readers.cut(root)
        lab.note('readers cut')
      },
    })
    const views = new Views({ source: volume, clock, view: (tree) => readTree(volume, tree) })
    const readers = new HeldReaders(
      lab.chance.of(`${this.url} readers`),
      volume,
      (root) => this.looked(clock, this.checkImage(volume, root)),
      lab.profile.pinsMax,
    )
    const access = new TokenFeed(newDoor(), () => (volume.currentOrNull() ? views.open() : null))
    volume.onPublished(() => lab.loop.background(access.newer()))
    await access.newer()
    if (this.clock !== clock || this.end) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.endProcess = resolve
    this.process = { clock, volume, applier, views, readers, access, ended: promise }
    this.line.listen({ applier, clock })
    this.openFiles()
    lab.trace.note(`${this.url} serves cp ${cp}`)
  }

  openFiles(): void {
    if (this.process) this.files.open(this.clock, this.process.volume, this.disk.device)
  }

  private failed(clock: ProcessClock, error: unknown): void {
    if (this.clock !== clock || this.end) return
    if (error instanceof AssertionError) this.lab.loop.fail(error)
    this.lab.excuseOrFail(error, this.isSound)
    this.lab.note('mirror failed')
    this.lab.loop.after(0, () => {
      if (this.clock === clock) this.stop('kill')
    })
  }

  // --- What is checked ---

  private hasPublished(clock: ProcessClock, volume: Volume, published: PublishedRoot): void {
    const { cp } = published.root
    this.lab.trace.note(`${this.url} published ${cp}`)
    this.published++
    must(cp > this.cp, `${this.url} published cp ${cp} after ${this.cp}`)
    this.remember(published)
    // One place stays free for the next target: a primary takes no report of more.
    must(volume.readable().length < rootsHeldMax, `${this.url} keeps more roots than can be held for it`)
    const isLooked = this.lab.chance.of(`look ${this.url} ${cp}`).below(durableLooks) === 0
    if (this.isSound && (isLooked || this.disk.hasDropped))
      this.lab.loop.background(mustBeDurable(this.disk, `${this.url}, published ${cp}`))
    // Many readers: each CP has one that stays.
    if (this.lab.profile.pinsMax > pinsFew) this.process?.readers.pin()
    this.lab.loop.background(this.looked(clock, this.checkImage(volume, published)))
  }

  private async looked(clock: ProcessClock, look: Promise<void>): Promise<void> {
    try {
      await look
    } catch (error) {
      if (error instanceof Violation) throw error
      // Its disk is gone: nothing was read.
      if (this.clock !== clock || this.end) return
      this.lab.excuseOrFail(error, this.isSound)
    }
  }

  private remember({ root }: PublishedRoot): void {
    this.cp = root.cp
    this.sequence = root.sequence
  }

  knownAs({ root, hash }: PublishedRoot): KnownCp {
    const known = this.lab.primary.known.get(toHex(hash))
    must(known !== undefined, `${this.url} shows a cp ${root.cp} that the primary never had`)
    return known
  }

  private async checkImage(volume: Volume, published: PublishedRoot): Promise<void> {
    const known = this.knownAs(published)
    const where = `${this.url}, cp ${known.cp}`
    const view = readPublished(volume, published)
    const { history } = this.lab
    try {
      await compareAll(view, known.tree, history, where, this.lab.tolerance(this.isSound))
    } finally {
      view.release()
    }
    this.lab.note('images checked')
  }
}
