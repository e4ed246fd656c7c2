/**
 * The machine of a primary: one disk, and one process after the other on it. After every open: what was acknowledged is
 * there, the volume is sound, and the files are what the history says.
 */
import { AssertionError } from '../../src/lib/assert.ts'
import { toHex } from '../../src/lib/bytes.ts'
import type { PublishedRoot } from '../../src/cp-engine/contract.ts'
import { blockBytes, epochsMax } from '../../src/format/geometry.ts'
import { blocksPerMapPage, mapIndexFanout } from '../../src/format/disk/map-page.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { createPrimary } from '../../src/cp-engine/create-volume.ts'
import { openPrimary } from '../../src/cp-engine/open-primary.ts'
import { VolumeFiles } from '../../src/fs/file-system.ts'
import { readPublished } from '../../src/fs/read/read-view.ts'
import type { Mirrors } from '../../src/replica/primary/mirrors.ts'
import { allCopies, editRoot, editSuperblock, setWord } from '../cp-engine/volume/later-program.ts'
import { scribbleFreed } from '../noticing/scribbled.ts'
import { engineMirrors } from '../replica/engine-mirrors.ts'
import type { ModelTree } from '../fs/model-tree.ts'
import { age } from './aged-volume.ts'
import type { Chance } from './chance.ts'
import type { Profile } from './profile.ts'
import { compareAll } from './compare.ts'
import { durableLooks, forecast, mustBeDurable, mustBeForecast, mustBeSound } from './checks.ts'
import { Disk } from './disk.ts'
import { ProcessClock } from './event-loop.ts'
import { HeldReaders } from './held-readers.ts'
import { KeptFiles } from './kept-files.ts'
import type { Laboratory } from './laboratory.ts'
import { observedEngine, sequenceOf } from './observed-engine.ts'
import { zstdInTurn } from './packing.ts'
import { Violation, must } from './violation.ts'

export interface PrimaryProcess {
  readonly clock: ProcessClock
  readonly engine: CpEngine
  readonly files: VolumeFiles
  readonly mirrors: Mirrors
  readonly readers: HeldReaders
  /** Resolves when this process is no more. */
  readonly ended: Promise<void>
}

/** A CP as it was published: what it must look like wherever it is read. */
export interface KnownCp {
  readonly cp: number
  readonly sequence: number
  readonly opening: number
  readonly hash: string
  readonly tree: ModelTree
}

type End = 'power' | 'kill'

const restartMsMax = 30

/** The operator lets the volume grow further, maybe so far that its maps gain a level; or says less than it has. */
function raisedMaximum(chance: Chance, { geometry, raises }: Profile): number | null {
  if (chance.below(100) >= raises) return null
  const bytes = geometry.blocksMax * blockBytes
  return chance.pick([bytes / 2, bytes * 1.5, bytes * 4, mapIndexFanout * blocksPerMapPage * blockBytes * 2])
}

/** So often a disk that may excuse an error is tried again, before the operator accepts a loss. */
const refusalsMax = 3

export class PrimaryMachine {
  process: PrimaryProcess | null = null
  readonly disk: Disk
  /** Of its catalog. */
  readonly files: KeptFiles
  /** By the hash of the root. */
  readonly known = new Map<string, KnownCp>()
  private highestCp = 0
  private promisedBefore = 0
  private end: End | null = null
  private endProcess: () => void = () => {}
  private clock: ProcessClock
  private readonly wall = { offsetMs: 0 }
  openings = 0
  recoveries = 0
  /** Its disk cannot be opened any more, and excuses that. */
  isLost = false

  constructor(private readonly lab: Laboratory) {
    const { profile, chance, trace } = lab
    this.disk = new Disk({
      ...profile.primaryDisk,
      chance: chance.of('primary disk'),
      trace,
      name: 'primary',
      onViolation: (violation) => lab.loop.fail(violation),
    })
    this.clock = new ProcessClock(lab.loop, this.wall)
    this.files = new KeptFiles(lab, 'primary', this.isSound)
  }

  get isSound(): boolean {
    return this.lab.profile.primaryDisk.kind === 'sound'
  }
  get isRunning(): boolean {
    return this.process !== null
  }

  async create(): Promise<void> {
    const { profile, chance } = this.lab
    const device = this.disk.afterPowerLoss(this.clock, () => {})
    await createPrimary(device, {
      clock: this.clock,
      random: chance.of('volume'),
      geometry: profile.geometry,
      recordChecksum: 'xxh3',
    })
    await age(device, profile.age, chance.of('age'))
    const { compatibleBits } = profile
    if (compatibleBits > 0) {
      for (const copy of allCopies)
        await editSuperblock(device, copy, setWord('superblock', 'compat', compatibleBits))
      await editRoot(device, allCopies, setWord('root', 'compat', compatibleBits))
    }
    this.restart('power')
  }

  // --- The life of its processes ---

  /** The power goes out, or only the process ends. A new one comes by itself. */
  stop(how: End): void {
    if (this.end) return
    this.lab.trace.note(`primary ends: ${how}`)
    this.end = how
    this.clock.die()
    this.files.cut()
    for (const line of this.lab.network.lines.values()) line.forgetConnections()
    if (this.process) this.ended()
    else this.lab.loop.after(0, () => this.restart(how))
  }

  private ended(): void {
    const { engine } = this.process!
    const applied = sequenceOf(engine)
    this.lab.trace.note(`primary had applied ${applied}`)
    this.process = null
    this.endProcess()
    const how = this.end!
    // Not in the middle of what ended it.
    this.lab.loop.after(this.lab.chance.below(restartMsMax), () => this.restart(how))
  }

  /** A last CP, then the process ends. */
  async stopCleanly(): Promise<void> {
    const { process } = this
    if (!process) return
    await Promise.race([process.ended, process.files.close().then(() => process.engine.close())]).catch(
      (error: unknown) => this.lab.excuseOrFail(error, this.isSound),
    )
    if (this.process === process) this.stop('kill')
  }

  jumpClock(ms: number): void {
    this.wall.offsetMs += ms
  }
  stall(ms: number): void {
    this.clock.stall(ms)
  }

  private restart(how: End): void {
    const { loop, profile, chance } = this.lab
    this.clock = new ProcessClock(loop, this.wall)
    this.end = null
    const { clock } = this
    const powerLoss = () => this.stop('power')
    if (how === 'power') this.disk.afterPowerLoss(clock, powerLoss)
    else this.disk.afterKill(clock, powerLoss)
    if (this.disk.areFaultsOn && chance.below(100) < profile.crashesInRecovery)
      this.disk.lightFuse(chance.below(8))
    loop.background(this.open(clock))
  }

  private async open(clock: ProcessClock): Promise<void> {
    for (let refusals = 0; ; refusals++) {
      try {
        await this.openOnce(clock, !this.isSound && refusals > refusalsMax)
        return
      } catch (error) {
        // The clock is dead: the power went out, and a new process is on its way.
        if (this.clock !== clock || this.end) return
        if (error instanceof Violation) throw error
        this.lab.excuseOrFail(error, this.isSound)
        this.lab.trace.note(`primary refused to open: ${String(error)}`)
        this.lab.note('refusals to open')
        if (!this.isSound && refusals > 2 * refusalsMax) {
          this.isLost = true
          return
        }
        const { device } = this.disk
        await clock.sleep(5)
        if (this.disk.device === device) this.disk.afterKill(clock, () => this.stop('power'))
      }
    }
  }

  private async openOnce(clock: ProcessClock, acceptsLoss: boolean): Promise<void> {
    const { lab, disk } = this
    const { profile, chance, history, network } = lab
    const { cpIntervalMs, queueBytesMax, nodeCacheBytesMax, isPacked } = profile
    const opening = ++this.openings
    const random = chance.of(`opening ${opening}`)
    lab.trace.note(`primary opens ${opening}${acceptsLoss ? ', accepting a loss' : ''}`)
    const copy = this.isSound ? disk.copy() : null
    const raiseVolumeTo = raisedMaximum(chance.of(`maximum ${opening}`), profile)
    const beginsEpoch = chance.of(`epoch ${opening}`).below(100) < profile.newEpochs
    const engine = await openPrimary(disk.device, {
      clock,
      random,
      cpIntervalMs,
      queueBytesMax,
      nodeCacheBytesMax,
      raiseVolumeTo,
      packing: isPacked ? zstdInTurn : null,
      acceptLogLoss: acceptsLoss,
      acceptSuperblockLoss: acceptsLoss,
      acceptHistoryLoss: beginsEpoch,
      onPoisoned: (error) => this.poisoned(clock, error),
    })
    if (this.clock !== clock || this.end) return
    disk.isKept = (address, blocks) => engine.volume.retention.uses(address, blocks)
    if (copy) {
      const where = `before opening ${opening}`
      mustBeForecast(await forecast(copy, where), engine, where, {
        isRaised: raiseVolumeTo !== null,
        beginsEpoch,
      })
    }
    if (this.isSound) scribbleFreed(engine, disk.device)
    await this.checkOpened(engine)
    if (this.clock !== clock || this.end) return
    const observed = observedEngine(engine, history)
    const files = new VolumeFiles(observed, clock)
    engine.onSpaceShort(() => files.hurry())
    engine.onSpaceShort(() => {
      this.files.spaceShort()
      return false
    })
    engine.onPublished(({ published }) => this.published(published))
    const mirrors = engineMirrors(engine, {
      clock,
      transport: network.transport(clock),
      random,
      onHigherEpoch: () => lab.loop.fail(new Violation('the primary met a higher epoch')),
      onLostCp: (_url, cp) => {
        lab.note('lost cps met')
        if (this.isSound) lab.loop.fail(new Violation(`cp ${cp} is taken for lost, and nothing was`))
      },
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.endProcess = resolve
    const readers = new HeldReaders(
      chance.of(`readers ${opening}`),
      engine,
      (root) => this.checkImage(clock, engine, root),
      profile.pinsMax,
    )
    this.process = { clock, engine, files, mirrors, readers, ended: promise }
    files.start()
    mirrors.start()
    this.openFiles()
    lab.trace.note(`primary serves at cp ${engine.current().root.cp}`)
  }

  openFiles(): void {
    if (this.process) this.files.open(this.clock, this.process.engine, this.disk.device)
  }

  private poisoned(clock: ProcessClock, error: unknown): void {
    if (error instanceof AssertionError) this.lab.loop.fail(error)
    this.lab.excuseOrFail(error, this.isSound)
    this.lab.note('poisoned')
    this.lab.loop.after(0, () => {
      if (this.clock === clock) this.stop('kill')
    })
  }

  // --- What is checked ---

  private async checkOpened(engine: CpEngine): Promise<void> {
    const { lab } = this
    const { history } = lab
    const opened = engine.current()
    const { root } = opened
    const where = `after opening ${this.openings}, cp ${root.cp}`
    if (engine.recovery.replayed > 0) this.recoveries++
    this.noteAges(engine)
    for (const { compat } of [root.features, engine.volume.superblock.features])
      must(compat === lab.profile.compatibleBits, `${where}: compatible bits were kept`)
    for (const { cp, sequence, opening } of this.known.values())
      if (opening === history.opening && this.isSound) history.checkPromises(cp, sequence, opening)
    // One that was published when nobody was left to hear of it is known from here on.
    for (const readable of engine.readable())
      if (readable.root.cp < root.cp && (this.isSound || history.isKnown(readable.root.sequence)))
        this.remember(readable)
    // I3: whatever this opening gives is above everything that was promised before.
    this.promisedBefore = history.promisedCp
    history.recovered(root.sequence, !this.isSound)
    if (this.isSound) {
      must(root.cp >= this.highestCp, `${where}: cp ${this.highestCp} was published before`)
      await mustBeSound(this.disk.copy(), where)
    }
    this.remember(opened)
    const view = readPublished(engine, opened)
    try {
      await compareAll(view, history.stateAt(root.sequence), history, where, lab.tolerance(this.isSound))
    } finally {
      view.release()
    }
    lab.note('recoveries checked')
  }

  /** How often a run has been where only age brings a volume. */
  private noteAges({ recovery, volume: { superblock, geometry } }: CpEngine): void {
    const { lab } = this
    const laps = (superblock.log.position - lab.profile.age.logBytes) / (geometry.logBlocks * blockBytes)
    if (recovery.replayed > 0 && laps >= 2) lab.note('recoveries after two laps of the log')
    if (superblock.epoch.number >= epochsMax) lab.note('openings after more epochs than a root has room for')
  }

  /** An old CP, as a reader has kept it. */
  private async checkImage(clock: ProcessClock, engine: CpEngine, published: PublishedRoot): Promise<void> {
    const { lab } = this
    const known = this.known.get(toHex(published.hash))
    must(known !== undefined, `cp ${published.root.cp} is not known`)
    try {
      const view = readPublished(engine, published)
      try {
        await compareAll(view, known.tree, lab.history, `cp ${known.cp}`, lab.tolerance(this.isSound))
      } finally {
        view.release()
      }
      lab.note('old images checked')
    } catch (error) {
      if (error instanceof Violation) throw error
      if (this.clock !== clock || this.end) return
      lab.excuseOrFail(error, this.isSound)
    }
  }

  private published(published: PublishedRoot): void {
    const { cp } = published.root
    this.lab.trace.note(`primary published ${cp}`)
    const floor = Math.max(this.highestCp, this.promisedBefore)
    must(cp > floor || !this.isSound, `cp ${cp} was published, ${floor} was there or promised before`)
    this.remember(published)
    // Most of a run would be spent on it.
    const isLooked = this.lab.chance.of(`look ${this.openings} ${cp}`).below(durableLooks) === 0
    if (this.isSound && (isLooked || this.disk.hasDropped))
      this.lab.loop.background(mustBeDurable(this.disk, `primary, published ${cp}`))
  }

  private remember({ root, hash }: PublishedRoot): void {
    const { history } = this.lab
    const key = toHex(hash)
    if (this.known.has(key)) return
    const before = [...this.known.values()].find((other) => other.cp === root.cp)
    must(
      !this.isSound || before === undefined || before.hash === key,
      `cp ${root.cp} was given to two contents`,
    )
    this.highestCp = Math.max(this.highestCp, root.cp)
    const tree = history.stateAt(root.sequence)
    this.known.set(key, { cp: root.cp, sequence: root.sequence, opening: history.opening, hash: key, tree })
  }

  /** At the end, once more over everything that was answered. */
  checkPromises(): void {
    const { history } = this.lab
    if (!this.isSound) return
    for (const { cp, sequence, opening } of this.known.values()) history.checkPromises(cp, sequence, opening)
  }
}
