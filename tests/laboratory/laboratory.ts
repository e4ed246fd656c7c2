/**
 * One run: a primary, its clients, a network and two mirrors, in one process, on virtual disks, clocks and wires, all
 * decided by one seed.
 *
 * 1. Safety: everything goes wrong that the profile has, and the invariants hold all the time.
 * 2. Liveness: faults stop. Primary and mirrors come to the same root, no block is lost, and every file is on all of them.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '../../src/lib/bytes.ts'
import { AssertionError } from '../../src/lib/assert.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import { readPublished } from '../../src/fs/read/read-view.ts'
import { keptMs } from '../../src/fs/read/image-leases.ts'
import { Chance } from './chance.ts'
import { isHeldByReaders, isQuiet, mustBeQuiet, mustBeSound, mustNotLeak } from './checks.ts'
import { Client } from './client.ts'
import { type Tolerance, compareAll, noTolerance } from './compare.ts'
import { EventLoop } from './event-loop.ts'
import type { FileOperation } from './file-operations.ts'
import { History } from './history.ts'
import { MirrorMachine } from './mirror-machine.ts'
import { Network, fairWeather } from './network.ts'
import { sequenceOf } from './observed-engine.ts'
import { PrimaryMachine, type PrimaryProcess } from './primary-machine.ts'
import { type Profile, someProfile } from './profile.ts'
import { Trace } from './trace.ts'
import { TroubleMaker } from './trouble-maker.ts'
import { must } from './violation.ts'

export interface RunReport {
  readonly trace: string
  readonly events: number
  readonly virtualMs: number
  /** What happened how often. */
  readonly counts: ReadonlyMap<string, number>
}

const addMsMax = 60_000
const convergeMsMax = 120_000
const urls = ['mirror-0', 'mirror-1']
/** Files of SQLite are real; in memory, where there is such a folder, their syncs cost nothing. */
const memoryFolder = '/dev/shm'

export class Laboratory {
  readonly loop = new EventLoop()
  readonly trace: Trace
  readonly chance: Chance
  readonly profile: Profile
  readonly history: History
  readonly network: Network
  readonly primary: PrimaryMachine
  readonly mirrors: readonly MirrorMachine[]
  readonly counts = new Map<string, number>()
  /** Of the files that are real. */
  readonly folder = mkdtempSync(join(existsSync(memoryFolder) ? memoryFolder : tmpdir(), 'stillpoint-lab-'))
  /** The safety phase; clients stop with it. */
  isUnderWay = true

  constructor(seed: string, print: ((line: string) => void) | null = null) {
    this.trace = new Trace(seed)
    if (print) this.trace.print = (line) => print(`${this.loop.now.toFixed(0).padStart(6)}  ${line}`)
    this.chance = new Chance(seed)
    this.profile = someProfile(this.chance.of('profile'))
    this.history = new History(this.profile.primaryDisk.kind === 'sound', this.profile.age.sequence)
    this.network = new Network(this.loop, this.chance.of('network'), this.trace, urls)
    this.primary = new PrimaryMachine(this)
    this.mirrors = urls.map((url, index) => new MirrorMachine(this, index, url))
  }

  async run(): Promise<RunReport> {
    try {
      await this.begin()
      await this.safety()
      await this.liveness()
      return this.report()
    } finally {
      for (const machine of [this.primary, ...this.mirrors]) machine.files.cut()
      rmSync(this.folder, { recursive: true, force: true })
    }
  }

  note(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  /** An error that a fault explains is counted; any other ends the run. */
  excuseOrFail(error: unknown, isSound: boolean): void {
    if (this.isExcused(error, isSound)) return
    this.loop.fail(error)
  }

  tolerance(isSound: boolean): Tolerance {
    const excuses = (error: unknown) => this.isExcused(error, isSound)
    return isSound && !this.primary.disk.areFaultsOn ? noTolerance : { excuses }
  }

  private isExcused(error: unknown, isSound: boolean): boolean {
    if (error instanceof AssertionError) return false
    if (error instanceof DeviceError) return true
    if (!(error instanceof StillpointError)) return false
    return isSound ? error.code !== 'corrupt' && error.code !== 'internal' : true
  }

  // --- The phases ---

  private async begin(): Promise<void> {
    await this.must(this.primary.create(), 'the primary is created')
    for (const mirror of this.mirrors) await this.must(mirror.create(), 'a mirror is created')
    await this.until(() => this.primary.process !== null, 'the primary opens')
    for (const url of urls) {
      const { process } = this.primary
      await this.must(process!.mirrors.add(url), `${url} is added`)
    }
  }

  private async safety(): Promise<void> {
    const { profile, loop } = this
    for (const { disk } of [this.primary, ...this.mirrors]) disk.areFaultsOn = true
    const troubles = new TroubleMaker(this)
    loop.background(troubles.run())
    const clients = Array.from({ length: profile.clients }, (_, i) => new Client(this, `client ${i}`))
    const working = Promise.all(clients.map((client) => client.run()))
    await loop.pass(profile.safetyMs)
    this.isUnderWay = false
    for (const machine of [this.primary, ...this.mirrors]) {
      machine.disk.areFaultsOn = false
      machine.disk.leaveRoomFor(Number.POSITIVE_INFINITY)
      machine.disk.lightFuse(Number.POSITIVE_INFINITY)
    }
    for (const line of this.network.lines.values()) {
      line.weather = fairWeather
      line.isClosed['to the mirror'] = false
      line.isClosed['to the primary'] = false
    }
    await this.must(working, 'the clients end')
  }

  private async liveness(): Promise<void> {
    await this.until(() => this.primary.process !== null || this.primary.isLost, 'the primary is back')
    this.primary.checkPromises()
    for (const mirror of this.mirrors)
      await this.until(() => mirror.process !== null || mirror.isLost, `${mirror.url} is back`)
    for (const { process } of [this.primary, ...this.mirrors])
      if (process) await this.must(process.readers.releaseAll(), 'the readers end')
    const isRead = () => {
      const { process } = this.primary
      return process !== null && isHeldByReaders(process.engine.volume)
    }
    // A catalog keeps the newest root for as long as it is open.
    const machines = [this.primary, ...this.mirrors]
    for (const { files } of machines) await this.must(files.close(), 'the catalogs end')
    await this.until(() => !isRead(), 'the slow readers end')
    for (const machine of machines) machine.openFiles()
    if (this.primary.isSound) await this.converge()
    else await this.lookAround()
  }

  /** The primary's disk excuses nearly everything; what the mirrors show is nevertheless right. */
  private async lookAround(): Promise<void> {
    await this.loop.pass(2000)
    for (const mirror of this.mirrors) {
      if (!mirror.isSound) continue
      await this.until(() => mirror.process !== null, `${mirror.url} is back`)
      await this.must(mustBeSound(mirror.disk.copy(), mirror.url), `${mirror.url} is checked`)
    }
    this.note('damaged primaries')
  }

  private async converge(): Promise<void> {
    const { primary, history } = this
    // Something to mirror, however full the volume is.
    const process = await this.writeLast(new Client(this, 'the last client'))
    await this.must(process.engine.requestCp('requested'), 'the last CP is published')
    const sound = this.mirrors.filter((mirror) => mirror.isSound)
    const hasAll = () => sound.every(({ cp }) => cp === process.engine.current().root.cp)
    if (!(await this.loop.until(hasAll, convergeMsMax))) must(false, await this.drawPositions(process))
    await this.loop.pass(1000)
    must(primary.process === process, 'nothing ends without a fault')
    const { root, hash } = process.engine.current()
    const tree = history.stateAt(root.sequence)
    must(root.sequence >= history.durable, 'everything that was acknowledged is published')
    for (const mirror of sound) {
      const published = mirror.process!.volume.current()
      must(toHex(published.hash) === toHex(hash), `${mirror.url} has another root`)
      const view = readPublished(mirror.process!.volume, published)
      await this.must(compareAll(view, tree, history, mirror.url), `${mirror.url} is read`)
      view.release()
      await this.must(mustBeSound(mirror.disk.copy(), mirror.url), `${mirror.url} is checked`)
    }
    const view = process.files.view()
    await this.must(compareAll(view, tree, history, 'the primary'), 'the primary is read')
    view.release()
    await this.must(mustBeSound(primary.disk.copy(), 'the primary'), 'the primary is checked')
    for (const { files } of [primary, ...sound]) await this.must(files.finish(), 'the catalogs catch up')
    for (const { files } of this.mirrors) await this.must(files.close(), 'the catalogs end')
    await this.must(this.checkSpace(process), 'the space is checked')
  }

  /** What the last fault has begun may still end a process. */
  private async writeLast(client: Client): Promise<PrimaryProcess> {
    for (let attempt = 0; attempt < 10; attempt++) {
      await this.loop.pass(100)
      const process = await this.alive()
      const isOver = () => this.primary.process !== process
      await this.until(() => isOver() || process.files.pending().orphans === 0, 'the reaper ends')
      const isWritten = await this.must(
        Promise.race([process.ended, this.writeOnce(client, process)]),
        'the last operations end',
      )
      if (isOver()) continue
      if (isWritten) return process
      // Full: but what is deleted makes room.
      this.note('full at the end')
      await this.must(
        Promise.race([process.ended, this.deleteAll(client, process)]),
        'the last operations end',
      )
      if (isOver()) continue
      await this.until(() => isOver() || process.files.pending().orphans === 0, 'the reaper ends')
      // Who named a CP to a mirror may come back to it for so long, and the primary holds what it uses.
      await this.loop.pass(keptMs + 1000)
      if (isOver()) continue
      const isWrittenNow = await this.must(
        Promise.race([process.ended, this.writeOnce(client, process)]),
        'the last operations end',
      )
      if (isOver()) continue
      must(isWrittenNow === true, 'what is deleted makes room')
      return process
    }
    return this.alive()
  }

  private async writeOnce(client: Client, process: PrimaryProcess): Promise<boolean> {
    const wish = { level: 'committed' as const, mirrors: 0, waitMs: null }
    const operation = { op: 'mkdir' as const, path: [`last ${this.loop.now.toFixed(0)}`] }
    return (await client.request(process, operation, wish)) !== null
  }

  private async deleteAll(client: Client, process: PrimaryProcess): Promise<void> {
    const wish = { level: 'logged' as const, mirrors: 0, waitMs: null }
    for (const { path, node } of this.history.stateAt(sequenceOf(process.engine)).list([], false)) {
      const operation: FileOperation =
        node.kind === 'directory'
          ? { op: 'deleteDirectory', path, recursive: true }
          : { op: 'deleteFile', path, when: 'always' }
      const deleted = await client.request(process, operation, wish)
      must(deleted !== null || this.primary.process !== process, 'what is full can be emptied')
    }
  }

  /** I5: two superblocks later only what the slots and the mirrors hold is not writable. */
  private async checkSpace({ engine, files }: PrimaryProcess): Promise<void> {
    await engine.writeSuperblock()
    await engine.writeSuperblock()
    mustNotLeak(engine, 'at the end')
    mustBeQuiet({ engine, files }, 'the primary, at the end')
    // Readers of a mirror may stay: nobody there writes for whom they would have to make room.
    for (const { url, process } of this.mirrors) {
      if (!process || isHeldByReaders(process.volume)) continue
      // A poll may just be on its way through the mirror; a frame that is stuck stays.
      for (let i = 0; i < 100 && !isQuiet(process); i++) await this.loop.pass(1)
      mustBeQuiet(process, `${url}, at the end`)
    }
  }

  private async drawPositions({ engine, mirrors }: PrimaryProcess): Promise<string> {
    const states = this.mirrors.map(({ process, cp }) => ({
      cp,
      ...process?.applier.status(),
      published: null,
      target: process?.applier.status().target.cp,
      retained: null,
    }))
    const members = await mirrors.list()
    return `never equal: primary ${engine.current().root.cp}, ${JSON.stringify({ members, states })}`
  }

  // --- Waiting ---

  private async alive(): Promise<PrimaryProcess> {
    await this.until(() => this.primary.process !== null, 'the primary is back')
    return this.primary.process!
  }

  private async until(condition: () => boolean, what: string): Promise<void> {
    must(await this.loop.until(condition, addMsMax), `never: ${what}`)
  }

  private async must<T>(work: Promise<T>, what: string): Promise<T> {
    let isDone = false
    const done = () => void (isDone = true)
    work.then(done, done)
    must(await this.loop.until(() => isDone, convergeMsMax), `never: ${what}`)
    return work
  }

  private report(): RunReport {
    for (const { disk } of [this.primary, ...this.mirrors]) {
      this.trace.note(disk.device.traceHash)
      for (const [what, count] of disk.counts) this.counts.set(what, (this.counts.get(what) ?? 0) + count)
    }
    for (const line of this.network.lines.values()) {
      this.counts.set('frames', (this.counts.get('frames') ?? 0) + line.frames)
      for (const [what, count] of line.counts)
        this.counts.set(`frames ${what}`, (this.counts.get(`frames ${what}`) ?? 0) + count)
    }
    for (const mirror of this.mirrors)
      this.counts.set(
        'published by mirrors',
        (this.counts.get('published by mirrors') ?? 0) + mirror.published,
      )
    const { trace, loop, counts } = this
    return { trace: trace.hex, events: trace.events, virtualMs: loop.now, counts }
  }
}
