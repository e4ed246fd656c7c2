/**
 * What a crash leaves on a disk: the durable bytes, and of every write that was not synced any part, by sectors.
 *
 * A CrashState is frozen: it can be kept while the device goes on, and any number of images be made of it.
 */
import { blockBytes, sectorBytes } from '../../src/format/geometry.ts'
import type { BlockMap } from './block-map.ts'

export const sectorsPerBlock = blockBytes / sectorBytes

export interface PendingWrite {
  readonly kind: 'write' | 'write-durable' | 'grow'
  readonly address: number
  /** Empty for a growth. */
  readonly blocks: readonly Uint8Array[]
  /** A growth: the device's new size. */
  readonly blockCount: number
  /** The number of the device operation that it came with; the runs of one write share it. */
  readonly operation: number
}

/** A pending write as the device knows it. */
export interface PendingEntry {
  write: PendingWrite
  /** Where the caller wanted it; a misdirected write is elsewhere. */
  readonly intended: number
  /** What the caller handed in, to see that it stays as it was. Null for a growth. */
  source: Uint8Array | null
  resolved: boolean
}

/** What a disk holds. Opened by `new SimulatedDevice({ image })`, as often as wanted. */
export interface Image {
  readonly blocks: BlockMap
  readonly blockCount: number
}

export interface CrashState {
  readonly durable: Image
  /** In the order in which the writes were given to the device. */
  readonly pending: readonly PendingWrite[]
}

/** Per write: all of it, nothing, or the sectors (counted from its begin) for which the function says yes. */
export type Survival = boolean | ((sector: number) => boolean)
export type CrashChoice = (write: PendingWrite, index: number, count: number) => Survival

export const nothingSurvives: CrashChoice = () => false
export const everythingSurvives: CrashChoice = () => true

/** Bit i of the mask: write i survives. For the exhaustive runs on few writes. */
export const subset =
  (mask: number): CrashChoice =>
  (_write, index) =>
    Math.floor(mask / 2 ** index) % 2 === 1

/** As the inner choice, but write `index` is torn after `sectors` sectors: these have arrived, the rest has not. */
export const tornAfter =
  (index: number, sectors: number, inner: CrashChoice = everythingSurvives): CrashChoice =>
  (write, i, count) =>
    i === index ? (sector) => sector < sectors : inner(write, i, count)

/**
 * Any subset, any tearing: half of the writes whole or absent, and of the torn ones any sectors or only a first part.
 * The last write is torn more often, as a power cut does.
 */
export function randomChoice(random: { below(limit: number): number }): CrashChoice {
  // Some crashes lose nearly all, some nearly nothing: one constant probability would hardly ever show these two.
  const keep = [1, 4, 8, 12, 15][random.below(5)]!
  return (write, index, count) => {
    const tear = random.below(index === count - 1 ? 2 : 8) === 0
    if (!tear) return random.below(16) < keep
    const sectors = write.blocks.length * sectorsPerBlock
    if (random.below(2) === 0) {
      const cut = random.below(sectors + 1)
      return (sector) => sector < cut
    }
    return () => random.below(2) === 0
  }
}

/** The durable image with the chosen parts of the un-synced writes on it. */
export function crashImage(state: CrashState, choice: CrashChoice): Image {
  const blocks = state.durable.blocks.copy()
  let blockCount = state.durable.blockCount
  state.pending.forEach((write, index) => {
    const survival = choice(write, index, state.pending.length)
    if (survival === false) return
    if (write.kind === 'grow') {
      if (survival === true || survival(0)) blockCount = Math.max(blockCount, write.blockCount)
      return
    }
    write.blocks.forEach((block, i) => {
      const stored = survival === true ? block : tornBlock(blocks, write.address + i, block, i, survival)
      if (!stored) return
      blocks.set(write.address + i, stored)
      // A file whose last block was written is at least that long.
      blockCount = Math.max(blockCount, write.address + i + 1)
    })
  })
  return { blocks, blockCount }
}

function tornBlock(
  blocks: BlockMap,
  address: number,
  block: Uint8Array,
  nth: number,
  survives: (sector: number) => boolean,
): Uint8Array | null {
  let torn: Uint8Array | null = null
  for (let i = 0; i < sectorsPerBlock; i++) {
    if (!survives(nth * sectorsPerBlock + i)) continue
    torn ??= blocks.get(address).slice()
    torn.set(block.subarray(i * sectorBytes, (i + 1) * sectorBytes), i * sectorBytes)
  }
  return torn
}
