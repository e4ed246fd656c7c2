/**
 * The disk of one machine, through all its processes: each gets a device of its own on what the one before left. The
 * faults come from here, each with its own probability.
 *
 * - Losing power leaves the durable bytes and any part of the rest, torn at any sector. A killed process leaves the page
 *   cache as it was, with whatever a failed sync made of it.
 * - `sound` faults break no rule of the contract. Against the others nobody can promise more than an error.
 */
import type { Clock } from '../../src/lib/clock.ts'
import type { WriteRun } from '../../src/blockdev/block-device.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { crashImage, nothingSurvives, randomChoice } from '../simulated/crash-image.ts'
import type { Fault, Operation } from '../simulated/faults.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import type { SimulatedOptions } from '../simulated/simulated-options.ts'
import type { SimulatedSpace } from '../simulated/simulated-space.ts'
import type { Chance } from './chance.ts'
import type { Trace } from './trace.ts'
import { Violation } from './violation.ts'

/** Of a million operations of that kind. */
export interface DiskFaults {
  readonly readError: number
  readonly writeError: number
  readonly syncError: number
  readonly syncDrops: number
  readonly growError: number
  // From here on: no promise but "never wrong bytes".
  readonly readFlipped: number
  readonly readStale: number
  readonly writeFlipped: number
  readonly writeLost: number
  readonly writeMisdirected: number
}

export const noDiskFaults: DiskFaults = {
  readError: 0,
  writeError: 0,
  syncError: 0,
  syncDrops: 0,
  growError: 0,
  readFlipped: 0,
  readStale: 0,
  writeFlipped: 0,
  writeLost: 0,
  writeMisdirected: 0,
}

export interface DiskOptions {
  readonly chance: Chance
  readonly trace: Trace
  readonly name: string
  /** Whoever writes may not be the one who tells. */
  readonly onViolation: (violation: Violation) => void
  readonly faults: DiskFaults
  /** Of each operation: 0 to so many milliseconds. */
  readonly latencyMsMax: number
  /** False: the device refuses everything after its first error, as a file device does. */
  readonly goesOn: boolean
  /** Of a mirror, whose file is sparse: its room. */
  readonly space?: SimulatedSpace
}

export class Disk {
  device = new SimulatedDevice()
  /** Off: the disk behaves. */
  areFaultsOn = false
  /** The disk that gets full, in blocks. */
  blocksMax = Number.POSITIVE_INFINITY
  /** I1: whether anything that the running process must keep uses one of these blocks. */
  isKept: (address: number, blocks: number) => boolean = () => false
  /** The power goes out at this many operations other than reads from now. */
  private fuse: number | null = null
  private onPowerLoss: () => void = () => {}
  private dropping: SimulatedDevice | null = null
  readonly counts = new Map<string, number>()

  constructor(private readonly options: DiskOptions) {}

  /** What the next process gets after a loss of power. */
  afterPowerLoss(clock: Clock, onPowerLoss: () => void): SimulatedDevice {
    const { chance } = this.options
    const image = crashImage(this.device.crashState(), randomChoice(chance))
    this.retire(this.device)
    this.device = new SimulatedDevice({ ...this.deviceOptions(clock, onPowerLoss), image })
    return this.device
  }

  /** What the next process gets when only the process has ended. */
  afterKill(clock: Clock, onPowerLoss: () => void): SimulatedDevice {
    const before = this.device
    this.device = before.reopened(this.deviceOptions(clock, onPowerLoss))
    this.retire(before)
    return this.device
  }

  private retire(device: SimulatedDevice): void {
    device.crash()
    this.options.trace.note(`${this.options.name} ${device.traceHash}`)
  }

  /** The same bytes without any fault, for a checker. */
  copy(): SimulatedDevice {
    return this.device.reopened({})
  }

  /** What a loss of power would leave at least, whatever the cache shows. */
  durableCopy(): SimulatedDevice {
    return new SimulatedDevice({ image: this.device.image(nothingSurvives) })
  }

  /** Somebody else has taken the rest of the file system, but for so many blocks. */
  leaveRoomFor(blocks: number): void {
    const { space } = this.options
    if (space) space.blocksMax = space.used + blocks
    else this.blocksMax = this.device.blockCount + blocks
  }

  /** A sync of this device has dropped what it covered, and the device has gone on. */
  get hasDropped(): boolean {
    return this.dropping === this.device
  }

  lightFuse(mutations: number): void {
    this.fuse = mutations
  }

  rot(): void {
    const { chance } = this.options
    const { blockCount } = this.device
    if (blockCount === 0) return
    this.count('rot')
    this.device.flipBit(chance.below(blockCount), chance.below(8 * 4096))
  }

  private deviceOptions(clock: Clock, onPowerLoss: () => void): SimulatedOptions {
    const { chance, latencyMsMax } = this.options
    const busyPerMillion = chance.pick([0, 100_000, 700_000])
    this.fuse = null
    this.isKept = () => false
    this.onPowerLoss = onPowerLoss
    const slow = {
      schedule: (_operation: Operation, done: () => void) =>
        void clock.after(chance.below(latencyMsMax + 1), done),
    }
    return {
      traced: true,
      onWrite: (runs) => this.guard(runs),
      refusesAfterFailure: !this.options.goesOn,
      isBusy: () => this.areFaultsOn && chance.happens(busyPerMillion),
      faults: (operation) => this.fault(operation),
      ...(this.options.space ? { space: this.options.space } : {}),
      ...(latencyMsMax > 0 ? { scheduler: slow } : {}),
    }
  }

  private guard(runs: readonly WriteRun[]): void {
    for (const { address, bytes } of runs) {
      const blocks = bytes.length / blockBytes
      if (!this.isKept(address, blocks)) continue
      const violation = new Violation(
        `${this.options.name} writes ${blocks} blocks at ${address}, which a kept root uses`,
      )
      this.options.onViolation(violation)
      throw violation
    }
  }

  private fault(operation: Operation): Fault | undefined {
    const { kind, address, blocks } = operation
    this.options.trace.note(`${this.options.name} ${kind} ${address} ${blocks}`)
    if (kind !== 'read' && this.fuse !== null && --this.fuse < 0) {
      this.fuse = null
      this.count('power')
      this.onPowerLoss()
      return { kind: 'crash' }
    }
    if (kind === 'grow' && this.device.blockCount + blocks > this.blocksMax) return { kind: 'disk-full' }
    const found = this.areFaultsOn ? this.drawn(operation) : undefined
    if (found) this.count(`${kind} ${found.kind}`)
    return found
  }

  private drawn({ kind, blocks }: Operation): Fault | undefined {
    const { chance, faults } = this.options
    const bit = () => chance.below(blocks * 8 * 4096)
    switch (kind) {
      case 'read':
        if (chance.happens(faults.readError)) return { kind: 'error' }
        if (chance.happens(faults.readFlipped)) return { kind: 'flipped', bit: bit() }
        return chance.happens(faults.readStale) ? { kind: 'stale' } : undefined
      case 'sync':
        if (chance.happens(faults.syncDrops)) {
          this.dropping = this.device
          return { kind: 'sync-drops' }
        }
        return chance.happens(faults.syncError) ? { kind: 'error' } : undefined
      case 'grow':
      case 'extend':
      case 'allocate':
        return chance.happens(faults.growError) ? { kind: 'disk-full' } : undefined
      case 'punch':
        return chance.happens(faults.growError) ? { kind: 'error' } : undefined
      case 'write':
      case 'write-durable': {
        if (chance.happens(faults.writeError)) return { kind: 'error' }
        if (chance.happens(faults.writeFlipped)) return { kind: 'flipped', bit: bit() }
        const cached = chance.below(2) === 0
        if (chance.happens(faults.writeLost)) return { kind: 'lost', cached }
        if (!chance.happens(faults.writeMisdirected)) return undefined
        const space = this.device.blockCount - blocks
        return { kind: 'misdirected', address: chance.below(Math.max(1, space)), cached }
      }
    }
  }

  private count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }
}
