/**
 * A volume that has lived for years before a run begins: every number that only grows stands short of a place where
 * numbers break (2³¹, 2³², a full list of epochs, a lap of the log). The volume itself is as empty as a new one, so a run
 * of seconds crosses what else takes months.
 */
import type { BlockDevice } from '../../src/blockdev/block-device.ts'
import { sha256 } from '../../src/lib/checksum.ts'
import {
  blockBytes,
  cpsPerEpoch,
  epochsMax,
  superblockAddress,
  superblockCopyBlocks,
} from '../../src/format/geometry.ts'
import { type Root, decodeRoot, encodeRoot } from '../../src/format/disk/root.ts'
import { decodeSuperblock, encodeSuperblock } from '../../src/format/disk/superblock.ts'
import { allCopies } from '../cp-engine/volume/later-program.ts'
import type { Chance } from './chance.ts'

export interface Age {
  /** Losses that were accepted before: each began an epoch. */
  readonly epochs: number
  readonly openings: number
  /** Operations. */
  readonly sequence: number
  /** Consistency points. */
  readonly cps: number
  /** Bytes that went through the ring of the log: whole blocks. */
  readonly logBytes: number
  /** Superblocks that were written. */
  readonly generation: number
}

export const newborn: Age = { epochs: 0, openings: 0, sequence: 0, cps: 0, logBytes: 0, generation: 0 }

/** Half of all volumes are new; of the others each number is old or not on its own. */
export function someAge(chance: Chance): Age {
  if (chance.below(2) === 0) return newborn
  const shortOf = (...limits: readonly number[]): number => {
    const limit = chance.pick([0, ...limits])
    return limit === 0 ? 0 : limit - 1 - chance.below(60)
  }
  return {
    epochs: chance.pick([0, epochsMax - 3, epochsMax - 1, epochsMax, 3 * epochsMax]),
    openings: shortOf(2 ** 16, 2 ** 31),
    sequence: shortOf(2 ** 31, 2 ** 32, 2 ** 40),
    cps: shortOf(2 ** 31, 2 ** 32, 2 ** 36),
    logBytes: chance.pick([0, 2 ** 31, 2 ** 32, 2 ** 44]) + chance.below(64) * blockBytes,
    generation: shortOf(2 ** 31, 2 ** 32),
  }
}

/** Of a volume that was just created, and that nobody has opened. */
export async function age(device: BlockDevice, to: Age, chance: Chance): Promise<void> {
  let epochs: Root['epochs'] | null = null
  for (const [slot, copy] of allCopies) {
    const address = superblockAddress(slot, copy)
    const bytes = new Uint8Array(superblockCopyBlocks * blockBytes)
    await device.read(address, bytes)
    const superblock = decodeSuperblock(bytes, slot)!
    const root = decodeRoot(superblock.root!.bytes)
    epochs ??= to.epochs > 0 ? someEpochs(to.epochs, chance) : root.epochs
    const cp = to.epochs * cpsPerEpoch + to.cps + 1
    // The root begins its epoch, so both name what came before.
    const previousHash = to.epochs > 0 ? epochs.at(-1)!.rootHashBefore : root.previousHash
    const named = [...epochs.slice(0, -1), { ...epochs.at(-1)!, firstCp: cp }]
    const aged = encodeRoot({
      ...root,
      cp,
      epochs: named,
      sequence: to.sequence,
      opening: to.openings,
      previousHash,
    })
    const { number, id } = epochs.at(-1)!
    const changed = {
      ...superblock,
      epoch: { number, id },
      opening: to.openings,
      firstCp: cp,
      generation: superblock.generation + to.generation,
      root: { address: superblock.root!.address, bytes: aged },
      log: { ...superblock.log, position: to.logBytes },
    }
    await device.write([
      { address, bytes: encodeSuperblock(changed, slot) },
      { address: superblock.root!.address, bytes: aged },
    ])
  }
  await device.sync()
}

/** The newest that a root has room for. */
function someEpochs(newest: number, chance: Chance): Root['epochs'] {
  const count = Math.min(newest + 1, epochsMax)
  return Array.from({ length: count }, (_, i) => {
    const number = newest - count + 1 + i
    const rootHashBefore = number === 0 ? new Uint8Array(32) : sha256(chance.bytes(32))
    return { number, id: chance.bytes(8), firstCp: number * cpsPerEpoch + 1, rootHashBefore }
  })
}
