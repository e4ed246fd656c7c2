/**
 * Counts the blocks and bytes of transfers to one mirror, by consistency point and kind. When the mirror has
 * published a CP, the log gives one row for each kind.
 */
import type { BlockSource } from '../../format/wire/messages.ts'

/** One row of the table of transfers. */
export interface Transfer {
  readonly kind: BlockSource
  readonly cp: number
  readonly blocks: number
  readonly bytes: number
  readonly ms: number
}

/**
 * Limit for open CPs: live commands are counted before the primary knows which CP becomes the target. More CPs are
 * never open.
 */
const cpsMax = 16

interface Count {
  blocks: number
  bytes: number
  readonly sinceMs: number
}

export class TransferLog {
  readonly bytesBySource = new Map<BlockSource, number>()
  private offeredBytesEver = 0
  private readonly offeredBytes = new Map<number, number>()
  private readonly open = new Map<number, Map<BlockSource, Count>>()

  get bytesEver(): number {
    return [...this.bytesBySource.values()].reduce((sum, bytes) => sum + bytes, this.offeredBytesEver)
  }

  /** The bytes of an offer count for the kind that brings most of the CP. */
  private offered(cp: number, bytes: number): void {
    this.offeredBytesEver += bytes
    this.offeredBytes.set(cp, (this.offeredBytes.get(cp) ?? 0) + bytes)
    if (this.offeredBytes.size > cpsMax) this.offeredBytes.delete(this.offeredBytes.keys().next().value!)
  }

  /** A null source is an offer. */
  sent(source: BlockSource | null, cp: number, blocks: number, bytes: number, nowMs: number): void {
    if (source === null) return this.offered(cp, bytes)
    this.bytesBySource.set(source, (this.bytesBySource.get(source) ?? 0) + bytes)
    let counts = this.open.get(cp)
    if (!counts) {
      counts = new Map<BlockSource, Count>()
      this.open.set(cp, counts)
      if (this.open.size > cpsMax) this.open.delete(this.open.keys().next().value!)
    }
    const count = counts.get(source) ?? { blocks: 0, bytes: 0, sinceMs: nowMs }
    count.blocks += blocks
    count.bytes += bytes
    counts.set(source, count)
  }

  /** The rows of this CP. Live commands of earlier CPs that were never a target count for this CP. */
  finished(cp: number, nowMs: number): Transfer[] {
    const rows = new Map<BlockSource, Count>()
    for (const [of, counts] of this.open) {
      if (of > cp) continue
      this.open.delete(of)
      for (const [source, { blocks, bytes, sinceMs }] of counts) {
        const row = rows.get(source) ?? { blocks: 0, bytes: 0, sinceMs }
        row.blocks += blocks
        row.bytes += bytes
        rows.set(source, row)
      }
    }
    const largest = [...rows.values()].toSorted((a, b) => b.bytes - a.bytes)[0]
    for (const [of, bytes] of this.offeredBytes) {
      if (of > cp) continue
      this.offeredBytes.delete(of)
      if (largest) largest.bytes += bytes
    }
    return [...rows].map(([kind, { blocks, bytes, sinceMs }]) => ({
      kind,
      cp,
      blocks,
      bytes,
      ms: nowMs - sinceMs,
    }))
  }
}
