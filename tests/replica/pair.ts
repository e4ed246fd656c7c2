/** A primary and a mirror on simulated devices, in one process, with a network between them. */
import { seededRandom } from '../../src/lib/random.ts'
import type { PublishedRoot } from '../../src/cp-engine/contract.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { createMirror } from '../../src/cp-engine/create-volume.ts'
import type { OpenPrimaryOptions } from '../../src/cp-engine/open-primary.ts'
import { Volume, pinMsMax } from '../../src/cp-engine/volume/volume.ts'
import { MirrorApplier } from '../../src/replica/mirror/mirror-applier.ts'
import type { Mirrors } from '../../src/replica/primary/mirrors.ts'
import type { Transfer } from '../../src/replica/link/transfer-log.ts'
import { newPrimary, open, smallGeometry } from '../cp-engine/workload.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import type { Operation } from '../simulated/faults.ts'
import type { SimulatedOptions } from '../simulated/simulated-options.ts'
import { engineMirrors } from './engine-mirrors.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { VirtualClock } from '../simulated/clock.ts'
import { mirrorLimit } from '../engine-limits.ts'

export type Side = 'primary' | 'mirror'
export const mirrorUrl = 'http://mirror'

export interface PairOptions {
  readonly seed: number
  readonly mebibytes?: number
  readonly onMirrorPublished?: (published: PublishedRoot) => void
}

export class Pair {
  readonly clock = new VirtualClock()
  readonly random: ReturnType<typeof seededRandom>
  readonly network: SimulatedNetwork
  readonly transfers: Transfer[] = []
  /** Called when a write, sync or growth of this side begins. */
  onMutation: (side: Side, operation: Operation) => void = () => {}
  /** True: reads of this side that ask for what is there at once have to wait. */
  isBusy: (side: Side) => boolean = () => false
  primaryDevice = this.device('primary')
  mirrorDevice = this.device('mirror')
  engine!: CpEngine
  mirrors!: Mirrors
  mirrorVolume!: Volume
  applier!: MirrorApplier
  /** Of the side that must never fail. */
  readonly failures: unknown[] = []
  private openings = 0

  constructor(private readonly options: PairOptions) {
    this.random = seededRandom(options.seed)
    this.network = new SimulatedNetwork(this.clock, (limit) => this.random.below(limit))
  }

  static async create(options: PairOptions): Promise<Pair> {
    const pair = new Pair(options)
    await newPrimary(pair.primaryDevice, options.seed, options.mebibytes)
    const geometry = smallGeometry(options.mebibytes)
    await createMirror(pair.mirrorDevice, {
      clock: pair.clock,
      random: seededRandom(options.seed + 1),
      geometry,
    })
    await pair.openPrimary()
    await pair.openMirror()
    return pair
  }

  device(side: Side, options: SimulatedOptions = {}): SimulatedDevice {
    return new SimulatedDevice({
      ...options,
      isBusy: () => this.isBusy(side),
      onMutation: (operation) => this.onMutation(side, operation),
    })
  }

  async openPrimary(device = this.primaryDevice, options: Partial<OpenPrimaryOptions> = {}): Promise<void> {
    this.primaryDevice = device
    const { clock } = this
    const seed = this.options.seed + 100 * ++this.openings
    const engine = await open(device, seed, { clock, cpIntervalMs: 1e9, ...options })
    this.engine = engine
    this.mirrors = engineMirrors(engine, {
      transport: this.network,
      clock,
      random: this.random,
      onHigherEpoch: () => void engine.fence(),
      onLostCp: () => void engine.fence('an older copy'),
      onTransfer: (_id, transfer) => this.transfers.push(transfer),
    })
    this.mirrors.start()
  }

  async openMirror(device = this.mirrorDevice): Promise<void> {
    this.mirrorDevice = device
    const volume = await Volume.open(device, { clock: this.clock, nodeCacheBytesMax: 2 ** 20 })
    this.mirrorVolume = volume
    volume.onPublished(({ published }) => this.options.onMirrorPublished?.(published))
    this.applier = new MirrorApplier(volume, {
      ...mirrorLimit,
      clock: this.clock,
      random: this.random,
      onFailed: (error) => this.failures.push(error),
      onTooManyRoots: () => void volume.cutOldestPins(),
      onSpaceShort: () => volume.cutPins(this.clock.monotonic() - pinMsMax),
    })
    this.network.attach(this.applier)
  }

  /** The mirror has what the primary has. */
  get isEqual(): boolean {
    return this.mirrorVolume.currentOrNull()?.root.cp === this.engine.current().root.cp
  }

  /** Adds the mirror and runs until it is known. */
  async join(): Promise<void> {
    const added = this.mirrors.add(mirrorUrl)
    let isDone = false
    added.then(
      () => (isDone = true),
      () => (isDone = true),
    )
    await this.clock.until(() => isDone, 5000)
    await added
  }
}
