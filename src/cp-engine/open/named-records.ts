/**
 * Records that the log names by pointer, as the disk has them. The records were synced before their operations were
 * acknowledged, so a wrong record is damage. The records are read past the page cache, because a replay publishes
 * them as they are on the disk.
 */
import { DeviceError } from '../../blockdev/block-device.ts'
import { recordBytesMax } from '../../format/geometry.ts'
import type { BlockPointer } from '../../format/pointer.ts'
import { isRecordOnDisk } from '../records/records.ts'
import type { Volume } from '../volume/volume.ts'
import { type ReplayProblem, type ReplayWrite, isSamePointer } from './replay.ts'

/** Number of reads at a time, each into a buffer of the largest record. */
const readsMax = 8

interface Seen {
  readonly pointer: BlockPointer
  /** Damage of the record, for people; null for a good record. */
  readonly damage: string | null
}

export class NamedRecords {
  /** Results by address: the plan of fewer operations may name the same record again. */
  private readonly seen = new Map<number, Seen>()

  constructor(
    private readonly volume: Volume,
    private readonly acceptsUnreadable: boolean,
  ) {}

  async damaged(born: readonly ReplayWrite[]): Promise<ReplayProblem[]> {
    const damaged: ReplayProblem[] = []
    const named = born
      .filter(({ payload }) => payload === null)
      .toSorted((a, b) => a.pointer.address - b.pointer.address)
    let next = 0
    const reader = async () => {
      const buffer = new Uint8Array(recordBytesMax)
      while (next < named.length) {
        const { pointer, sequence } = named[next++]!
        const damage = await this.damageOf(pointer, buffer)
        const { address } = pointer
        if (damage) damaged.push({ sequence, address, message: `the record that it names ${damage}` })
      }
    }
    await Promise.all(Array.from({ length: Math.min(readsMax, named.length) }, reader))
    return damaged
  }

  private async damageOf(pointer: BlockPointer, buffer: Uint8Array): Promise<string | null> {
    const known = this.seen.get(pointer.address)
    if (known && isSamePointer(known.pointer, pointer)) return known.damage
    const damage = await this.look(pointer, buffer)
    this.seen.set(pointer.address, { pointer, damage })
    return damage
  }

  private async look(pointer: BlockPointer, buffer: Uint8Array): Promise<string | null> {
    const { device } = this.volume
    try {
      const isRight = await isRecordOnDisk(device, pointer, this.volume.current().root.sums, buffer)
      return isRight ? null : 'is damaged'
    } catch (error) {
      if (error instanceof DeviceError && this.acceptsUnreadable) return 'cannot be read'
      throw error
    }
  }
}
