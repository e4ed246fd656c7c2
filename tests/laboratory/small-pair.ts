/** A primary's mirrors with one mirror that answers at once, over a line without weather: for small exact runs. */
import type { Applied } from '../../src/cp-engine/contract.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { Volume } from '../../src/cp-engine/volume/volume.ts'
import { MirrorApplier } from '../../src/replica/mirror/mirror-applier.ts'
import type { Mirrors } from '../../src/replica/primary/mirrors.ts'
import { engineMirrors } from '../replica/engine-mirrors.ts'
import type { Image } from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { Chance } from './chance.ts'
import { type EventLoop, ProcessClock } from './event-loop.ts'
import { Network, fairWeather } from './network.ts'
import { Trace } from './trace.ts'
import { must } from './violation.ts'
import { cacheLimit, mirrorLimit } from '../engine-limits.ts'

const url = 'mirror'
const patienceMs = 60_000

export class SmallPair {
  private constructor(
    readonly device: SimulatedDevice,
    readonly volume: Volume,
    readonly mirrors: Mirrors,
    private readonly clock: ProcessClock,
  ) {}

  /** The mirror is empty, and a member already when it is made; it is not waited for. */
  static async make(
    loop: EventLoop,
    clock: ProcessClock,
    engine: CpEngine,
    mirror: Image,
  ): Promise<SmallPair> {
    const network = new Network(loop, new Chance('line'), new Trace('line'), [url])
    const line = network.lines.get(url)!
    line.weather = { ...fairWeather, latencyMsMax: 0 }
    const device = new SimulatedDevice({ image: mirror })
    const mirrorClock = new ProcessClock(loop)
    const volume = await Volume.open(device, { clock: mirrorClock, ...cacheLimit })
    const applier = new MirrorApplier(volume, {
      ...mirrorLimit,
      clock: mirrorClock,
      random: new Chance('sessions'),
      onFailed: (error) => loop.fail(error),
    })
    line.listen({ applier, clock: mirrorClock })
    const mirrors = engineMirrors(engine, {
      clock,
      transport: network.transport(clock),
      random: new Chance('shipper'),
    })
    const pair = new SmallPair(device, volume, mirrors, clock)
    loop.background(mirrors.add(url))
    mirrors.start()
    return pair
  }

  async mirrored({ cp, sequence }: Applied<unknown>): Promise<void> {
    const isMirrored = await this.mirrors.waitMirrored(cp, 1, this.clock.monotonic() + patienceMs)
    must(isMirrored, `cp ${cp} is never mirrored`)
    const { root } = this.volume.current()
    must(root.sequence >= sequence, `cp ${cp} is mirrored, and operation ${sequence} is not there`)
  }

  close(): void {
    this.mirrors.close()
  }
}
