/** A volume on the real engine and a device in memory, for the model: it is checked, closed or crashed, and opened again. */
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { checkVolume } from '../../src/cp-engine/check.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { createPrimary } from '../../src/cp-engine/create-volume.ts'
import type { Packing } from '../../src/cp-engine/records/payloads.ts'
import { openPrimary } from '../../src/cp-engine/open-primary.ts'
import { makeGeometry } from '../../src/format/geometry.ts'
import type { ChecksumKind } from '../../src/format/pointer.ts'
import { VolumeFiles } from '../../src/fs/file-system.ts'
import { ItemCheck } from '../../src/fs/tree/item-check.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { type Counts, countsOf } from '../noticing/quiet.ts'
import { scribbleFreed } from '../noticing/scribbled.ts'
import type { ModelVolume } from './model.ts'

export interface RealVolumeOptions {
  readonly seed: number
  readonly recordChecksum?: ChecksumKind
  /** Of the log; everything else is 64 MiB larger. */
  readonly logMebibytes?: number
  readonly queueBytesMax?: number
  readonly packing?: Packing
}

const mebibyte = 2 ** 20
/** Of what is remembered: so little that most of it leaves. */
const smallFilesBytesMax = 256 * 1024

export class RealVolume implements ModelVolume {
  files!: VolumeFiles
  engine!: CpEngine
  private device: MemoryDevice
  private readonly random: ReturnType<typeof seededRandom>

  private constructor(private readonly options: RealVolumeOptions) {
    this.device = new MemoryDevice()
    this.random = seededRandom(options.seed)
  }

  static async create(options: RealVolumeOptions): Promise<RealVolume> {
    const volume = new RealVolume(options)
    const log = (options.logMebibytes ?? 4) * mebibyte
    await createPrimary(volume.device, {
      clock: systemClock,
      random: volume.random,
      geometry: makeGeometry(256 * mebibyte, mebibyte, log),
      recordChecksum: options.recordChecksum ?? 'xxh3',
    })
    await volume.open()
    return volume
  }

  private async open(): Promise<void> {
    this.engine = await openPrimary(this.device, {
      clock: systemClock,
      random: this.random,
      nodeCacheBytesMax: mebibyte,
      cpIntervalMs: 20,
      queueBytesMax: this.options.queueBytesMax ?? 64 * mebibyte,
      packing: this.options.packing ?? null,
    })
    scribbleFreed(this.engine, this.device)
    this.files = new VolumeFiles(this.engine, systemClock, smallFilesBytesMax)
    this.engine.onSpaceShort(() => this.files.hurry())
    this.files.start()
  }

  async reopen(): Promise<void> {
    await this.files.close()
    const isCrash = this.random.below(2) === 0
    if (isCrash) await this.engine.reach(await this.engine.run(() => null), 'logged')
    else await this.engine.close()
    const next = this.device.reopened()
    await this.device.close()
    this.device = next
    await this.open()
  }

  async check(): Promise<readonly string[]> {
    for (let i = 0; i < 3 || this.files.pending().orphans > 0; i++) {
      await this.engine.requestCp('requested')
      await systemClock.sleep(1)
    }
    const published = await this.engine.requestCp('requested')
    const problems: string[] = []
    let items: ItemCheck | null = null
    const report = await checkVolume(this.device, {
      onItem: (root, item, records) => (items ??= new ItemCheck(root)).add(item, records),
      onRoot: (root) => {
        const { problems: found, orphans } = (items ?? new ItemCheck(root)).finish()
        problems.push(...found)
        if (orphans > 0 && root.cp === published.root.cp) problems.push(`${orphans} orphans are left`)
        items = null
      },
    })
    problems.push(...report.findings.map(({ message, address }) => `${message} (${address})`))
    return problems
  }

  counts(): Counts {
    return countsOf({ engine: this.engine, files: this.files })
  }

  async close(): Promise<void> {
    await this.files.close()
    await this.engine.close()
    await this.device.close()
  }
}
