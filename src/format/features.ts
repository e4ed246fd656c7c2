/**
 * Decides how a program treats a volume of a later program. Superblock and root begin with a format number and three
 * words of feature bits, at places that no later format moves.
 *
 * | word with an unknown bit | meaning for this program                                                         |
 * |--------------------------|----------------------------------------------------------------------------------|
 * | incompat                 | the structure cannot be read, and is refused like a higher format number         |
 * | readOnlyCompat           | the structure can be read and checked; a change by this program would break it   |
 * | compat                   | no effect: the bit is kept when the structure is written again                   |
 *
 * A refusal is the error `newer-format`, and nothing has been written: the volume is sound, and only this program is
 * old. There are no features yet, so every bit is unknown.
 */
import { StillpointError } from '../lib/errors.ts'

/** Format number of all that this program writes. Volumes from before the format number have 0 in that place. */
export const formatNumber = 1

export interface Features {
  readonly incompat: number
  readonly readOnlyCompat: number
  readonly compat: number
}

export const noFeatures: Features = { incompat: 0, readOnlyCompat: 0, compat: 0 }
/** Feature bits that this program knows. */
const known: Features = noFeatures

interface FormatWords extends Features {
  readonly format: number
}

/** Error for sound bytes of a later program. */
export function newerFormat(structure: string, why: string): StillpointError {
  return new StillpointError(
    'newer-format',
    `${structure}: ${why}; a newer version of Stillpoint is needed`,
    {
      structure,
      waysOut: ['the version of Stillpoint that wrote it, or a later one'],
    },
  )
}

/** Throws for a structure that this program cannot read. */
export function assertReadable(structure: string, { format, incompat }: FormatWords): void {
  if (format > formatNumber)
    throw newerFormat(structure, `its format is ${format}, and ${formatNumber} is the highest that is known`)
  const unknown = unknownBits(incompat, known.incompat)
  if (unknown !== 0)
    throw newerFormat(structure, `it has features that are not known: incompat ${hex(unknown)}`)
}

/** Throws for a structure that this program can read and must not change. */
export function assertWritable(structure: string, { readOnlyCompat }: Features): void {
  const unknown = unknownBits(readOnlyCompat, known.readOnlyCompat)
  if (unknown !== 0)
    throw newerFormat(
      structure,
      `it has features that are not known: readOnlyCompat ${hex(unknown)}, so it can be checked and not be changed`,
    )
}

const unknownBits = (word: number, knownBits: number): number => (word & ~knownBits) >>> 0
const hex = (word: number): string => `0x${word.toString(16)}`
